"""No text of pydantic's, or of Python's JSON and number readers, reaches whoever has sent something wrong."""

from typing import Annotated, Any, cast

import pytest
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core._pydantic_core import list_all_errors

from shared.values import encoding, fault_texts
from shared.values.encoding import NotJson
from shared.values.fields import Shape
from tests.openapi import PYTHONS

OUR_OWN = "value_error"  # its text is what our validator has said


@pytest.mark.parametrize("known", list_all_errors(), ids=lambda known: known["type"])
def test_every_kind_of_fault_has_a_text_of_our_own(known: dict[str, Any]) -> None:
    details = {"type": known["type"], "loc": (), "msg": known["example_message_python"], "input": None}
    context = {**known.get("example_context", {})} if known.get("example_context") else {}
    told = fault_texts.message(cast("ErrorDetails", details | {"ctx": context}))
    assert told
    assert told != known["example_message_python"]
    assert not PYTHONS.search(told), told


def test_what_a_validator_of_ours_says_is_told() -> None:
    details = {"type": OUR_OWN, "loc": (), "msg": "Value error, x", "input": None, "ctx": {"error": ValueError("must")}}
    assert fault_texts.message(cast("ErrorDetails", details)) == "must"


def test_a_shape_is_told_in_its_own_words() -> None:
    screen = TypeAdapter(Annotated[str, Shape(r"^[a-z]+$", "a name of a screen")])
    with pytest.raises(ValidationError) as raised:
        screen.validate_python("Home!")
    (fault,) = raised.value.errors()
    assert fault_texts.message(fault) == "must be a name of a screen"


def test_what_is_allowed_is_listed_without_quotation_marks() -> None:
    details = {"type": "literal_error", "loc": (), "msg": "", "input": None, "ctx": {"expected": "'ios' or 'android'"}}
    assert fault_texts.message(cast("ErrorDetails", details)) == "must be ios or android"


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b'{"a": }', "it breaks the rules at line 1, column 7"),
        (b'{\n"a": 1,\n}', "it breaks the rules at line 3, column 1"),
        (b"", "it breaks the rules at line 1, column 1"),
        (b'{"a": "\xff"}', "byte 8 is not UTF-8"),
        (b'{"a": ' + b"9" * 5000 + b"}", encoding.INEXACT),
        (b'{"a": 1e400}', encoding.INEXACT),
        (b'{"a": 1e999999999999999999999}', encoding.INEXACT),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": 1, "a": 2}', "a name is repeated in an object"),
    ],
)
def test_what_is_wrong_with_json_is_told_in_our_words(raw: bytes, told: str) -> None:
    with pytest.raises(NotJson) as fault:
        encoding.parse(raw)
    assert str(fault.value) == told
    assert not PYTHONS.search(told)


@pytest.mark.parametrize(
    "raw", [b"[1", b'{"a" 1}', b"tru", b'"\\x"', b'"\x01"', b"-", b"1.", b"\xef\xbb\xbf{}", b"{'a': 1}"]
)
def test_no_fault_of_json_is_told_in_pythons_words(raw: bytes) -> None:
    with pytest.raises(NotJson) as fault:
        encoding.parse(raw)
    assert not PYTHONS.search(str(fault.value)), fault.value
