"""A stream at Google Live Stream: prepared, ready, live, ended and clipped, whatever fails on the way."""

import contextlib
import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from emulators.vendor import Fault
from functions.admin_streaming import input_store
from functions.stream_control import asking, changing, main, rules, store
from functions.stream_control.rules import Step
from functions.streaming import rules as watching
from shared import clock, db
from shared.auth import Role
from shared.credentials import totp
from shared.ports import live_stream
from shared.social.events import ControlStream
from shared.social.live_names import channel_name
from shared.values.ids import NIL
from shared.values.live import ChannelState
from tests import factories
from tests.client import refusal
from tests.fakes import stream_rows
from tests.fakes.crashes import Crash, crash
from tests.fakes.streams import STREAMING, Events
from tests.operations.streams import EVENTS

pytest_plugins = ["tests.fakes.stream_plugin"]

MINUTE = timedelta(minutes=1)
EXHAUSTED = "The zone does not have enough resources available to fulfill the request. Try a different zone."


def test_a_stream_goes_from_scheduled_to_its_recording(events: Events) -> None:
    stream = str(events.made()["id"])
    started = events.act(stream, "start")
    assert (started.status, started.body["stream"]["status"]) == (200, "preparing")
    events.run()
    assert events.state(stream)["status"] == "ready"
    channel = events.channel(stream)
    assert channel.state is ChannelState.AWAITING_INPUT
    files = [f"gs://local-hls/{name}/{events.state(stream)['playback_id']}/" for name in ("live", "vod")]
    assert channel.asked["output"]["uri"] == files[0]

    events.encode(stream, on=True)
    events.look(stream)
    live = events.state(stream)
    assert (live["status"], bool(live["started_at"])) == ("live", True)
    assert [each["id"] for each in events.member().get(f"{STREAMING}/live").body["streams"]] == [stream]

    stopped = events.act(stream, "stop")
    assert (stopped.status, stopped.body["status"]) == (200, "ending")
    events.run()
    ended = events.state(stream)
    assert (ended["status"], ended["vod_state"]) == ("ended", "ready")
    (clip,) = channel.clips_asked.values()
    assert clip["outputUri"] == files[1]
    begin = clip["slices"][0]["timeSlice"]["markinTime"]
    assert datetime.fromisoformat(begin) == datetime.fromisoformat(live["started_at"])
    assert (events.google.inputs, events.google.channels) == ({}, {})
    assert events.google.files == {f"{files[1]}main.m3u8"}
    (shown,) = events.member().get(f"{STREAMING}/archive").body["items"]
    assert (shown["id"], shown["has_recording"]) == (stream, True)
    assert events.act(stream, "stop").body["status"] == "ended"
    assert events.one("SELECT look_at FROM live_stream_inputs") is None


def test_a_start_that_comes_twice_is_the_same_and_one_that_does_not_fit_is_refused(events: Events) -> None:
    stream = str(events.made()["id"])
    first = events.act(stream, "start").body["operation_id"]
    assert events.act(stream, "start").body["operation_id"] == first
    events.run(times=2)
    assert events.act(stream, "start").body["operation_id"] == first
    assert [each.split()[0] for each in events.google.begun] == ["create", "create", "start"]
    other = str(events.made()["id"])
    assert refusal(events.act(other, "stop")) == (409, "stream-not-live")
    events.cancel(other)
    assert refusal(events.act(other, "start")) == (409, "stream-not-scheduled")
    assert refusal(events.act(str(NIL), "start")) == (404, "not-found")


def test_without_the_service_nothing_is_begun(events: Events) -> None:
    stream = str(events.made()["id"])
    for fault in (Fault.INTERNAL_ERROR, Fault.FORBIDDEN, Fault.UNANSWERED):
        events.google.fail_next(1, fault)
        answer = events.act(stream, "start")
        assert refusal(answer) == (503, "overloaded")
        assert answer.headers["Retry-After"] == "5"
    assert events.state(stream)["status"] == "scheduled"
    assert events.one("SELECT count(*) FROM live_stream_inputs") == 0
    assert events.act(stream, "start").status == 200


def test_whoever_dies_at_any_step_is_followed_and_nothing_is_made_twice(events: Events) -> None:
    asked = ("create_input", "create_channel", "start")
    prepared = [*((live_stream, name) for name in asked), (store, "record_operation"), (store, "keep_key")]
    ended = [*((live_stream, name) for name in ("create_clip", "stop", "delete_channel", "delete_input"))]
    ended += [(store, name) for name in ("count_clip", "recorded", "generation_gone")]
    for owner, name in prepared:
        for after in (False, True):
            _begin_anew(events)
            stream = str(events.made()["id"])
            events.act(stream, "start")
            _dies(events, stream, owner, name, after=after)
            events.run()
            assert events.state(stream)["status"] == "ready", (name, after)
            assert [each.split()[0] for each in events.google.begun] == ["create", "create", "start"], (name, after)
    for owner, name in ended:
        for after in (False, True):
            _begin_anew(events)
            stream = events.live()
            events.act(stream, "stop")
            _dies(events, stream, owner, name, after=after)
            with events.at(clock.now() + 2 * MINUTE):
                events.look(stream)
                events.run()
            assert (events.state(stream)["status"], events.state(stream)["vod_state"]) == ("ended", "ready")
            begun = [each.split()[0] for each in events.google.begun][3:]
            assert begun == ["clip", "stop", "delete", "delete"], (name, after)


def test_operations_are_recorded_and_waited_for_and_those_that_fail_are_tried_again(events: Events) -> None:
    events.google.steps = 3
    stream = str(events.made()["id"])
    events.act(stream, "start")
    events.jobs.run_tasks()
    assert events.one("SELECT operation FROM live_stream_inputs").startswith("projects/local")
    assert events.google.begun == [events.google.begun[0]]
    events.google.break_next("create", EXHAUSTED)
    events.run()
    assert events.state(stream)["status"] == "ready"
    assert events.one("SELECT failures FROM live_stream_inputs") == 0
    assert [each.split()[0] for each in events.google.begun].count("create") == 3


def test_an_operation_that_does_not_end_is_waited_for_a_quarter_of_an_hour(events: Events) -> None:
    events.google.steps = 1_000
    stream = str(events.made()["id"])
    events.act(stream, "start")
    began = clock.now()
    events.jobs.run_tasks()
    first = events.one("SELECT operation FROM live_stream_inputs")
    with events.at(began + 14 * MINUTE):
        events.look(stream)
        assert events.one("SELECT operation FROM live_stream_inputs") == first
    events.google.steps = 0
    with events.at(began + 16 * MINUTE):
        events.look(stream)
        wanted = (None, 1, "deadline_exceeded")
        assert events.rows("SELECT operation, failures, last_error FROM live_stream_inputs") == [wanted]
        events.run()
        assert events.state(stream)["status"] == "ready"


def test_a_preparation_that_always_fails_is_given_up_and_cleared_away(events: Events) -> None:
    stream = str(events.made()["id"])
    events.google.break_next("create", *[EXHAUSTED] * rules.FAILURES_MAX)
    events.act(stream, "start")
    events.run()
    assert events.state(stream)["status"] == "failed"
    assert events.one("SELECT last_error FROM live_stream_inputs") == f"resource_exhausted: {EXHAUSTED}"
    events.look(stream)
    assert (events.google.inputs, events.google.channels) == ({}, {})
    assert events.one("SELECT look_at FROM live_stream_inputs") is None
    assert refusal(events.act(stream, "start")) == (409, "stream-not-scheduled")


def test_calls_that_are_refused_count_as_failures_and_a_silence_does_not(events: Events) -> None:
    for fault, code in ((Fault.TOO_MANY_REQUESTS, "resource_exhausted"), (Fault.REFUSED, "invalid_argument")):
        stream = str(events.made()["id"])
        events.act(stream, "start")
        events.google.fail_next(1, Fault.INTERNAL_ERROR)
        _control(stream)
        for number in range(rules.FAILURES_MAX):
            found = (
                "SELECT failures, split_part(last_error, ':', 1) FROM live_stream_inputs ORDER BY begun_at DESC LIMIT 1"
            )
            assert events.rows(found) == [(number, code if number else "unavailable")]
            events.google.fail_next(1, fault, after=2)  # the input and the channel are looked for before
            _control(stream)
        assert events.google.begun == []
        _control(stream)
        assert events.state(stream)["status"] == "failed"
        assert events.google.begun == []


def test_an_encoder_that_is_gone_for_ten_minutes_ends_the_event_and_one_that_comes_back_does_not(
    events: Events,
) -> None:
    stream = events.live()
    began = clock.now()
    events.encode(stream, on=False)
    events.look(stream)
    assert (events.state(stream)["status"], bool(events.state(stream)["interrupted_at"])) == ("live", True)
    with events.at(began + 9 * MINUTE):
        events.encode(stream, on=True)
        events.look(stream)
        assert (events.state(stream)["status"], events.state(stream)["interrupted_at"]) == ("live", None)
        events.encode(stream, on=False)
        events.look(stream)
        gone = datetime.fromisoformat(events.state(stream)["interrupted_at"])
    with events.at(began + 18 * MINUTE):
        events.look(stream)
        assert events.state(stream)["status"] == "live"
    with events.at(began + 20 * MINUTE):
        events.look(stream)
        events.run()
        assert (events.state(stream)["status"], events.state(stream)["vod_state"]) == ("ended", "ready")
        assert events.one("SELECT clip_until FROM live_stream_inputs") == gone


def test_the_watch_repairs_what_somebody_has_stopped(events: Events) -> None:
    stream = events.ready()
    channel, name = events.channel(stream), channel_name(UUID(stream), 1)
    live_stream.stop(name)
    events.look(stream)
    assert channel.state is ChannelState.AWAITING_INPUT
    events.encode(stream, on=True)
    events.look(stream)
    live_stream.stop(name)
    events.look(stream)
    assert channel.state is ChannelState.AWAITING_INPUT
    assert events.state(stream)["interrupted_at"]


def test_what_runs_without_need_is_stopped(events: Events) -> None:
    soon = (clock.now() + 20 * MINUTE).astimezone(UTC).strftime("%Y-%m-%dT%H:%M")
    unused, early, long = events.ready(starts=soon, time_zone="UTC"), events.ready(), events.live()
    scheduled, began = datetime.fromisoformat(events.state(unused)["scheduled_at"]), clock.now()
    live_stream.create_input("s-stray-1")
    live_stream.create_channel("s-stray-1", "s-stray-1", "x/")
    live_stream.start("s-stray-1")
    events.watch()
    stray = events.google.channels["s-stray-1"]
    states = [stray.state]
    with events.at(scheduled + 29 * MINUTE):
        events.look(unused)
        assert events.state(unused)["status"] == "ready"
        states.append(stray.state)
        assert states == [ChannelState.AWAITING_INPUT, ChannelState.STOPPED]
    with events.at(scheduled + 31 * MINUTE):
        events.look(unused)
        assert events.state(unused)["status"] == "failed"
    with events.at(began + timedelta(hours=7, minutes=59)):
        for stream, status in ((early, "ready"), (long, "live")):
            events.look(stream)
            assert events.state(stream)["status"] == status
    with events.at(began + timedelta(hours=8, minutes=1)):
        for stream, status in ((early, "failed"), (long, "ended")):
            events.look(stream)
            events.run()
            assert events.state(stream)["status"] == status


def test_what_an_admin_has_changed_meanwhile_is_not_overwritten(events: Events) -> None:
    """A worker has seen the picture; then the key is renewed, and the channel is one that will be deleted."""
    stream = UUID(events.ready())
    seen = db.atomically(store.lock, stream)
    assert seen
    db.atomically(input_store.rotate, stream, clock.now())
    assert not db.atomically(changing.change, seen, Step.BECOME_LIVE, clock.now())
    assert events.state(str(stream))["status"] == "preparing"
    events.look(str(stream))
    events.run()
    assert events.state(str(stream))["status"] == "ready"
    key = live_stream.get_input(channel_name(stream, 2))
    assert key
    assert events.one("SELECT key_hash FROM live_stream_inputs") == asking.key_hash(key)
    events.google.inputs[channel_name(stream, 2)] = "0" * 32  # somebody has made it anew
    events.look(str(stream))
    assert events.one("SELECT key_hash FROM live_stream_inputs") == hashlib.sha256(b"0" * 32).digest()


def test_around_the_planned_moment_the_picture_is_looked_for_every_ten_seconds(events: Events) -> None:
    soon = (clock.now() + 20 * MINUTE).astimezone(UTC).strftime("%Y-%m-%dT%H:%M")
    stream = events.ready(starts=soon, time_zone="UTC")
    again = "SELECT deliver_at FROM outbox WHERE function = 'stream_control' AND deliver_at IS NOT NULL"
    events.look(stream)
    assert events.rows(again) == []
    with events.at(datetime.fromisoformat(events.state(stream)["scheduled_at"]) - 9 * MINUTE):
        events.look(stream)
        ((at,),) = events.rows(again)
        assert timedelta(0) < at - clock.now() <= timedelta(seconds=main.SOON_SECONDS)


def test_a_key_is_shown_to_an_admin_with_a_code_and_is_another_one_when_it_was_renewed(events: Events) -> None:
    who = factories.member(role=Role.OPERATIONS)
    secret, step = factories.second_factor(who), totp.step_of(clock.now())
    admin = events.client(who.token)
    codes = iter(totp.code(secret, step + number) for number in (-1, 0, 1))
    stream = events.ready()
    old, name = (channel_name(UUID(stream), generation) for generation in (1, 2))

    wrong = admin.post(f"{EVENTS}/{stream}/key", {"totp": "000000"})
    assert refusal(wrong) == (403, "second-factor-wrong")
    shown = admin.post(f"{EVENTS}/{stream}/key", {"totp": next(codes)}).body
    assert shown == {"address": "rtmp://127.0.0.1/live", "stream_key": events.google.inputs[old]}
    assert shown["stream_key"].encode() not in bytes(events.one("SELECT sealed_key FROM live_stream_inputs"))
    renewed = admin.post(f"{EVENTS}/{stream}/key/renew", {"totp": next(codes)})
    assert (renewed.status, renewed.body["status"]) == (200, "preparing")
    events.run()
    assert (events.state(stream)["status"], list(events.google.inputs)) == ("ready", [name])
    other = admin.post(f"{EVENTS}/{stream}/key", {"totp": next(codes)}).body
    assert other["stream_key"] == events.google.inputs[name] != shown["stream_key"]
    acts = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_logs WHERE action LIKE 'stream.%key'"
    assert events.one(acts) == "stream.key stream.renew_key stream.key"
    assert shown["stream_key"] not in str(events.sql.execute_simple("SELECT changes::text FROM audit_logs").rows)


def test_a_cancelled_stream_leaves_nothing_at_the_service(events: Events) -> None:
    stream = events.ready()
    assert events.cancel(stream).body["status"] == "cancelled"
    events.run()
    assert (events.google.inputs, events.google.channels) == ({}, {})


def test_two_workers_do_not_look_at_one_stream_at_a_time(events: Events) -> None:
    stream = str(events.made()["id"])
    events.act(stream, "start")
    until = clock.now() + MINUTE
    events.sql.execute_unnamed("UPDATE live_stream_inputs SET held_until = $1", (until.astimezone(UTC),))
    events.run()
    assert events.google.begun == []
    with events.at(until + MINUTE):
        events.look(stream)
        assert events.state(stream)["status"] == "ready"


def _begin_anew(events: Events) -> None:
    """Have nobody look at the streams that there are, of which the service knows nothing any more."""
    events.google.clear()
    events.sql.execute_simple("UPDATE live_stream_inputs SET look_at = NULL")


def _dies(events: Events, stream: str, owner: object, name: str, *, after: bool) -> None:
    """Have a worker die at a call, before it or after it, and let nobody else wait for it."""
    with crash(owner, name, at=1, after=after) as happened:
        with contextlib.suppress(Crash):
            _control(stream)
        assert happened(), (name, after)
    events.sql.execute_simple("UPDATE live_stream_inputs SET held_until = NULL")


def _control(stream: str) -> None:
    main.control(ControlStream(stream_id=UUID(stream)), clock.now())


def test_viewers_are_counted_for_75_seconds_and_not_after_the_end(events: Events) -> None:
    stream = events.live()
    path = f"{STREAMING}/{stream}/presence"
    people = [events.member() for _ in range(3)]
    for _ in range(2):
        assert [each.post(path).status for each in people] == [204] * 3
    events.watch()
    assert [events.state(stream)[name] for name in ("viewers", "is_estimate", "peak_viewers")] == [3, False, 3]
    with events.at(clock.now() + timedelta(seconds=76)):
        assert people[0].post(path).status == 204
        events.watch()
        assert [events.state(stream)[name] for name in ("viewers", "peak_viewers")] == [1, 3]
    events.act(stream, "stop")
    assert refusal(people[0].post(path)) == (409, "stream-not-live")
    events.watch()
    assert [events.state(stream)[name] for name in ("viewers", "peak_viewers")] == [0, 3]
    with events.at(clock.now() + 13 * MINUTE):
        events.watch()
        assert events.one("SELECT count(*) FROM live_stream_presence") == 0
    above = str(stream_rows.stream(factories.member(), clock.now(), "live", tier_min="whale"))
    assert refusal(people[0].post(f"{STREAMING}/{above}/presence")) == (404, "not-found")


def test_of_a_large_audience_a_sample_is_counted(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "SAMPLE_MIN", 100)
    monkeypatch.setattr(rules, "SAMPLE_MAX", 200)
    stream = UUID(events.live())
    audience = [watching.mark(stream, uuid4()) for _ in range(2_000)]
    for _ in range(5):
        shift = events.state(str(stream))["sample_shift"]
        beating = [mark for mark in audience if watching.is_sampled(mark, shift)]
        events.sql.execute_unnamed("DELETE FROM live_stream_presence", ())
        events.sql.execute_unnamed(
            "INSERT INTO live_stream_presence SELECT $1, mark, $2 FROM unnest(CAST($3 AS bigint[])) AS mark",
            (stream, clock.now(), beating),
        )
        events.watch()
    found = events.state(str(stream))
    assert found["is_estimate"]
    assert 80 <= len(beating) <= 250
    assert found["viewers"] == len(beating) << shift
    assert 1_300 <= found["viewers"] <= 2_700


def test_the_sample_has_from_a_thousand_to_two_thousand() -> None:
    for viewers in (0, 10, 1_999, 2_000, 2_001, 30_000, 250_000, 5_000_000):
        shift = 0
        for _ in range(30):
            shift = rules.next_shift(viewers >> shift, shift)
        assert viewers >> shift <= rules.SAMPLE_MAX
        assert viewers >> shift >= rules.SAMPLE_MIN or shift == 0
