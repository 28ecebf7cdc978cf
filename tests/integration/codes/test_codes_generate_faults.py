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
from tests.fakes.code_desk import CodeDesk, Json
from tests.fakes.crashes import crash
from tests.platform import Platform

Client = Callable[..., FunctionClient]

TWO_CHUNKS = 50_010
CRASHES_MAX = 20


@pytest.fixture
def desk(client: Client, platform: Platform, sql: Connection) -> CodeDesk:
    return CodeDesk(client(factories.member(role=Role.OPERATIONS).token), platform, sql)


def assert_whole(desk: CodeDesk, batch: Json) -> None:
    """As many codes as were ordered, those of the export and no others; no chunk is left in storage."""
    exported = [codes.normalized(code) or "" for code in desk.exported(batch)]
    rows = desk.sql.execute_unnamed("SELECT mac FROM codes WHERE batch_id = $1", (batch["id"],)).rows
    assert {codes.mac(code) for code in exported} == {bytes(mac) for (mac,) in rows}
    assert len(set(exported)) == len(exported) == len(rows) == batch["quantity"]
    parts = desk.sql.execute_unnamed(
        "SELECT object_name FROM code_batch_chunks WHERE batch_id = $1", (batch["id"],)
    ).rows
    for (name,) in parts:
        with pytest.raises(files.FileMissing):
            files.stored(cloud.CODES_BUCKET, name)


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
def test_killed_at_any_transaction_it_goes_on(after: bool, desk: CodeDesk) -> None:
    for number in range(1, CRASHES_MAX):
        batch = desk.order()
        with crash(db, "atomically", at=number, after=after) as happened:
            desk.run_tasks()
            crashed = happened()
        assert_whole(desk, batch)
        if not crashed:
            break
    assert number > 5


@pytest.mark.parametrize("call", ["write", "compose", "delete"])
@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
def test_killed_between_an_object_and_its_record_it_goes_on(after: bool, call: str, desk: CodeDesk) -> None:
    batch = desk.order()
    with crash(files, call, at=1, after=after) as happened:
        desk.run_tasks()
        assert happened()
    assert_whole(desk, batch)


def test_tasks_that_come_twice_and_at_once_make_each_chunk_once(desk: CodeDesk) -> None:
    batch = desk.order(quantity=TWO_CHUNKS)
    desk.run_tasks(times=2, at_once=2)
    assert_whole(desk, batch)
