"""The port and the stand-in for Vision understand each other, whatever happens on the way."""

from collections.abc import Iterator
from http import HTTPStatus

import pytest
import requests

from emulators.process import free_port
from emulators.vision import VisionStandIn
from shared.ports import sessions, vision
from tests.fakes import pictures


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[VisionStandIn]:
    server = VisionStandIn()
    server.start()
    monkeypatch.setenv("VISION_URL", server.url)
    yield server
    server.stop()
    sessions.close()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("colour", "found"),
    [((20, 120, 80), []), ((255, 0, 255), ["adult"]), ((255, 255, 0), ["violence"]), ((255, 255, 255), [])],
)
def test_what_a_picture_shows_is_told(
    stand_in: VisionStandIn, kind: str, colour: tuple[int, ...], found: list[str]
) -> None:
    assert vision.objections(pictures.picture(kind, colour=colour)) == found
    assert stand_in.seen == 1


def test_what_is_no_picture_is_refused_for_good(stand_in: VisionStandIn) -> None:
    with pytest.raises(vision.PictureRefused):
        vision.objections(b"no picture")
    assert stand_in.seen == 1


@pytest.mark.parametrize(
    "status",
    [HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.FORBIDDEN, HTTPStatus.BAD_GATEWAY],
)
def test_a_service_that_fails_is_asked_again(stand_in: VisionStandIn, status: HTTPStatus) -> None:
    stand_in.fail_next(1, status)
    with pytest.raises(vision.VisionUnavailable):
        vision.objections(pictures.picture())
    assert vision.objections(pictures.picture()) == []


def test_where_nobody_listens_it_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISION_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(vision.VisionUnavailable):
        vision.objections(pictures.picture())
    sessions.close()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"<html>", b'{"responses": [{}]}', b'{"responses": []}'])
def test_an_answer_of_another_shape_is_none(content: bytes) -> None:
    with pytest.raises(vision.VisionUnavailable):
        vision._objections(content)


def test_a_request_that_is_too_large_is_refused_and_our_port_does_not_make_one(stand_in: VisionStandIn) -> None:
    def asked(*sizes: int) -> int:
        requests_ = [{"image": {"content": "A" * size}} for size in sizes]
        return requests.post(f"{stand_in.url}/v1/images:annotate", json={"requests": requests_}, timeout=10).status_code

    assert asked(10 * 1024 * 1024) == HTTPStatus.BAD_REQUEST
    assert asked(*[4] * 17) == HTTPStatus.BAD_REQUEST
    assert asked(*[4] * 16) == HTTPStatus.OK
    seen = stand_in.seen
    with pytest.raises(vision.PictureRefused):
        vision.objections(bytes(vision.PICTURE_BYTES_MAX + 1))
    assert stand_in.seen == seen
    with pytest.raises(vision.PictureRefused):  # not a picture, and yet taken
        vision.objections(bytes(vision.PICTURE_BYTES_MAX))
    assert stand_in.seen == seen + 1
