"""Every field of every JSON body: missing, null, of another type, too long, too short, malformed, or unknown.

The bodies are made from the schemas of openapi.yaml, so that a new operation is covered by being described.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from pg8000.dbapi import Connection

from emulators import contract
from emulators.contract import Operation
from shared.auth import Role
from tests import factories, openapi
from tests.client import FunctionClient

Client = Callable[..., FunctionClient]
Schema = dict[str, Any]

JSON = "application/json"
CANARY = "c4n4ry"
OTHER_TYPES: dict[str, list[object]] = {
    "string": [0, 1.5, True, [], {}, [CANARY]],
    "integer": ["1", 1.5, True, [], {}, CANARY],
    "number": ["1", True, [], {}, CANARY],
    "boolean": ["true", 1, 0, [], {}],
    "object": [CANARY, 1, True, [], [{}]],
    "array": [CANARY, 1, True, {}],
}
MALFORMED: dict[str, list[str]] = {
    "date": ["", CANARY, "0", "7200", "1990-02-30", "1990-13-01", "90-12-10", "1990-12-10T00:00:00Z",
             "\u0662000-01-01"],
    "date-time": ["", CANARY, "0", "1234567890", "2026-11-22", "2026-11-22T12:00:00", "2026-11-22T25:00:00Z",
                  "2026-11-22T12:00:00+99:00"],
    "uuid": ["", CANARY, "0", "7c6b5a49-3827-4615-9403", "7c6b5a49-3827-4615-9403-f2e1d0c9b8a7-1"],
}  # fmt: skip
HUGE = 2**53 - 1  # the largest integer that JSON carries unharmed


@dataclass(frozen=True)
class Fault:
    """A body with one thing wrong, and the JSON pointer that the answer must name."""

    name: str
    field: str
    body: object


def with_body() -> list[Operation]:
    return [found for found in contract.operations() if example_of(found) is not None]


def schema_of(operation: Operation) -> Schema | None:
    """The schema of the operation's JSON body, if it has one."""
    said = contract.document()["paths"][operation.template][operation.method.lower()]
    media = said.get("requestBody", {}).get("content", {}).get("application/json")
    return openapi.resolved(media["schema"]) if media else None


def example_of(operation: Operation) -> dict[str, Any] | None:
    """A body that the operation takes."""
    schema = schema_of(operation)
    return copy.deepcopy(schema["example"]) if schema else None


def media_of(operation: Operation) -> dict[str, str]:
    """The header that says what the operation's body is: what its contract names, JSON where it has none."""
    said = contract.document()["paths"][operation.template][operation.method.lower()]
    (media,) = said.get("requestBody", {}).get("content", {JSON: None})
    return {"Content-Type": f"{media}; boundary=b" if media.startswith("multipart/") else media}


def path_of(operation: Operation) -> str:
    """The operation's path with some id in it."""
    return re.sub(r"{\w+}", "7c6b5a49-3827-4615-9403-f2e1d0c9b8a7", operation.template)


def faults(schema: Schema, valid: dict[str, Any], at: str = "") -> Iterator[Fault]:
    """Each property of the object wrong in each way that its schema forbids, and one property too many."""
    for name, described in schema["properties"].items():
        property_ = openapi.resolved(described)
        field = f"{at}/{name}"
        if name in schema.get("required", []):
            yield Fault(f"{field} missing", field, {key: value for key, value in valid.items() if key != name})
        for value in wrong_values(property_):
            yield Fault(f"{field} = {str(value)[:40]!r} ({type(value).__name__})", field, {**valid, name: value})
        if property_["type"] == "object":
            for inner in faults(property_, valid[name], field):
                yield Fault(inner.name, inner.field, {**valid, name: inner.body})
    for unknown in ("unknown", "", "__proto__", "a/b~c"):
        pointer = f"{at}/{unknown.replace('~', '~0').replace('/', '~1')}"
        yield Fault(f"{pointer} unknown", pointer, {**valid, unknown: CANARY})


def wrong_values(schema: Schema) -> Iterator[object]:
    if not schema.get("nullable"):
        yield None
    yield from OTHER_TYPES[schema["type"]]
    if schema["type"] == "string":
        yield from wrong_strings(schema)
    if "maximum" in schema:
        yield from (schema["maximum"] + 1, HUGE)
    if "minimum" in schema:
        yield from (schema["minimum"] - 1, -HUGE)


def wrong_strings(schema: Schema) -> Iterator[str]:
    if "maxLength" in schema:
        yield "a" * (schema["maxLength"] + 1)
    if schema.get("minLength"):
        yield "a" * (schema["minLength"] - 1)
    if "enum" in schema:
        yield from ("", CANARY, schema["enum"][0].upper(), f"{schema['enum'][0]} ")
    if "pattern" in schema:
        breaking = ("", " ", "a" * 1000, "\n", "\u0663" * 6, f"{CANARY}\n", "../..", "' OR 1=1 --", "<script>")
        yield from (text for text in breaking if not re.fullmatch(schema["pattern"], text))
    yield from MALFORMED.get(schema.get("format", ""), [])


@cache
def _digest_query(tables: tuple[str, ...]) -> str:
    return " UNION ALL ".join(
        f"SELECT '{table}', md5(coalesce(string_agg(row_::text, E'\\n' ORDER BY row_::text), '')) FROM {table} AS row_"
        for table in tables
    )


def world(sql: Connection, *, without: tuple[str, ...] = ()) -> dict[str, str]:
    """A digest of all rows of every table: two that are equal say that nothing has changed."""
    names = sql.execute_simple(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
        "AND relnamespace = 'public'::regnamespace ORDER BY relname"
    ).rows
    tables = tuple(name for (name,) in names if name not in without)
    return dict(sql.execute_simple(_digest_query(tables)).rows)


@pytest.mark.parametrize("operation", with_body(), ids=lambda operation: operation.operation_id)
def test_every_wrong_field_is_named_and_nothing_is_done(operation: Operation, client: Client, sql: Connection) -> None:
    schema, valid = schema_of(operation), example_of(operation)
    assert schema
    assert valid
    somebody = client(factories.member(role=Role.OPERATIONS).token)
    before = world(sql)
    wrong: list[str] = []

    for number, fault in enumerate(faults(schema, valid)):
        answer = somebody.send(
            operation.method,
            path_of(operation),
            json.dumps(fault.body).encode(),
            {"Content-Type": JSON, "Idempotency-Key": f"fault-{number}"},
        )
        if (answer.status, answer.problem) != (422, "not-valid"):
            wrong.append(f"{fault.name}: {answer.status} {answer.body}")
        elif fault.field not in {error["field"] for error in answer.body["errors"]}:
            wrong.append(f"{fault.name}: not named in {answer.body['errors']}")
        elif CANARY in json.dumps([error["message"] for error in answer.body["errors"]]):
            wrong.append(f"{fault.name}: repeated in {answer.body['errors']}")

    assert not wrong, "\n".join(wrong)
    assert world(sql) == before


def test_what_the_faults_are_made_of_is_itself_taken(client: Client) -> None:
    somebody = client(factories.member(role=Role.OPERATIONS).token)
    for operation in with_body():
        headers = {"Content-Type": JSON, "Idempotency-Key": operation.operation_id}
        body = json.dumps(example_of(operation)).encode()
        answer = somebody.send(operation.method, path_of(operation), body, headers)
        assert answer.problem not in {"not-valid", "body-not-readable"}, operation.operation_id


def test_a_body_that_is_no_object_is_refused(client: Client, sql: Connection) -> None:
    somebody = client(factories.member(role=Role.OPERATIONS).token)
    before = world(sql)
    for operation in with_body():
        for body in (None, True, 0, 1.5, "", CANARY, [], [example_of(operation)]):
            answer = somebody.send(
                operation.method, path_of(operation), json.dumps(body).encode(), {"Content-Type": JSON}
            )
            assert (answer.status, answer.problem) == (422, "not-valid"), f"{operation.operation_id}: {body}"
    assert world(sql) == before


def test_many_wrong_fields_are_told_in_one_answer_of_bounded_length(client: Client) -> None:
    body = {"email": 1, "password": None} | {f"unknown{number}": number for number in range(2000)}
    answer = client().post("/v1/auth/signup", body)
    fields = [error["field"] for error in answer.body["errors"]]
    assert {"/email", "/password", "/full_name", "/date_of_birth"} <= set(fields)
    assert len(fields) == 50


def test_the_faults_cover_every_property_that_a_client_may_send() -> None:
    """The generator itself: each property is at least of another type once, and each required one missing once."""
    for operation in with_body():
        schema, valid = schema_of(operation), example_of(operation)
        assert schema
        assert valid
        made = [fault.name for fault in faults(schema, valid)]
        assert len(made) == len(set(made))
        for name in schema["properties"]:
            assert sum(fault.startswith(f"/{name} = ") for fault in made) >= 4, name
        for name in schema["required"]:
            assert f"/{name} missing" in made
