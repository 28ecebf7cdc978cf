"""Every field of every JSON body: missing, null, of another type, too long, too short, malformed, or unknown.

The bodies are made from the schemas of openapi.yaml, so that a new operation is covered by being described.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pg8000.dbapi import Connection

from emulators.contract import Operation
from shared.auth import Role
from tests import factories, openapi
from tests.client import FunctionClient
from tests.operations.examples import JSON, Schema, example_of, operations_with_body, path_of, schema_of
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

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


def faults(schema: Schema, valid: dict[str, Any], at: str = "") -> Iterator[Fault]:
    """Each property of the object wrong in each way that its schema forbids, and one property too many."""
    for name, described in schema["properties"].items():
        property_ = openapi.resolved(described)
        field = f"{at}/{name}"
        if name in schema.get("required", []):
            yield Fault(f"{field} missing", field, {key: value for key, value in valid.items() if key != name})
        for value in wrong_values(property_):
            yield Fault(f"{field} = {str(value)[:40]!r} ({type(value).__name__})", field, {**valid, name: value})
        if property_.get("type") == "object":
            for inner in faults(property_, valid[name], field):
                yield Fault(inner.name, inner.field, {**valid, name: inner.body})
    for unknown in ("unknown", "", "__proto__", "a/b~c"):
        pointer = f"{at}/{unknown.replace('~', '~0').replace('/', '~1')}"
        yield Fault(f"{pointer} unknown", pointer, {**valid, unknown: CANARY})


def wrong_values(schema: Schema) -> Iterator[object]:
    if not schema.get("nullable"):
        yield None
    if "type" not in schema:  # anything but null, as far as the contract goes
        return
    yield from OTHER_TYPES[schema["type"]]
    if schema["type"] == "string":
        yield from wrong_strings(schema)
    if "maximum" in schema:
        yield from {schema["maximum"] + 1, HUGE} - {schema["maximum"]}
    if "minimum" in schema:
        yield from (schema["minimum"] - 1, -HUGE)


def wrong_strings(schema: Schema) -> Iterator[str]:
    if "maxLength" in schema:
        yield "a" * (schema["maxLength"] + 1)
    if schema.get("minLength"):
        yield "a" * (schema["minLength"] - 1)
    if "enum" in schema:
        yield from ("", CANARY, schema["enum"][0].swapcase(), f"{schema['enum'][0]} ")
    if "pattern" in schema:
        breaking = ("", " ", "a" * 1000, "\n", "\u0663" * 6, f"{CANARY}\n", "../..", "' OR 1=1 --", "<script>")
        yield from (text for text in breaking if not re.fullmatch(schema["pattern"], text))
    yield from MALFORMED.get(schema.get("format", ""), [])


@pytest.mark.parametrize("operation", operations_with_body(), ids=lambda operation: operation.operation_id)
def test_every_wrong_field_is_named_and_nothing_is_done(operation: Operation, client: Client, sql: Connection) -> None:
    schema, valid = schema_of(operation), example_of(operation)
    assert schema
    assert valid
    somebody = client(factories.member(role=Role.OWNER).token)
    before = rows_of_all_tables(sql)
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
    assert rows_of_all_tables(sql) == before


def test_what_the_faults_are_made_of_is_itself_taken(client: Client) -> None:
    somebody = client(factories.member(role=Role.OWNER).token)
    for operation in operations_with_body():
        headers = {"Content-Type": JSON, "Idempotency-Key": operation.operation_id}
        body = json.dumps(example_of(operation)).encode()
        answer = somebody.send(operation.method, path_of(operation), body, headers)
        assert answer.problem not in {"not-valid", "body-not-readable"}, operation.operation_id


def test_a_body_that_is_no_object_is_refused(client: Client, sql: Connection) -> None:
    somebody = client(factories.member(role=Role.OWNER).token)
    before = rows_of_all_tables(sql)
    for operation in operations_with_body():
        for body in (None, True, 0, 1.5, "", CANARY, [], [example_of(operation)]):
            answer = somebody.send(
                operation.method, path_of(operation), json.dumps(body).encode(), {"Content-Type": JSON}
            )
            assert (answer.status, answer.problem) == (422, "not-valid"), f"{operation.operation_id}: {body}"
    assert rows_of_all_tables(sql) == before


def test_many_wrong_fields_are_told_in_one_answer_of_bounded_length(client: Client) -> None:
    body = {"email": 1, "password": None} | {f"unknown{number}": number for number in range(2000)}
    answer = client().post("/v1/auth/signup", body)
    fields = [error["field"] for error in answer.body["errors"]]
    assert {"/email", "/password", "/full_name", "/date_of_birth"} <= set(fields)
    assert len(fields) == 50


def test_the_faults_cover_every_property_that_a_client_may_send() -> None:
    """The generator itself: each property is at least of another type once, and each required one missing once."""
    for operation in operations_with_body():
        schema, valid = schema_of(operation), example_of(operation)
        assert schema
        assert valid
        made = [fault.name for fault in faults(schema, valid)]
        assert len(made) == len(set(made))
        for name, described in schema["properties"].items():
            least = 4 if "type" in openapi.resolved(described) else 1  # what may be anything is never of another type
            assert sum(fault.startswith(f"/{name} = ") for fault in made) >= least, name
        for name in schema.get("required", []):
            assert f"/{name} missing" in made
