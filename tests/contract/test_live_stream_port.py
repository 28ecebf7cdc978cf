"""The port of Google Live Stream and its stand-in understand each other, and no failure is taken for an answer."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from emulators.live_stream import LiveStreamStandIn
from emulators.vendor import DONE, Fault
from emulators.vendors import Vendors
from shared.ports import live_stream
from shared.ports.outage import Outage
from shared.ports.vendors import VendorBusy, VendorMisconfigured, VendorRefused, VendorSilent
from shared.values.live import ChannelState, ClipState

pytest_plugins = ["tests.contract.vendor_plugin"]

SILENT = [fault for fault in Fault if fault not in (Fault.UNAUTHORIZED, Fault.FORBIDDEN, Fault.REFUSED)]
BEGAN = datetime(2026, 12, 5, 1, tzinfo=UTC)
FOLDER, RECORDING = "live/gy4tmnrzha2tkojwge3dmnrrga/", "vod/gy4tmnrzha2tkojwge3dmnrrga/"


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "local")


@pytest.fixture
def google(shop_vendors: Vendors) -> LiveStreamStandIn:
    return shop_vendors.live_stream


def prepared() -> None:
    live_stream.create_input("in-1")
    live_stream.create_channel("ch-1", "in-1", FOLDER)


def test_a_stream_is_prepared_started_stopped_clipped_and_deleted(google: LiveStreamStandIn) -> None:
    assert live_stream.get_input("in-1") is None
    assert live_stream.get_channel("ch-1") is None
    prepared()
    endpoint = live_stream.get_input("in-1")
    assert endpoint
    assert (endpoint.address, endpoint.key) == ("rtmp://127.0.0.1/live", google.inputs["in-1"])
    assert endpoint.key not in repr(endpoint)
    assert live_stream.get_channel("ch-1") is ChannelState.STOPPED

    live_stream.start("ch-1")
    assert live_stream.get_channel("ch-1") is ChannelState.AWAITING_INPUT
    google.encode("ch-1", on=True)
    assert live_stream.list_channels() == {"ch-1": ChannelState.STREAMING}
    clipped = (BEGAN, BEGAN + timedelta(hours=2))
    assert live_stream.create_clip("ch-1", "clip-1", *clipped, RECORDING)
    assert live_stream.get_clip("ch-1", "clip-1") is ClipState.READY
    assert live_stream.get_clip("ch-1", "clip-2") is None
    live_stream.stop("ch-1")
    live_stream.delete_channel("ch-1")
    live_stream.delete_input("in-1")
    assert (google.inputs, google.channels) == ({}, {})
    assert google.files == {f"gs://local-hls/{RECORDING}main.m3u8"}
    assert google.begun == [
        "create in-1", "create ch-1", "start ch-1", "clip ch-1", "stop ch-1", "delete ch-1", "delete in-1",
    ]  # fmt: skip


def test_the_channel_writes_hls_of_six_seconds_below_its_folder_and_keeps_it_for_clips(
    google: LiveStreamStandIn,
) -> None:
    prepared()
    asked = google.channels["ch-1"].asked
    assert asked["output"] == {"uri": f"gs://local-hls/{FOLDER}"}
    assert asked["retentionConfig"] == {"retentionWindowDuration": "604800s"}
    assert {each["segmentSettings"]["segmentDuration"] for each in asked["muxStreams"]} == {"6s"}
    (manifest,) = asked["manifests"]
    assert (manifest["type"], manifest["fileName"], manifest["maxSegmentCount"]) == ("HLS", "main.m3u8", 5)
    keys = {each["key"] for each in asked["elementaryStreams"]}
    assert {name for each in asked["muxStreams"] for name in each["elementaryStreams"]} == keys
    assert set(manifest["muxStreams"]) == {each["key"] for each in asked["muxStreams"]}

    live_stream.create_clip("ch-1", "clip-1", BEGAN, BEGAN + timedelta(hours=1), RECORDING)
    assert google.channels["ch-1"].clips_asked["clip-1"] == {
        "outputUri": f"gs://local-hls/{RECORDING}",
        "slices": [{"timeSlice": {"markinTime": "2026-12-05T01:00:00Z", "markoutTime": "2026-12-05T02:00:00Z"}}],
        "clipManifests": [{"manifestKey": "hls"}],
    }


def test_what_was_done_before_is_no_failure(google: LiveStreamStandIn) -> None:
    prepared()
    assert live_stream.create_input("in-1") is None
    assert live_stream.create_channel("ch-1", "in-1", FOLDER) is None
    assert live_stream.create_clip("ch-1", "clip-1", BEGAN, BEGAN, FOLDER)
    assert live_stream.create_clip("ch-1", "clip-1", BEGAN, BEGAN, FOLDER) is None
    live_stream.delete_channel("ch-1")
    assert live_stream.delete_channel("ch-1") is None
    live_stream.delete_input("in-1")
    assert live_stream.delete_input("in-1") is None
    assert len(google.begun) == 5


def test_what_does_not_fit_is_refused_with_googles_code(google: LiveStreamStandIn) -> None:
    prepared()
    with pytest.raises(VendorRefused, match="failed_precondition: the channel is STOPPED"):
        live_stream.stop("ch-1")
    with pytest.raises(VendorRefused, match="failed_precondition"):
        live_stream.delete_input("in-1")
    live_stream.start("ch-1")
    with pytest.raises(VendorRefused, match="failed_precondition"):
        live_stream.start("ch-1")
    with pytest.raises(VendorRefused, match="failed_precondition"):
        live_stream.delete_channel("ch-1")
    with pytest.raises(VendorRefused, match="not_found"):
        live_stream.start("ch-2")
    with pytest.raises(VendorRefused, match="invalid_argument"):
        live_stream.create_channel("ch-3", "in-3", FOLDER)
    assert len(google.begun) == 3


def test_an_operation_is_named_at_once_and_asked_about_until_it_is_done(google: LiveStreamStandIn) -> None:
    google.steps = 2
    name = live_stream.create_input("in-1")
    assert name
    assert live_stream.get_input("in-1") is None
    first, second = live_stream.get_operation(name), live_stream.get_operation(name)
    assert first
    assert second
    assert (first.is_done, second.is_done, second.error) == (False, True, None)
    assert live_stream.get_input("in-1")
    assert live_stream.get_operation("operations/unknown") is None

    google.steps = 0
    sentence = "Quota exceeded for quota metric 'Active channels' of service 'livestream.googleapis.com'."
    google.break_next("create", f"{sentence}\n{'x' * 200}")
    broken = live_stream.create_channel("ch-1", "in-1", FOLDER)
    assert broken
    found = live_stream.get_operation(broken)
    assert found
    assert found.is_done
    assert found.error
    assert found.error.startswith(f"resource_exhausted: {sentence}x")
    assert len(found.error) == len("resource_exhausted: ") + live_stream.MESSAGE_LENGTH_MAX
    assert live_stream.get_channel("ch-1") is None


@pytest.mark.usefixtures("impatient")
def test_a_failure_is_no_answer_whatever_it_looks_like(google: LiveStreamStandIn) -> None:
    calls: list[Callable[[], object]] = [
        lambda: live_stream.create_input("in-1"),
        lambda: live_stream.get_input("in-1"),
        lambda: live_stream.get_channel("ch-1"),
        lambda: live_stream.get_operation("operations/1"),
        live_stream.list_channels,
    ]
    for fault in SILENT:
        for call in calls if fault is Fault.FOREIGN_NOT_FOUND else calls[:1]:
            google.clear()
            google.fail_next(1, fault)
            with pytest.raises(VendorSilent) as raised:
                call()
            assert isinstance(raised.value, Outage)
    google.clear()
    google.fail_next(1, Fault.TOO_MANY_REQUESTS)
    with pytest.raises(VendorBusy):
        live_stream.get_channel("ch-1")
    for wrong in (Fault.UNAUTHORIZED, Fault.FORBIDDEN):
        google.fail_next(1, wrong)
        with pytest.raises(VendorMisconfigured):
            live_stream.get_channel("ch-1")


@pytest.mark.usefixtures("impatient")
def test_what_was_done_without_an_answer_is_found_by_its_name(google: LiveStreamStandIn) -> None:
    for number, fault in enumerate(sorted(DONE - {Fault.DONE_LATER}, key=lambda each: each.name)):
        google.fail_next(1, fault)
        with pytest.raises(VendorSilent):
            live_stream.create_input(f"in-{number}")
        assert live_stream.create_input(f"in-{number}") is None
        assert live_stream.get_input(f"in-{number}")
