"""`make advance` over the end of a quarter: rollover, week of affiliates and guarantee come in their moments, once.

The stack is the test's own, because no other test could go on with a clock so far ahead.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from emulators import cloud, contract, main_job, people, running
from emulators.client import Client
from emulators.clock_server import PATH
from emulators.people import Person
from emulators.process import wait_until
from emulators.stack import Options, Stack
from shared.values import months, tiers

JOINED_BEFORE = timedelta(days=29)  # the second comp of the guarantee is due within two days of the quarter's end
BEGINS_BEFORE = timedelta(days=2)
ENDS_AFTER = timedelta(days=8)  # with a Sunday in it
TINS = 7
MOVES_SECONDS_MAX = 60.0
ADVANCE_SECONDS_MAX = 400.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack") / "run"
    made = Stack(Options(folder=folder, gateway_port=0, durable=False, block_seconds=0.25, firestore="embedded"))
    made.start()
    running.remember(folder, {"gateway": made.url})
    yield made
    made.stop()


def rows(stack: Stack, sql: str, *values: object) -> list[list[Any]]:
    with cloud.superuser(stack.postgres, cloud.DATABASE) as connection:
        return [list(row) for row in connection.execute_unnamed(sql, values).rows or ()]


def scanner(stack: Stack) -> Person:
    """A member with a wallet who has scanned enough for a tier that ends with the quarter."""
    admin = people.join(stack, "Olive Admin")
    people.make_admin(stack, admin, "operations")
    member = people.join(stack, "Ada Advance")
    people.link_wallet(member)
    for code in main_job.manufacture(admin, TINS):
        member.client.must("POST", "/v1/scans/submit", {"code": code})
    member.client.close()
    admin.client.close()
    return member


def command(stack: Stack, to: datetime) -> "subprocess.Popen[str]":
    environment = {**os.environ, "STACK_FOLDER": str(stack.options.folder)}
    ran = [sys.executable, "-m", "emulators.advance", f"{to:%Y-%m-%dT%H:%M:%SZ}"]
    return subprocess.Popen(ran, cwd=contract.ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def test_a_quarter_ends_by_advancing_although_the_command_is_killed_in_the_middle(stack: Stack) -> None:
    quarter = tiers.quarter_of(stack.now())
    end = tiers.quarter_ends_at(quarter)
    if end - JOINED_BEFORE < stack.now():
        quarter = tiers.quarter_of(end)
        end = tiers.quarter_ends_at(quarter)
    stack.set_clock(end - JOINED_BEFORE)
    member = scanner(stack)
    begin, to = end - BEGINS_BEFORE, end + ENDS_AFTER
    stack.set_clock(begin)

    killed = command(stack, to)
    wait_until(lambda: stack.now() > begin + timedelta(days=1), "the first day", MOVES_SECONDS_MAX)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert stack.now() < to
    done = command(stack, to)
    said, _ = done.communicate(timeout=ADVANCE_SECONDS_MAX)

    assert done.returncode == 0, said
    assert stack.now() >= to
    ten_past = timedelta(minutes=10)
    ((closed_at,),) = rows(stack, "SELECT closed_at FROM member_quarters WHERE member_id = $1", member.id)
    assert end + ten_past <= closed_at < end + 2 * ten_past

    sundays = [day for day in days(begin, to) if day.weekday() == 6]
    weeks = dict(rows(stack, "SELECT week_on, opened_at FROM affiliate_weeks WHERE week_on > $1", begin.date()))
    assert list(weeks) == [day.date() for day in sundays]
    for day in sundays:
        assert day + timedelta(minutes=5) <= weeks[day.date()] < day + ten_past

    due = datetime.combine(months.after((end - JOINED_BEFORE).date(), 1), time(), UTC) + ten_past
    comps = rows(
        stack,
        """
        SELECT awarded_at, status FROM comps WHERE member_id = $1 AND source_kind = 'guarantee' ORDER BY awarded_at
        """,
        member.id,
    )
    assert [status for _, status in comps] == ["paid", "paid"]
    assert due <= comps[1][0] < due + ten_past


def days(begin: datetime, to: datetime) -> list[datetime]:
    midnight = datetime.combine(begin.date(), time(), UTC)
    return [day for number in range((to - begin).days + 1) if begin < (day := midnight + timedelta(days=number)) <= to]


def test_the_gateway_passes_the_operation_on_and_its_refusals_are_plain(stack: Stack) -> None:
    client = Client(stack.url)
    before = stack.now()
    refused = client.post(PATH, {"to": "2020-01-01T00:00:00Z"})
    assert (refused.status, refused.body["type"]) == (409, "/problems/clock-only-goes-forward")
    assert client.get(PATH).status == 405
    assert client.post(PATH, {"to": "soon"}).body["errors"][0]["field"] == "/to"
    assert stack.now() - before < timedelta(minutes=1)
    client.close()


def test_a_database_of_another_project_is_left_alone(stack: Stack) -> None:
    client = Client(stack.url)
    rows(stack, "UPDATE installation SET project = 'blakjaks-prod'")
    try:
        refused = client.post(PATH, {"to": f"{stack.now() + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"})
    finally:
        rows(stack, "UPDATE installation SET project = $1", cloud.PROJECT)
    client.close()
    assert (refused.status, refused.body["type"]) == (409, "/problems/database-not-local")
    assert json.dumps(refused.body).count("blakjaks-prod") == 1
