"""A batch is made whatever dies on the way: its export holds exactly the codes that are stored."""

from collections.abc import Callable

import pytest
from pg8000.dbapi import Connection

from emulators import cloud
from shared import db
from shared.auth import Role
from shared.codes import codes
from shared.ports import files
from tests import factories
from tests.client import FunctionClient
from tests.fakes.code_admin import CodeAdmin, Json
from tests.fakes.crashes import crash
from tests.platform import Platform

Client = Callable[..., FunctionClient]

TWO_CHUNKS = 50_010
CRASHES_MAX = 20


@pytest.fixture
def code_admin(client: Client, platform: Platform, sql: Connection) -> CodeAdmin:
    return CodeAdmin(client(factories.member(role=Role.OPERATIONS).token), platform, sql)


def assert_whole(code_admin: CodeAdmin, batch: Json) -> None:
    """As many codes as were ordered, those of the export and no others; no chunk is left in storage."""
    exported = [codes.normalized(code) or "" for code in code_admin.exported(batch)]
    rows = code_admin.sql.execute_unnamed("SELECT mac FROM codes WHERE batch_id = $1", (batch["id"],)).rows
    assert {codes.mac(code) for code in exported} == {bytes(mac) for (mac,) in rows}
    assert len(set(exported)) == len(exported) == len(rows) == batch["quantity"]
    parts = code_admin.sql.execute_unnamed(
        "SELECT object_name FROM code_batch_chunks WHERE batch_id = $1", (batch["id"],)
    ).rows
    for (name,) in parts:
        with pytest.raises(files.FileMissing):
            files.stored(cloud.CODES_BUCKET, name)


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
def test_killed_at_any_transaction_it_goes_on(after: bool, code_admin: CodeAdmin) -> None:
    for number in range(1, CRASHES_MAX):
        batch = code_admin.order()
        with crash(db, "atomically", at=number, after=after) as happened:
            code_admin.run_tasks()
            crashed = happened()
        assert_whole(code_admin, batch)
        if not crashed:
            break
    assert number > 5


@pytest.mark.parametrize("call", ["write", "compose", "delete"])
@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
def test_killed_between_an_object_and_its_record_it_goes_on(after: bool, call: str, code_admin: CodeAdmin) -> None:
    batch = code_admin.order()
    with crash(files, call, at=1, after=after) as happened:
        code_admin.run_tasks()
        assert happened()
    assert_whole(code_admin, batch)


def test_tasks_that_come_twice_and_at_once_make_each_chunk_once(code_admin: CodeAdmin) -> None:
    batch = code_admin.order(quantity=TWO_CHUNKS)
    code_admin.run_tasks(times=2, at_once=2)
    assert_whole(code_admin, batch)
