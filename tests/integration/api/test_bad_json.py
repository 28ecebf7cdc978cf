"""Bodies that are no JSON, or JSON that two sides could read differently; bodies that are too large."""

import io
import json
import tracemalloc
from collections.abc import Callable

import pytest
from pg8000.dbapi import Connection

from emulators import contract
from shared.auth import Role
from tests import factories
from tests.client import FunctionClient, answer_of, app, edge_headers
from tests.operations.examples import example_of, operations_with_body, path_of
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

JSON = {"Content-Type": "application/json"}
BODY_BYTES_MAX = 64 * 1024
FIFTY_MB = 50 * 1024 * 1024
MEMORY_BYTES_MAX = 40 * 1024 * 1024  # an upload of 10 MB and its copies, but not what was sent

NOT_JSON: dict[str, bytes] = {
    "empty": b"",
    "white space": b" \r\n\t",
    "cut off": b'{"email": "ada@exam',
    "text": b"hello",
    "a form": b"email=ada%40example.com",
    "XML": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "single quotes": b"{'code': 'x'}",
    "a comma too many": b'{"code": "x",}',
    "a comment": b'{"code": "x"} // hello',
    "two documents": b'{"code": "x"}{"code": "x"}',
    "a byte order mark": b'\xef\xbb\xbf{"code": "x"}',
    "UTF-16": '{"code": "x"}'.encode("utf-16"),
    "UTF-32": '{"code": "x"}'.encode("utf-32"),
    "latin-1": '{"code": "é"}'.encode("latin-1"),
    "overlong UTF-8": b'{"code": "\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"code": "\xed\xa0\x80"}',
    "raw NUL": b'{"code": "\x00"}',
    "a raw line break in a string": b'{"code": "a\nb"}',
    "an unknown escape": b'{"code": "\\x41"}',
    "NaN": b'{"code": NaN}',
    "Infinity": b'{"code": -Infinity}',
    "a leading zero": b'{"code": 01}',
    "hexadecimal": b'{"code": 0x10}',
}
NOT_INTEROPERABLE: dict[str, bytes] = {
    "a repeated name": b'{"code": "x", "code": "y"}',
    "a repeated name, once escaped": b'{"code": "x", "\\u0063ode": "y"}',
    "a repeated name deep inside": b'{"a": [{"b": {"c": 1, "c": 1}}]}',
    "an escaped NUL": b'{"code": "\\u0000"}',
    "a NUL in a name": b'{"\\u0000": 1}',
    "half a surrogate pair": b'{"code": "\\ud800"}',
    "the other half": b'{"code": "\\udfff x"}',
    "half a pair in a name": b'{"\\ud83d": 1}',
    "a pair the wrong way round": b'{"code": "\\ude00\\ud83d"}',
    "1e400": b'{"code": 1e400}',
    "an exponent that nothing holds": b'{"code": 1e999999999999999999999}',
    "a negative one": b'{"code": -1e-999999999999999999999}',
    "more digits than a double": b'{"code": 0.1234567890123456789}',
    "5,000 digits": b'{"code": ' + b"9" * 5000 + b"}",
    "33 deep": b'{"a":' * 33 + b"1" + b"}" * 33,
    "20,000 deep": b"[" * 20_000 + b"]" * 20_000,
    "60,000 deep and never closed": b"[" * 60_000,
}
STRANGE_BUT_READABLE: dict[str, bytes] = {
    "10^400": b'{"code": ' + str(10**400).encode() + b"}",
    "an astral character": b'{"unknown": "\\ud83d\\ude00"}',
    "32 deep": b'{"a":' * 32 + b"1" + b"}" * 32,
    "20,000 names": json.dumps({f"{number:x}": 0 for number in range(6_000)}).encode(),
    "one long string": b'{"unknown": "' + b"x" * 60_000 + b'"}',
}
OTHER_CONTENT_TYPES = (
    "", "text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
    "application/problem+json", "application/jsonp", "application/json, text/plain", "*/*", "json", "x" * 5000,
)  # fmt: skip


class Zeros(io.RawIOBase):
    """A body that is made while it is read, and remembers how much of it was."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.left = length
        self.given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # typeshed: any writable buffer
        size = min(len(buffer), self.left)
        buffer[:size] = bytes(size)
        self.left -= size
        self.given += size
        return size


def test_what_is_not_json_is_refused_before_anything_is_done(client: Client, sql: Connection) -> None:
    somebody = client(factories.member(role=Role.OWNER).token)
    before = rows_of_all_tables(sql)
    wrong: list[str] = []
    for operation in operations_with_body():
        for name, body in {**NOT_JSON, **NOT_INTEROPERABLE}.items():
            answer = somebody.send(operation.method, path_of(operation), body, JSON)
            if (answer.status, answer.problem) != (400, "body-not-readable"):
                wrong.append(f"{operation.operation_id}, {name}: {answer.status} {answer.body}")
    assert not wrong, "\n".join(wrong)
    assert rows_of_all_tables(sql) == before


def test_json_that_is_merely_strange_is_judged_by_its_fields(client: Client, sql: Connection) -> None:
    somebody = client(factories.member(role=Role.OWNER).token)
    before = rows_of_all_tables(sql)
    for operation in operations_with_body():
        for name, body in STRANGE_BUT_READABLE.items():
            answer = somebody.send(operation.method, path_of(operation), body, JSON)
            where = f"{operation.operation_id}, {name}"
            assert (answer.status, answer.problem) in ((400, "body-not-readable"), (422, "not-valid")), where
    assert rows_of_all_tables(sql) == before


def test_a_body_is_taken_up_to_64_kib_and_not_a_byte_more(client: Client) -> None:
    somebody = client(factories.member(role=Role.OWNER).token)
    start, end = b'{"unknown": "', b'"}'
    largest = start + b"x" * (BODY_BYTES_MAX - len(start) - len(end)) + end
    for operation in operations_with_body():
        taken = somebody.send(operation.method, path_of(operation), largest, JSON)
        refused = somebody.send(operation.method, path_of(operation), largest + b" ", JSON)
        assert (taken.status, taken.problem) == (422, "not-valid"), operation.operation_id
        assert (refused.status, refused.problem) == (413, "body-too-large"), operation.operation_id


@pytest.mark.parametrize("declared", [True, False], ids=["with Content-Length", "chunked"])
@pytest.mark.parametrize(
    ("operation", "status"), [("signup", 413), ("import_feedback", 413), ("logout", 204), ("create_token", 200)]
)
def test_a_body_of_50_mb_is_refused_or_ignored_and_never_held_in_memory(
    operation: str, status: int, declared: bool, client: Client
) -> None:
    (asked,) = [found for found in contract.operations() if found.operation_id == operation]
    somebody = client(factories.member(role=Role.OWNER).token)
    length = {"CONTENT_LENGTH": str(FIFTY_MB)} if declared else {"wsgi.input_terminated": True}
    environ = {"wsgi.input": Zeros(FIFTY_MB), **length}
    headers = {
        "Authorization": f"Bearer {somebody.service_token(asked.function)}",
        "X-Forwarded-Authorization": f"Bearer {somebody.token}",
        "Content-Type": "text/csv" if operation == "import_feedback" else "application/json",
        **edge_headers(somebody.address),
    }
    function_client = app(asked.function).test_client()

    tracemalloc.start()
    try:
        response = function_client.open(asked.template, method=asked.method, headers=headers, environ_overrides=environ)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert response.status_code == status
    assert answer_of(response).problem == ("body-too-large" if status == 413 else "")
    assert peak < MEMORY_BYTES_MAX


def test_another_content_type_is_refused(client: Client, sql: Connection) -> None:
    somebody = client(factories.member(role=Role.OWNER).token)
    before = rows_of_all_tables(sql)
    for operation in operations_with_body():
        body = json.dumps(example_of(operation)).encode()
        for content_type in OTHER_CONTENT_TYPES:
            headers = {"Content-Type": content_type} if content_type else {}
            answer = somebody.send(operation.method, path_of(operation), body, headers)
            where = f"{operation.operation_id} as {content_type[:40]}"
            assert (answer.status, answer.problem) == (415, "content-type-not-supported"), where
    assert rows_of_all_tables(sql) == before


def test_json_may_name_its_charset(client: Client) -> None:
    body = json.dumps({"email": "ada@example.com", "code": "000000"}).encode()
    for content_type in ("application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"):
        answer = client().send("POST", "/v1/auth/verify-email", body, {"Content-Type": content_type})
        assert answer.problem == "verification-code-not-valid", content_type
