"""The end of a quarter is told once to those whose tier fell with it, however late, often or interrupted the job is."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.tier_rollover import main, store
from shared import db
from shared.auth import Role
from shared.db import Tx
from shared.members import downline
from shared.values.tiers import Tier
from tests import factories
from tests.factories import Somebody
from tests.fakes.invoker import FunctionInvoker
from tests.platform import Platform

QUARTER = "2026-Q4"
ENDED = datetime(2027, 1, 1, tzinfo=UTC)
IN_TIME = ENDED + timedelta(minutes=10)
LATE = ENDED + timedelta(days=40)
MEMBERS = 12
FALLING = 7  # of nine that are not standard, two have the same tier for good


class Killed(BaseException):
    """The process ends here: no code catches this exception."""


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "BATCH", 2)


def ended(sql: Connection) -> list[Any]:
    """The world after it: lines and notifications, without what differs by the time of the run."""
    lines = sql.execute_simple(
        "SELECT member_id, quarter, tier, scan_count, achieved_at FROM tier_history WHERE kind = 'ended' ORDER BY 1, 2"
    ).rows
    notes = sql.execute_simple("SELECT member_id, title, body, data, dedupe_key FROM notifications ORDER BY 1, 5").rows
    still_open = sql.execute_simple("SELECT count(*) FROM member_quarters WHERE closed_at IS NULL").rows
    unread = sql.execute_simple("SELECT sum(unread) FROM inboxes").rows
    return [lines, notes, still_open, unread]


def notes_of(sql: Connection, somebody: Somebody) -> list[Any]:
    found = sql.execute_unnamed(
        "SELECT title, body FROM notifications WHERE member_id = $1 ORDER BY title", (somebody.id,)
    )
    return list(found.rows)


def with_tier(tier: Tier, scans: int = 8, quarter: str = QUARTER) -> Somebody:
    somebody = factories.member()
    factories.quarter(somebody, tier, scans, quarter)
    return somebody


def make_permanent(somebody: Somebody, tins: int, at: datetime) -> None:
    buyer = factories.member(referred_by=somebody)
    db.atomically(lambda tx: downline.add_tins(tx, buyer.id, tins, f"order:{buyer.id}", at))


@pytest.mark.parametrize(
    ("tier", "title", "body"),
    [
        (Tier.VIP, "Your VIP ended with Q4 2026", "7 scans in a quarter bring it back."),
        (Tier.HIGH_ROLLER, "Your High Roller ended with Q4 2026", "15 scans in a quarter bring it back."),
        (Tier.WHALE, "Your Whale ended with Q4 2026", "30 scans in a quarter bring it back."),
    ],
)
def test_a_tier_that_ends_is_told_and_written_down(tier: Tier, title: str, body: str, sql: Connection) -> None:
    somebody = with_tier(tier, 33)

    main.close(IN_TIME)

    assert notes_of(sql, somebody) == [[title, body]]
    assert ended(sql)[0] == [[somebody.id, QUARTER, "standard", 33, ENDED]]


def test_standard_members_hear_nothing(sql: Connection) -> None:
    with_tier(Tier.STANDARD, 6)

    main.close(IN_TIME)

    assert ended(sql)[:2] == [[], []]


def test_a_permanent_tier_as_good_loses_nothing_and_a_lower_one_is_what_is_left(sql: Connection) -> None:
    keeps, falls = with_tier(Tier.VIP), with_tier(Tier.WHALE)
    for somebody in (keeps, falls):
        make_permanent(somebody, 210, ENDED - timedelta(days=1))

    main.close(IN_TIME)

    assert [title for title, _ in notes_of(sql, keeps)] == ["You are VIP for good"]
    ((_, told), _) = sorted(notes_of(sql, falls), reverse=True)
    assert told == "You are VIP for good. 30 scans in a quarter bring it back."
    assert [line[2] for line in ended(sql)[0]] == ["vip"]


def test_the_running_quarter_is_left_alone(sql: Connection) -> None:
    with_tier(Tier.VIP, quarter="2027-Q1")

    main.close(LATE)

    assert ended(sql)[:2] == [[], []]


@pytest.mark.parametrize("moment", [ENDED - timedelta(seconds=1), ENDED, ENDED + timedelta(minutes=4, seconds=59)])
def test_nothing_is_closed_while_a_last_scan_may_still_commit(moment: datetime, sql: Connection) -> None:
    with_tier(Tier.VIP)

    main.close(moment)

    assert ended(sql)[:2] == [[], []]


def test_quarters_that_were_missed_are_closed_too(sql: Connection) -> None:
    somebody = with_tier(Tier.VIP, quarter="2026-Q2")
    factories.quarter(somebody, Tier.WHALE, 30, QUARTER)

    main.close(LATE)

    assert [title for title, _ in notes_of(sql, somebody)] == [
        "Your VIP ended with Q2 2026", "Your Whale ended with Q4 2026",
    ]  # fmt: skip


def crowd() -> None:
    """Members who are falling, falling to a permanent tier, keeping it, and one whose permanent tier came and went."""
    people = [with_tier(tier) for tier in (Tier.STANDARD, Tier.VIP, Tier.HIGH_ROLLER, Tier.WHALE) * (MEMBERS // 4)]
    for somebody in people[: MEMBERS // 2]:
        make_permanent(somebody, 210, ENDED - timedelta(hours=1))


def test_twice_is_as_once(sql: Connection) -> None:
    crowd()
    main.close(IN_TIME)
    once = ended(sql)
    assert len(once[0]) == FALLING

    main.close(IN_TIME)
    main.close(LATE)

    assert ended(sql) == once


def test_runs_at_once_leave_what_one_does(sql: Connection) -> None:
    crowd()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(main.close, [IN_TIME] * 8))

    lines, notes, _, _ = ended(sql)
    assert len(lines) == len({line[0] for line in lines}) == FALLING
    assert len([note for note in notes if "ended" in note[1]]) == FALLING
    main.close(IN_TIME)
    assert ended(sql)[:2] == [lines, notes]


@pytest.mark.parametrize("at", ["lock_open", "mark_closed"])
@pytest.mark.parametrize("round_", [1, 2, 4])
def test_a_run_that_is_broken_off_is_finished_by_the_next(
    at: str, round_: int, monkeypatch: pytest.MonkeyPatch, sql: Connection
) -> None:
    crowd()
    original: Callable[..., Any] = getattr(store, at)
    calls = 0

    def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == round_:
            raise Killed
        return original(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(store, at, dying)
        with pytest.raises(Killed):
            main.close(IN_TIME)
    half = ended(sql)
    assert len(half[0]) < FALLING

    main.close(LATE)

    lines, notes, _, _ = ended(sql)
    assert len(lines) == FALLING
    assert len({note[0] for note in notes if "ended" in note[1]}) == FALLING
    assert len([note for note in notes if "ended" in note[1]]) == FALLING
    assert sql.execute_simple("SELECT sum(unread) FROM inboxes").rows == [[len(notes)]]


def test_late_is_as_in_time_whatever_has_happened_since(sql: Connection) -> None:
    """Neither scans nor permanent tiers of the new quarter change what ended with the old one."""
    scans_on, becomes_permanent, loses_it = with_tier(Tier.VIP), with_tier(Tier.VIP), with_tier(Tier.VIP)
    admin = factories.member(role=Role.OPERATIONS)
    override(sql, loses_it, admin, ENDED - timedelta(days=3), "override")
    factories.quarter(scans_on, Tier.VIP, 7, "2027-Q1")
    make_permanent(becomes_permanent, 210, ENDED + timedelta(days=1))
    override(sql, loses_it, admin, ENDED + timedelta(days=2), "override_removed")

    main.close(LATE)

    assert {line[0] for line in ended(sql)[0]} == {scans_on.id, becomes_permanent.id}


def test_a_permanent_tier_that_was_taken_back_before_the_end_is_not_counted_at_a_late_close(sql: Connection) -> None:
    """Also where the permanent tier has changed again since, so that only the history knows what held at the end."""
    taken_back, set_again, changed_since = (with_tier(Tier.WHALE) for _ in range(3))
    admin = factories.member(role=Role.OPERATIONS)
    for somebody in (taken_back, set_again, changed_since):
        override(sql, somebody, admin, ENDED - timedelta(days=9), "override")
        override(sql, somebody, admin, ENDED - timedelta(days=6), "override_removed")
    override(sql, set_again, admin, ENDED - timedelta(days=3), "override")
    for somebody in (set_again, changed_since):
        override(sql, somebody, admin, ENDED + timedelta(days=2), "override")
        override(sql, somebody, admin, ENDED + timedelta(days=3), "override_removed")

    main.close(LATE)

    assert {line[0]: line[2] for line in ended(sql)[0]} == {
        taken_back.id: "standard",
        set_again.id: "vip",
        changed_since.id: "standard",
    }


def test_of_two_changes_at_one_moment_the_later_written_holds_at_the_end(sql: Connection) -> None:
    first, second = with_tier(Tier.WHALE), with_tier(Tier.WHALE)
    admin, moment = factories.member(role=Role.OPERATIONS), ENDED - timedelta(days=1)
    for somebody, kinds in ((first, ("override", "override_removed")), (second, ("override_removed", "override"))):
        for kind in kinds:
            override(sql, somebody, admin, moment, kind)
        override(sql, somebody, admin, ENDED, "override_removed")  # no longer of the quarter

    main.close(LATE)

    assert {line[0]: line[2] for line in ended(sql)[0]} == {first.id: "standard", second.id: "vip"}


def test_what_was_earned_for_good_in_the_quarter_is_what_is_left_at_a_late_close(sql: Connection) -> None:
    """A permanent tier earned in the quarter is the tier that it ends with: a removed override takes nothing from it,
    and tins bought after the quarter do not raise it.
    """
    somebody = with_tier(Tier.WHALE)
    admin = factories.member(role=Role.OPERATIONS)
    make_permanent(somebody, 210, ENDED - timedelta(days=5))
    override(sql, somebody, admin, ENDED - timedelta(days=2), "override_removed")
    make_permanent(somebody, 5000, ENDED + timedelta(days=1))

    main.close(LATE)

    assert [line[2] for line in ended(sql)[0]] == ["vip"]


def override(sql: Connection, somebody: Somebody, admin: Somebody, at: datetime, kind: str) -> None:
    """VIP for good, set or taken back, as admin_members writes it."""
    tier = "vip" if kind == "override" else "standard"
    sql.execute_unnamed("UPDATE members SET permanent_tier = CAST($1 AS tier) WHERE id = $2", (tier, somebody.id))
    sql.execute_unnamed(
        "INSERT INTO tier_history (member_id, tier, scan_count, achieved_at, is_permanent, kind, reason, set_by) "
        "VALUES ($1, CAST($2 AS tier), 0, $3, true, $4, 'r', $5)",
        (somebody.id, tier, at, kind, admin.id),
    )


def test_the_schedule_reaches_it(platform: Platform, sql: Connection) -> None:
    somebody = with_tier(Tier.VIP, quarter="2025-Q1")

    assert FunctionInvoker(platform.invoker_token).schedule("tier_rollover", "close") == 204

    assert notes_of(sql, somebody) == [["Your VIP ended with Q1 2025", "7 scans in a quarter bring it back."]]


def test_a_member_who_fails_keeps_nobody_else_waiting(sql: Connection) -> None:
    people = sorted((with_tier(Tier.VIP) for _ in range(5)), key=lambda somebody: somebody.id.hex)
    sql.execute_simple(
        f"ALTER TABLE tier_history ADD CONSTRAINT refuses_one CHECK (member_id <> '{people[0].id}' OR kind <> 'ended')"
    )

    with pytest.raises(ExceptionGroup) as failed:
        main.close(IN_TIME)

    assert len(failed.value.exceptions) == 1
    assert [len(notes_of(sql, somebody)) for somebody in people] == [0, 1, 1, 1, 1]
    sql.execute_simple("ALTER TABLE tier_history DROP CONSTRAINT refuses_one")
    main.close(IN_TIME)
    assert [len(notes_of(sql, somebody)) for somebody in people] == [1, 1, 1, 1, 1]


def test_while_one_run_holds_a_batch_another_takes_the_next() -> None:
    people = sorted((with_tier(Tier.VIP) for _ in range(3)), key=lambda somebody: somebody.id.hex)

    def taken(tx: Tx) -> list[UUID]:
        return [row.member_id for row in store.lock_open(tx, QUARTER, ENDED, [], 2)]

    with db.transaction() as first:
        held = taken(first)
        assert db.atomically(taken) == [people[2].id]

    assert held == [people[0].id, people[1].id]
