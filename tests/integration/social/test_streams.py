"""Live events: scheduled by the clocks of their zone, moved, cancelled; above a member's tier they are not there."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from functions.streaming import rules
from shared import clock
from shared.values import time_zones
from shared.values.periods import Interval
from shared.values.tiers import Tier
from tests import factories
from tests.client import refusal
from tests.fakes import stream_rows
from tests.fakes.streams import STREAMING, Events
from tests.operations.streams import EVENTS, wall
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.stream_plugin"]

NEW_YORK = "America/New_York"


def test_a_stream_above_the_tier_is_not_there_whichever_way_it_is_asked_for(events: Events) -> None:
    owner, now = factories.member(), clock.now()
    made = {
        (tier, status): str(stream_rows.stream(owner, now, status, tier_min=tier.value))
        for tier in Tier
        for status in ("scheduled", "live", "ended")
    }
    for tier in Tier:
        member = events.member(tier)
        shown = {
            "live": member.get(f"{STREAMING}/live").body["streams"],
            "scheduled": member.get(f"{STREAMING}/schedule").body["streams"],
            "ended": member.get(f"{STREAMING}/archive").body["items"],
        }
        for status, streams in shown.items():
            wanted = {id_ for (its, state), id_ in made.items() if tier.at_least(its) and state == status}
            assert {each["id"] for each in streams if each["status"] == status} == wanted, (tier, status)
        for (its, _), id_ in made.items():
            answer = member.get(f"{STREAMING}/{id_}")
            assert (answer.status == 200) == tier.at_least(its)
            if not tier.at_least(its):
                assert answer.body == member.get(f"{STREAMING}/{uuid4()}").body
                assert refusal(answer) == (404, "not-found")


def test_a_stream_is_scheduled_changed_moved_and_cancelled_and_all_of_it_is_audited(events: Events) -> None:
    channel = events.one("SELECT CAST(id AS text) FROM social_channels WHERE slug = 'general'")
    made = events.made(channel_id=channel, tier_min="vip")
    assert (made["status"], made["plan"], made["revision"], made["time_zone"]) == ("scheduled", 1, 1, NEW_YORK)
    zone_time = time_zones.moment(datetime.fromisoformat(made["starts"]), NEW_YORK)
    assert datetime.fromisoformat(made["scheduled_at"]) == zone_time
    assert events.admin.get(f"{EVENTS}/{made['id']}").body == made

    body = {name: made[name] for name in ("title", "description", "host_name", "tier_min", "channel_id")}
    changed = events.put(made["id"], body | {"title": "The Saturday Table", "tier_min": "standard"})
    assert (changed.status, changed.body["title"], changed.body["revision"]) == (200, "The Saturday Table", 2)
    assert refusal(events.put(made["id"], body)) == (412, "precondition-failed")
    assert refusal(events.put(made["id"], body, revision=None)) == (428, "precondition-required")

    moved = events.move(made["id"], wall(5), revision=2).body
    assert (moved["starts"], moved["plan"], moved["revision"]) == (wall(5), 2, 3)
    cancelled = events.cancel(made["id"])
    assert (cancelled.status, cancelled.body["status"]) == (200, "cancelled")
    assert events.cancel(made["id"]).body == cancelled.body
    assert refusal(events.move(made["id"], wall(6), revision=4)) == (409, "stream-not-scheduled")
    assert refusal(events.put(made["id"], body, revision=4)) == (409, "stream-over")
    shown = events.member().get(f"{STREAMING}/{made['id']}").body
    assert (shown["status"], shown["title"]) == ("cancelled", "The Saturday Table")

    acts = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_logs WHERE resource_type = 'stream'"
    assert events.one(acts) == "stream.create stream.change stream.move stream.cancel"
    assert events.one("SELECT changes ->> 'reason' FROM audit_logs WHERE action = 'stream.cancel'")


def test_a_time_that_has_passed_or_is_shown_by_no_clock_is_refused_and_changes_nothing(events: Events) -> None:
    made = events.made()
    before = rows_of_all_tables(events.sql)
    year = clock.now().year + 1
    sundays = (date(year, 3, day) for day in range(8, 15))
    skipped = next(day for day in sundays if day.isoweekday() == 7)  # the second Sunday of March, 02:00
    wrong: dict[str, dict[str, object]] = {
        "/starts": {"starts": wall(-1)},
        "/starts ": {"starts": f"{skipped}T02:30"},
        "/starts  ": {"starts": f"{year}-02-30T20:00"},
        "/starts   ": {"starts": f"{year + 3}-01-01T20:00"},
        "/starts    ": {"starts": "9999-12-31T23:59"},
        "/starts     ": {"starts": "0001-01-01T00:00", "time_zone": "Asia/Tokyo"},
        "/time_zone": {"time_zone": "Mars/Olympus"},
        "/time_zone ": {"time_zone": "../../etc/passwd"},
        "/time_zone  ": {"time_zone": "EST5EDT"},
        "/channel_id": {"channel_id": str(uuid4())},
        "/title": {"title": " "},
    }
    for field, other in wrong.items():
        answer = events.create(**other)
        assert refusal(answer) == (422, "not-valid"), other
        assert [each["field"] for each in answer.body["errors"]] == [field.strip()], other
    for starts in (wall(-1), f"{skipped}T02:30"):
        assert refusal(events.move(made["id"], starts)) == (422, "not-valid")
    assert refusal(events.move(made["id"], wall(3), time_zone="Mars/Olympus")) == (422, "not-valid")
    assert rows_of_all_tables(events.sql) == before


def test_a_move_keeps_the_wall_clock_across_the_change_of_the_clocks(events: Events) -> None:
    """The clocks of New York are put forward on the second Sunday of March, and back on the first one of November."""
    year = clock.now().year + 1
    for before, after, first, second in (
        (f"{year}-03-01T20:00", f"{year}-03-20T20:00", 1, 0),
        (f"{year}-10-20T20:00", f"{year}-11-15T20:00", 0, 1),
    ):
        made = events.made(starts=before, time_zone=NEW_YORK)
        moved = events.move(made["id"], after).body
        assert moved["starts"] == after
        assert [datetime.fromisoformat(each["scheduled_at"]).hour for each in (made, moved)] == [first, second]
    moved = events.move(made["id"], f"{year}-12-01T20:00", revision=2, time_zone="Europe/Lisbon").body
    assert (moved["time_zone"], moved["scheduled_at"]) == ("Europe/Lisbon", f"{year}-12-01T20:00:00Z")


def test_the_calendar_shows_the_week_and_the_month_of_a_day_by_the_clocks_of_the_reader(events: Events) -> None:
    owner = factories.member()
    inside, late = datetime(2027, 5, 2, 4, tzinfo=UTC), datetime(2027, 5, 9, 3, 59, tzinfo=UTC)
    outside = datetime(2027, 5, 9, 4, tzinfo=UTC)  # midnight in New York
    first, second, third = (str(stream_rows.stream(owner, at)) for at in (inside, late, outside))
    stream_rows.stream(owner, inside, "ended")
    cancelled = str(stream_rows.stream(owner, inside + timedelta(hours=1), "cancelled"))
    member = events.member()

    def shown(query: str) -> list[str]:
        return [each["id"] for each in member.get(f"{STREAMING}/schedule?{query}").body["streams"]]

    assert shown(f"day=2027-05-05&time_zone={NEW_YORK}") == [first, cancelled, second]
    assert shown(f"day=2027-05-09&time_zone={NEW_YORK}") == [third]
    assert shown(f"view=month&day=2027-05-31&time_zone={NEW_YORK}") == [first, cancelled, second, third]
    assert shown("view=month&day=2027-06-01") == []
    for query in ("day=0001-01-01", "day=9999-12-31", "time_zone=Mars/Olympus", "view=year", "day=2027-02-30"):
        assert refusal(member.get(f"{STREAMING}/schedule?{query}")) == (422, "not-valid"), query


def test_what_has_ended_stays_ended_whoever_writes_it(events: Events) -> None:
    made = events.made()
    events.cancel(made["id"])
    with pytest.raises(Exception, match="a stream does not go from cancelled to scheduled"):
        events.sql.execute_simple("UPDATE live_streams SET status = 'scheduled', ended_at = NULL")


def test_a_week_of_the_calendar_has_the_hours_that_its_clocks_show() -> None:
    hours = [
        (after - first) // timedelta(hours=1)
        for first, after in (
            rules.span(Interval.WEEK, date(2027, 3, 14), NEW_YORK),
            rules.span(Interval.WEEK, date(2027, 11, 7), NEW_YORK),
            rules.span(Interval.WEEK, date(2027, 7, 7), NEW_YORK),
        )
    ]
    assert hours == [167, 169, 168]


def test_an_hour_that_clocks_show_twice_is_the_first_one() -> None:
    first = time_zones.moment(datetime.fromisoformat("2027-11-07T01:30"), NEW_YORK)
    assert first == datetime(2027, 11, 7, 5, 30, tzinfo=UTC)
