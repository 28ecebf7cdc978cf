"""The caller is checked before the request: somebody who may not call learns nothing else."""

import io
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest
from pg8000.dbapi import Connection

from emulators import contract
from emulators.contract import Operation
from shared.auth import Role
from tests import factories
from tests.client import Answer, FunctionClient, answer_of, app, edge_headers
from tests.factories import Somebody
from tests.operations.access import operations_for
from tests.operations.examples import media_of, path_of
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

ADMIN_ROLES = tuple(role.value for role in Role)
EVERY_HEADER_WRONG = {"Idempotency-Key": "é", "If-Match": "", "Content-Encoding": "gzip"}
UPLOAD_BYTES = 10 * 1024 * 1024
MEMORY_BYTES_MAX = 2 * 1024 * 1024


@dataclass(frozen=True)
class Wrong:
    """A request with something wrong in it; `media` None means what the operation takes."""

    body: bytes = b""
    media: str | None = None
    query: str = ""
    bad_path: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


WRONG: Mapping[str, Wrong] = {
    "everything": Wrong(b"\xff", "text/plain", "?unknown=1", bad_path=True, headers=EVERY_HEADER_WRONG),
    "no JSON": Wrong(b"{"),
    "no field that is known": Wrong(b'{"unknown": 1}'),
    "too much": Wrong(b" " * (64 * 1024 + 1)),
}


def send(client: FunctionClient, operation: Operation, wrong: Wrong) -> Answer:
    path = operation.template.replace("{", "no-such-").replace("}", "") if wrong.bad_path else path_of(operation)
    media = {"Content-Type": wrong.media} if wrong.media else media_of(operation)
    return answer_of(
        client.raw(operation.function, operation.method, path + wrong.query, wrong.body, media | dict(wrong.headers))
    )


@dataclass(frozen=True)
class Refused:
    """Somebody, and how each operation that a member or this role may call refuses them; `only_admins` for no other."""

    somebody: Somebody
    status: int
    problem: str
    only_admins: bool = True
    own_role: str = ""

    def by(self, operation_by: str) -> bool:
        is_admins = operation_by in ADMIN_ROLES
        return (is_admins and operation_by != self.own_role) or not (is_admins or self.only_admins)


def people(client: Client, sql: Connection) -> dict[str, Refused]:
    suspended, gone, unproved = (factories.member(role=Role.OWNER) for _ in range(3))
    sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = $1", (suspended.id,))
    assert client(gone.token).post("/v1/auth/logout").status == 204
    sql.execute_unnamed("UPDATE sessions SET totp_at = NULL WHERE member_id = $1", (unproved.id,))
    return {
        "suspended": Refused(suspended, 403, "member-suspended", only_admins=False),
        "signed out": Refused(gone, 401, "token-not-valid", only_admins=False),
        "unproved": Refused(unproved, 403, "second-factor-required"),
        "member": Refused(factories.member(), 403, "not-allowed"),
        **{
            role.value: Refused(factories.member(role=role), 403, "not-allowed", own_role=role.value)
            for role in Role
            if role != Role.OWNER
        },
    }


@pytest.mark.parametrize("kind", WRONG)
def test_who_may_not_call_is_told_that_and_nothing_else(kind: str, client: Client, sql: Connection) -> None:
    refused = people(client, sql)
    before, wrong, tried = rows_of_all_tables(sql), [], 0
    for operation, row in operations_for("member", *ADMIN_ROLES):
        for name, person in refused.items():
            if person.by(row.by):
                answer, tried = send(client(person.somebody.token), operation, WRONG[kind]), tried + 1
                if (answer.status, answer.problem) != (person.status, person.problem):
                    wrong.append(f"{operation.operation_id} as {name}: {answer.status} {answer.body}")
    assert not wrong, "\n".join(wrong)
    assert tried > 400
    assert rows_of_all_tables(sql) == before


class Counted(io.RawIOBase):
    """An upload that knows how much of it was read."""

    def __init__(self) -> None:
        super().__init__()
        self.left = UPLOAD_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # typeshed: any writable buffer
        size = min(len(buffer), self.left)
        buffer[:size] = bytes(size)
        self.left -= size
        return size


@pytest.mark.usefixtures("database")
def test_a_file_of_somebody_who_may_not_send_it_is_never_held(client: Client) -> None:
    (asked,) = [found for found in contract.operations() if found.operation_id == "import_feedback"]
    somebody = client(factories.member().token)
    headers = {
        "Authorization": f"Bearer {somebody.service_token(asked.function)}",
        "X-Forwarded-Authorization": f"Bearer {somebody.token}",
        "Content-Type": "text/csv",
        **edge_headers(somebody.address),
    }
    environ = {"wsgi.input": Counted(), "CONTENT_LENGTH": str(UPLOAD_BYTES)}
    function_client = app(asked.function).test_client()
    function_client.get("/v1/admin/qr/batches", headers=headers)  # what is imported once is no memory of a request

    tracemalloc.start()
    try:
        response = function_client.post(asked.template, headers=headers, environ_overrides=environ)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (response.status_code, answer_of(response).problem) == (403, "not-allowed")
    assert peak < MEMORY_BYTES_MAX


def test_an_id_of_nothing_and_a_wrong_field_are_told_to_who_may_call(client: Client) -> None:
    """The same requests by the right people tell: else the test above would pass for one that tells nobody."""
    owner, told = client(factories.member(role=Role.OWNER).token), {"not-found": 0, "not-valid": 0}
    for operation, _ in operations_for("member", *ADMIN_ROLES):
        if "{" in operation.template and "_id}" in operation.template:
            told["not-found"] += send(owner, operation, Wrong(bad_path=True)).problem == "not-found"
        told["not-valid"] += send(owner, operation, Wrong(query="?unknown=1")).problem == "not-valid"
    assert told["not-found"] >= 20
    assert told["not-valid"] >= 60
