"""The recording of a stream: made while its channel runs, tried for a day, and never deleted with the channel."""

from datetime import timedelta

from shared import clock
from shared.values.live import ChannelState
from tests.fakes.streams import Events

pytest_plugins = ["tests.fakes.stream_plugin"]

MINUTE = timedelta(minutes=1)
CLIP_FAILED = "An internal error has occurred while the clip was created."


def test_a_channel_runs_until_its_clip_is_there_or_for_half_an_hour(events: Events) -> None:
    events.google.clips_of_stopped = False
    first = events.live()
    events.google.break_next("clip", CLIP_FAILED)
    events.act(first, "stop")
    began = clock.now()
    events.run()
    assert (events.state(first)["status"], events.channel(first).state) == ("ending", ChannelState.STREAMING)
    with events.at(began + 2 * MINUTE):
        events.look(first)
        events.run()
        assert (events.state(first)["status"], events.state(first)["vod_state"]) == ("ended", "ready")

    second = events.live()
    channel = events.channel(second)
    events.google.break_next("clip", *[CLIP_FAILED] * 2)
    events.act(second, "stop")
    events.run()
    with events.at(began + 29 * MINUTE):
        events.look(second)
        assert (events.state(second)["status"], channel.state) == ("ending", ChannelState.STREAMING)
    with events.at(began + 31 * MINUTE):
        events.look(second)
        events.run()
        assert (events.state(second)["status"], events.state(second)["vod_state"]) == ("ended", "making")
        assert (channel.state, len(channel.clips)) == (ChannelState.STOPPED, 2)


def test_a_clip_is_tried_for_a_day_and_what_is_lost_can_be_made_by_hand_for_a_week(events: Events) -> None:
    stream = events.live()
    channel, began = events.channel(stream), clock.now()
    picture = f"{channel.asked['output']['uri']}main.m3u8"
    events.google.break_next("clip", *[CLIP_FAILED] * 3)
    events.act(stream, "stop")
    events.run()
    with events.at(began + 31 * MINUTE):
        events.look(stream)
        events.run()
        assert (events.state(stream)["status"], len(channel.clips)) == ("ended", 2)
    with events.at(began + timedelta(hours=24)):
        events.look(stream)
        assert len(channel.clips) == 3
    with events.at(began + timedelta(hours=25)):
        events.look(stream)
        events.run()
        assert events.state(stream)["vod_state"] == "failed"
    with events.at(began + timedelta(days=7)):
        events.look(stream)
        assert (channel.state, events.google.files) == (ChannelState.STOPPED, {picture})
    with events.at(began + timedelta(days=7, hours=1)):
        events.look(stream)
        events.run()
        assert (events.google.channels, events.google.inputs, events.google.files) == ({}, {}, set())


def test_an_end_does_not_wait_for_ever_for_a_channel_that_does_not_stop(events: Events) -> None:
    events.google.clips_of_stopped = False
    stream = events.live()
    channel, began = events.channel(stream), clock.now()
    events.act(stream, "stop")
    channel.state = ChannelState.STOPPING
    events.look(stream)
    with events.at(began + 14 * MINUTE):
        events.look(stream)
        assert events.state(stream)["status"] == "ending"
    with events.at(began + 16 * MINUTE):
        events.look(stream)
        assert (events.state(stream)["status"], events.state(stream)["vod_state"]) == ("ended", "making")
