"""Reminders of live events: once for a plan, at the right hour, to whoever may watch; changes are told."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from functions.event_remind import rules, store
from functions.event_remind.rules import Event, Verdict
from functions.stream_control.rules import FAILURES_MAX
from shared import clock
from shared.values.states import StreamStatus
from shared.values.tiers import Tier
from tests import factories
from tests.client import refusal
from tests.fakes.crashes import Crash, crash
from tests.fakes.streams import Events
from tests.operations.streams import wall

pytest_plugins = ["tests.fakes.stream_plugin"]

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
AT = datetime(2027, 5, 2, 20, tzinfo=UTC)


def told(events: Events) -> Counter[tuple[str, str]]:
    """Count the notices of streams, by the permanent tier of who has them, and their code."""
    rows = events.sql.execute_simple(
        """
        SELECT m.permanent_tier::text, n.code FROM notifications n JOIN members m ON m.id = n.member_id
        WHERE n.code LIKE 'stream%'
        """
    ).rows
    return Counter((str(tier), str(code)) for tier, code in rows)


def deliver_due(events: Events, *, times: int = 1) -> None:
    """Deliver the tasks whose moment has come."""
    events.sql.execute_unnamed(
        "UPDATE outbox SET deliver_at = NULL WHERE deliver_at <= $1", (clock.now().astimezone(UTC),)
    )
    events.jobs.run_tasks(times=times)


def in_minutes(minutes: int) -> str:
    """The time on the wall clock of UTC, so many minutes from now."""
    return (clock.now() + minutes * MINUTE).astimezone(UTC).strftime("%Y-%m-%dT%H:%M")


def planned(events: Events, **other: object) -> tuple[str, datetime]:
    made = events.made(**other)
    return str(made["id"]), datetime.fromisoformat(made["scheduled_at"])


def test_everybody_whose_tier_may_watch_is_reminded_once_an_hour_before(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "REMINDED_AT_ONCE", 2)
    for tier in Tier:
        for _ in range(2):
            factories.member(permanent_tier=tier)
    suspended = factories.member(permanent_tier=Tier.WHALE)
    events.sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = $1", (suspended.id,))
    stream, at = planned(events, tier_min="high_roller")
    assert events.one("SELECT deliver_at FROM outbox WHERE function = 'event_remind'") == at - HOUR

    with events.at(at - HOUR - MINUTE):
        deliver_due(events)
        assert told(events) == {}
    with events.at(at - HOUR):
        deliver_due(events, times=2)
    wanted = {("high_roller", "stream_soon"): 2, ("whale", "stream_soon"): 2}
    assert told(events) == wanted
    text = events.one("SELECT title || ': ' || body FROM notifications WHERE code = 'stream_soon' LIMIT 1")
    assert text == "Live soon: The Friday Table: It begins in 60 minutes."
    assert events.one(f"SELECT finished_at IS NOT NULL FROM live_stream_reminders WHERE stream_id = '{stream}'")
    events.sql.execute_simple("UPDATE outbox SET published_at = NULL WHERE function = 'event_remind'")
    with events.at(at - HOUR + MINUTE):
        events.run(times=2)
    assert told(events) == wanted


def test_a_reminder_comes_at_the_right_hour_whatever_the_clocks_do(events: Events) -> None:
    for time_zone, starts in (("America/New_York", wall(2)), ("Europe/Lisbon", wall(3)), ("Asia/Kolkata", wall(4))):
        stream, at = planned(events, starts=starts, time_zone=time_zone)
        ((deliver_at,),) = events.sql.execute_unnamed(
            "SELECT deliver_at FROM outbox WHERE body ->> 'stream_id' = $1", (stream,)
        ).rows
        assert deliver_at == at - HOUR
    year = clock.now().year + 1
    far, at = planned(events, starts=f"{year}-03-20T20:00")  # the clocks have been put forward by then
    waiting = f"SELECT count(*) FROM outbox WHERE body ->> 'stream_id' = '{far}'"
    assert events.one(waiting) == 0
    with events.at(at - timedelta(days=28)):
        assert events.jobs.invoker.schedule("event_remind", "daily") == 204
        assert events.one(waiting) == 1
        deliver_at = events.one(f"SELECT deliver_at FROM outbox WHERE body ->> 'stream_id' = '{far}'")
        assert deliver_at == datetime(year, 3, 20, 23, tzinfo=UTC)


def test_whoever_dies_between_two_members_reminds_nobody_twice(events: Events) -> None:
    factories.member()
    _, at = planned(events)
    with events.at(at - HOUR):
        for name in ("begin", "advance"):
            with crash(store, name, at=1, after=True), pytest.raises(Crash):
                deliver_due(events)
            assert told(events) == {}
            events.sql.execute_simple("UPDATE outbox SET published_at = NULL WHERE function = 'event_remind'")
        deliver_due(events)
    assert set(told(events).values()) == {events.one("SELECT count(*) FROM members")}


def test_who_was_reminded_is_told_of_a_move_and_reminded_of_the_new_time(events: Events) -> None:
    factories.member()
    stream, at = planned(events, starts=in_minutes(64), time_zone="UTC")
    everybody = events.one("SELECT count(*) FROM members")
    with events.at(at - HOUR):
        deliver_due(events)
        assert told(events) == {("standard", "stream_soon"): everybody}
        moved = events.move(stream, in_minutes(66)).body
        events.jobs.run_tasks(times=2)
        assert told(events) == {("standard", "stream_moved"): everybody}
    again = datetime.fromisoformat(moved["scheduled_at"])
    with events.at(again - HOUR):
        deliver_due(events)
        assert told(events) == {("standard", "stream_moved"): everybody, ("standard", "stream_soon"): everybody}
        events.cancel(stream)
        events.jobs.run_tasks()
    assert told(events) == {("standard", "stream_cancelled"): everybody}
    unread = events.one("SELECT sum(unread) FROM inbox_counts")
    assert unread == events.one("SELECT count(*) FROM notifications WHERE read_at IS NULL")


def test_who_was_told_of_a_move_is_told_of_each_that_follows_and_of_the_end(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "REMINDED_AT_ONCE", 2)
    for _ in range(3):
        factories.member()
    everybody = events.one("SELECT count(*) FROM members")
    for ends_by in ("cancel", "failure"):
        events.sql.execute_simple("DELETE FROM notifications")
        stream, _ = planned(events, starts=in_minutes(40), time_zone="UTC")
        deliver_due(events)
        assert told(events) == {("standard", "stream_soon"): everybody}
        for revision, starts in enumerate((in_minutes(200), in_minutes(300)), start=1):
            moved = datetime.fromisoformat(events.move(stream, starts, revision).body["scheduled_at"])
            events.jobs.run_tasks(times=2)
            assert told(events) == {("standard", "stream_moved"): everybody}
            at = f"SELECT count(*) FROM notifications WHERE params ->> 'at' LIKE '{moved:%Y-%m-%dT%H:%M}%'"
            assert events.one(at) == everybody
        if ends_by == "cancel":
            events.cancel(stream)
        else:
            events.google.break_next("create", *["Quota exceeded."] * FAILURES_MAX)
            events.act(stream, "start")
        events.run(times=2)
        assert told(events) == {("standard", "stream_cancelled"): everybody}


def test_whose_tier_may_not_watch_any_more_is_told_nothing_and_reminded_of_nothing(events: Events) -> None:
    factories.member(permanent_tier=Tier.VIP)
    stream, _ = planned(events, starts=in_minutes(40), time_zone="UTC")
    deliver_due(events)
    assert set(told(events)) == {("standard", "stream_soon"), ("vip", "stream_soon")}
    events.sql.execute_unnamed("UPDATE live_streams SET tier_min = 'vip' WHERE id = $1", (stream,))
    events.move(stream, in_minutes(200))
    events.jobs.run_tasks()
    assert told(events) == {("vip", "stream_moved"): 1}


def test_a_reminder_says_the_minutes_that_are_left_when_it_is_sent(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "REMINDED_AT_ONCE", 1)
    for _ in range(2):
        factories.member()
    _, at = planned(events)
    walk = "UPDATE outbox SET published_at = now() WHERE function = 'event_remind'"
    for minutes in (60, 20):
        with events.at(at - minutes * MINUTE):
            events.sql.execute_simple("UPDATE outbox SET deliver_at = NULL WHERE function = 'event_remind'")
            ((_, function, queue, body),) = [each for each in events.jobs.waiting() if each[1] == "event_remind"]
            events.sql.execute_simple(walk)
            assert events.jobs.invoker.task(function, queue, body) == 204
    said = events.rows("SELECT params ->> 'minutes' FROM notifications WHERE code = 'stream_soon' ORDER BY 1 DESC")
    assert said == [("60",), ("20",)]


def test_nobody_is_told_of_a_change_before_the_reminder(events: Events) -> None:
    stream, at = planned(events)
    events.move(stream, wall(5))
    events.cancel(stream)
    with events.at(at - HOUR):
        deliver_due(events)
    assert told(events) == {}
    assert refusal(events.move(stream, wall(6), revision=3)) == (409, "stream-not-scheduled")


def test_an_event_that_is_moved_near_is_reminded_of_at_once_with_the_minutes_left(events: Events) -> None:
    stream, _ = planned(events)
    events.move(stream, in_minutes(25), time_zone="UTC")
    deliver_due(events)
    minutes = events.one("SELECT params ->> 'minutes' FROM notifications WHERE code = 'stream_soon' LIMIT 1")
    assert minutes in ("24", "25")


@pytest.mark.parametrize(
    ("planned_at", "now", "begun", "verdict"),
    [
        (AT - 9 * HOUR, AT - HOUR - MINUTE, False, Verdict.WAIT),
        (AT - 9 * HOUR, AT - HOUR, False, Verdict.SEND),
        (AT - 9 * HOUR, AT - HOUR + 30 * MINUTE, False, Verdict.SEND),
        (AT - 9 * HOUR, AT - HOUR + 31 * MINUTE, False, Verdict.NOT_ANY_MORE),
        (AT - 9 * HOUR, AT - HOUR + 31 * MINUTE, True, Verdict.SEND),
        (AT - 9 * HOUR, AT, True, Verdict.NOT_ANY_MORE),
        (AT - 20 * MINUTE, AT - 19 * MINUTE, False, Verdict.SEND),
    ],
)
def test_a_reminder_that_is_late_is_not_sent(
    planned_at: datetime, now: datetime, verdict: Verdict, *, begun: bool
) -> None:
    event = Event(StreamStatus.SCHEDULED, 2, AT, planned_at)
    assert rules.verdict(event, 2, begun=begun, now=now) is verdict
    assert rules.verdict(event, 1, begun=begun, now=now) is Verdict.NOT_ANY_MORE
    for status in set(StreamStatus) - set(rules.TO_COME):
        gone = Event(status, 2, AT, planned_at)
        assert rules.verdict(gone, 2, begun=begun, now=now) is Verdict.NOT_ANY_MORE
