"""Every text that a client may send: `shared/values/typed.py` reads what people type, and no fault shows a pattern.

A field that is new fails here until somebody has said what it is.
"""

import json
import re
from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from emulators import contract
from shared.values.problems import NotValid, Problem
from shared.web.http import parse_body
from tests.contract.kinds_of_text import FIELDS, MADE_BY_PROGRAMS, PASSWORDS, SECOND_FACTORS, WORDS
from tests.contract.routes import all_problems, routes

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
HASH = "0x" + "ab" * 32
TYPED: dict[str, tuple[list[str], str]] = {
    "tin code": (["k7qm\u20133xpa\u00a09wtd\r\n", "\uff2b7QM-3XPA-9WTD"], "K7QM3XPA9WTD"),
    "any tin code": (["k7qm 3xpa 9wtd\n"], "k7qm 3xpa 9wtd\n"),  # read where each is told why it is refused
    "six digits": ([" 012 345\n", "\uff10\uff112345", "\u0660\u06612345"], "012345"),
    "six digits or backup code": (["ABCDE\u201327777 ", "\uff41bcde 27777"], "abcde27777"),
    "member id": (["bj\u20130042\u2011vip \n", "\uff22J-0042-VIP"], "BJ-0042-VIP"),
    "username": (["\uff21da_l \u200b"], "Ada_l"),
    "referral code": (["https://blakjaks.com/r/ada-l\n", " ada\u2011l"], "ada-l"),
    "any referral code": (["/r/ada\u2011l "], "/r/ada\u2011l "),  # read where it is counted, or not
    "custom code": (["Ada\u2011L "], "ada-l"),
    "address of Polygon": ([f"{ADDRESS}\n", f"\u200b0X{ADDRESS[2:]}"], ADDRESS),
    "transaction's hash": ([f" {HASH.upper()}\n"], HASH),
    "e-mail address": ([" Ada@EXAMPLE.com\u200b", "\uff41da@example.com"], "ada@example.com"),
    "new e-mail address": ([" Ada@EXAMPLE.com\u200b", "\uff41da@example.com"], "ada@example.com"),
    "telephone number": (["(775)\u00a0555\u20110100", "tel:+1-775-555-0100"], "+17755550100"),
    "any telephone number": (["(775) 555-0100"], "(775) 555-0100"),  # read when its country is known
    "postal code": (["\u00a089501\u20131234\n"], "89501-1234"),
    "state": ([" ny\n", "\uff2e\uff39"], "NY"),
    "ZIP code": (["10001\u20111234 ", "\uff110001-1234"], "10001-1234"),
    "employer identification number": (["12\u20113456789", "\uff11\uff12 3456789\n"], "123456789"),
    "stock-keeping unit": ([" MINTICE\u20116\n"], "MINTICE-6"),
    "number of wei": ([" 1,000\u00a0000\n", "\uff11000000"], "1000000"),
    "bank's reference": ([" ft 26327\u201199812\n"], "FT26327-99812"),
    "carrier's number": ([" 1z 999\u00a0AA1\u20110001\n"], "1Z999AA10001"),
    "tracking number": ([" 1Z 999\u00a0AA1\n"], "1Z 999 AA1"),
}  # fmt: skip
NO_TEXTS = (
    "",
    " ",
    "\n",
    "x",
    "a" * 5_000,
    "../..",
    "' OR 1=1 --",
    "<script>",
    "\u0663\u0663",
    "0x",
    "7",
    "-----",
    "ZZ",
)
PATTERN = re.compile(r"\[[A-Za-z0-9]-|\\[dws.]|\]\{|\(\?|\^\[|\]\+|\.\*|pattern", re.IGNORECASE)


def models() -> dict[str, type[BaseModel]]:
    """Bodies and queries of the contract, and what lies within them."""
    found: dict[str, type[BaseModel]] = {}
    todo: list[type[BaseModel]] = []
    todo += [model for _, route in routes() for model in (route.contract.body, route.contract.query) if model]
    while todo:
        model = todo.pop()
        found[model.__name__] = model
        todo += [inner for field in model.model_fields.values() for inner in kinds(field.annotation)
                 if isinstance(inner, type) and issubclass(inner, BaseModel)]  # fmt: skip
    return found


def kinds(annotation: object) -> Iterator[object]:
    """The types that a field may have, those of a list's items too."""
    if get_origin(annotation) in (Union, UnionType, list) or hasattr(annotation, "__metadata__"):
        for inner in get_args(annotation):
            yield from kinds(inner)
    else:
        yield annotation


def texts() -> Iterator[tuple[type[BaseModel], str]]:
    for model in models().values():
        for name, field in model.model_fields.items():
            if str in set(kinds(field.annotation)):
                yield model, name


def kind_of(model: type[BaseModel], name: str) -> str | None:
    return "six digits" if name == SECOND_FACTORS else FIELDS.get(f"{model.__name__}.{name}")


def test_of_every_text_it_is_known_who_makes_it() -> None:
    others = WORDS | PASSWORDS | MADE_BY_PROGRAMS
    unknown = {f"{model.__name__}.{name}" for model, name in texts() if not kind_of(model, name) and name not in others}
    assert unknown == set()
    assert FIELDS.keys() <= {f"{model.__name__}.{name}" for model, name in texts()}
    assert set(FIELDS.values()) == TYPED.keys()


def example_of(model: type[BaseModel]) -> dict[str, Any]:
    """The example of a body; of a query nothing is required."""
    schema = contract.document()["components"]["schemas"].get(model.__name__, {"example": {}})
    example: dict[str, Any] = schema["example"]
    return example


typed_fields = [(model, name) for model, name in texts() if kind_of(model, name)]


@pytest.mark.parametrize(
    ("model", "name"), typed_fields, ids=[f"{model.__name__}.{name}" for model, name in typed_fields]
)
def test_what_is_typed_is_read_however_it_comes(model: type[BaseModel], name: str) -> None:
    spellings, meant = TYPED[kind_of(model, name) or ""]
    for spelled in spellings:
        value: object = [spelled] if name == "codes" else spelled
        read = getattr(model.model_validate_json(json.dumps(example_of(model) | {name: value})), name)
        assert read == ([meant] if name == "codes" else meant), ascii(spelled)


def faults(model: type[BaseModel], body: dict[str, Any]) -> list[str]:
    try:
        parse_body(json.dumps(body).encode(), model)  # type: ignore[type-var] # mypy sees the bodies as BaseModel
    except NotValid as problem:
        errors = problem.members["errors"]
        assert isinstance(errors, list)
        return [str(error["message"]) for error in errors]
    return []


bodies = sorted({route.contract.body for _, route in routes() if route.contract.body}, key=lambda model: model.__name__)


@pytest.mark.parametrize("model", bodies, ids=lambda model: model.__name__)
def test_no_fault_of_a_field_shows_a_pattern(model: type[BaseModel]) -> None:
    for name in model.model_fields:
        for text in NO_TEXTS:
            for message in faults(model, example_of(model) | {name: text}):
                assert not PATTERN.search(message), (name, message)


def test_no_parameter_of_a_query_shows_a_pattern() -> None:
    queries = {route.contract.query for _, route in routes() if route.contract.query}
    for model in queries:
        for name in model.model_fields:
            for text in NO_TEXTS:
                messages = query_faults(model, name, text)
                assert not [message for message in messages if PATTERN.search(message)], (model, name, messages)


def query_faults(model: type[BaseModel], name: str, text: str) -> list[str]:
    try:
        model.model_validate_strings({name: text})
    except ValidationError as error:
        return [fault["msg"] for fault in error.errors()]
    return []


def test_no_problem_shows_a_pattern() -> None:
    found: dict[str, type[Problem]] = all_problems()
    assert not [kind.title for kind in found.values() if PATTERN.search(kind.title)]


def test_a_pattern_is_told_from_words() -> None:
    """The judge of this file judges: these are what clients were shown before."""
    assert PATTERN.search("String should match pattern '^[0-9]{6}$'")
    assert PATTERN.search("must be ^0x[0-9a-fA-F]{40}$")
    assert not PATTERN.search("must be 3 to 30 letters from A to Z, digits and underscores")
