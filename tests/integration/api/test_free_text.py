"""Every field of every body and query that people fill in their own words refuses what cannot be seen.

The fields are those that openapi.yaml gives the format `line` or `lines`; one that is neither must say what it is.
"""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from pg8000.dbapi import Connection

from emulators import contract
from emulators.contract import Operation
from shared.auth import Role
from tests import factories, openapi
from tests.client import Client
from tests.contract.kinds_of_text import FIELDS, MADE_BY_PROGRAMS, PASSWORDS, SECOND_FACTORS
from tests.operations.examples import JSON, example_of, operations_with_body, path_of, schema_of
from tests.rows import rows_of_all_tables

# What programs make, and what people type in a form of its own, is read elsewhere (shared/values/typed.py).
NOT_FREE = {name.rpartition(".")[2] for name in FIELDS} | MADE_BY_PROGRAMS | PASSWORDS | {SECOND_FACTORS}
KINDS = frozenset({"line", "lines"})
# The chat takes out of a message what cannot be seen, instead of refusing it: tests/unit/test_chat_text.py.
CLEANED = frozenset({"post_message", "edit_message"})
UNSEEN = ["\x01", "\x1b[2J", "\x7f", "\x85\x01", "\u200b", "\u200f", "\u202e", "\u2066", "\ufeff", "\u00ad", "\u3164",
          "\ue000", "\U000e0041", "\u200d"]  # fmt: skip
BREAKS = ["\r\n", "\n", "\r", "\u2028"]


@dataclass(frozen=True)
class Field:
    """A string that a client sends; `path` leads to it in the body."""

    path: tuple[str, ...]
    schema: dict[str, Any]

    @property
    def pointer(self) -> str:
        return "".join(f"/{name}" for name in self.path)

    def has_place(self, body: Any) -> bool:
        """True if the body has the object in which the string stands. Lists of things of several kinds have not all of
        them; the noun's own tests try the others.
        """
        for name in self.path[:-1]:
            if isinstance(body, dict) and name not in body:
                return False
            body = body[int(name)] if isinstance(body, list) else body[name]
        return True

    def put(self, body: dict[str, Any], value: str) -> dict[str, Any]:
        changed = copy.deepcopy(body)
        place: Any = changed
        for name in self.path[:-1]:
            place = place[int(name)] if isinstance(place, list) else place[name]
        place[self.path[-1]] = value
        return changed


def strings(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[Field]:
    """The texts of a body; a field without a type may be anything, and is judged elsewhere."""
    for name, described in schema["properties"].items():
        found, inner = openapi.resolved(described), (*path, name)
        if found.get("type") == "array":
            found, inner = openapi.resolved(found["items"]), (*path, name, "0")
        if found.get("type") == "object":
            yield from strings(found, inner)
        elif found.get("type") == "string":
            yield Field((*path, name), found)


def free(operation: Operation) -> list[Field]:
    schema = schema_of(operation)
    assert schema
    example = example_of(operation)
    return [found for found in strings(schema) if found.schema.get("format") in KINDS and found.has_place(example)]


def with_free_text() -> list[Operation]:
    return [
        operation for operation in operations_with_body() if free(operation) and operation.operation_id not in CLEANED
    ]


def test_every_string_of_a_body_says_of_which_kind_it_is() -> None:
    fields = [
        (operation, field) for operation in operations_with_body() for field in strings(schema_of(operation) or {})
    ]
    unsaid = [
        f"{operation.operation_id}{field.pointer}"
        for operation, field in fields
        if not {"enum", "pattern", "format"} & field.schema.keys() and field.path[-1] not in NOT_FREE
    ]
    assert not unsaid
    assert sum(field.schema.get("format") in KINDS for _, field in fields) >= 40


@pytest.mark.parametrize("operation", with_free_text(), ids=lambda operation: operation.operation_id)
def test_what_cannot_be_seen_is_refused_and_nothing_is_done(
    operation: Operation, client: Client, sql: Connection
) -> None:
    somebody = client(factories.member(role=Role.OWNER).token)
    before = rows_of_all_tables(sql)
    wrong: list[str] = []
    for number, (field, text) in enumerate(tried(operation)):
        body = json.dumps(field.put(example_of(operation) or {}, text)).encode()
        headers = {"Content-Type": JSON, "Idempotency-Key": f"unseen-{number}"}
        answer = somebody.send(operation.method, path_of(operation), body, headers)
        if (answer.status, answer.problem) != (422, "not-valid"):
            wrong.append(f"{field.pointer} = {text!r}: {answer.status} {answer.body}")
        elif [error["field"] for error in answer.body["errors"]] != [field.pointer]:
            wrong.append(f"{field.pointer} = {text!r}: {answer.body['errors']}")
        elif "Ada" in json.dumps(answer.body["errors"]):
            wrong.append(f"{field.pointer} is repeated: {answer.body['errors']}")
    assert not wrong, "\n".join(wrong)
    assert rows_of_all_tables(sql) == before


def tried(operation: Operation) -> Iterator[tuple[Field, str]]:
    for field in free(operation):
        for unseen in UNSEEN + (BREAKS if field.schema["format"] == "line" else []):
            yield field, f"Ada{unseen}King"


def test_the_query_is_read_likewise(client: Client) -> None:
    paths = contract.document()["paths"]
    asked = {
        (template, parameter["name"])
        for template, methods in paths.items()
        for said in methods.values()
        for parameter in map(openapi.resolved, said.get("parameters", []))
        if parameter["in"] == "query" and parameter["schema"].get("format") in KINDS
    }
    assert asked
    for template, name in asked:
        for unseen in UNSEEN + BREAKS:
            answer = client().get(f"{template}?{name}={quote(f'Ada{unseen}King')}")
            assert (answer.status, answer.problem) == (422, "not-valid"), repr(unseen)
            assert [error["field"] for error in answer.body["errors"]] == [f"/{name}"]


def test_a_name_and_a_bio_are_kept_as_they_are_seen(client: Client) -> None:
    ada = client(factories.member().token)
    revision = ada.get("/v1/users/me/profile").body["revision"]
    body = {
        "username": "ada_king", "email": ada.get("/v1/users/me/profile").body["email"],
        "full_name": " Ada\u00a0 Kíng\t", "bio": "Mint.\r\nAlways \u2764\ufe0f.\n",
    }  # fmt: skip
    headers = {"Content-Type": JSON, "If-Match": f'"{revision}"'}
    answer = ada.send("PUT", "/v1/users/me/profile", json.dumps(body).encode(), headers)
    assert (answer.body["full_name"], answer.body["bio"]) == ("Ada Kíng", "Mint.\nAlways \u2764\ufe0f.")
