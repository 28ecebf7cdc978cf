"""A local Google Vision: SafeSearch and nothing else (https://cloud.google.com/vision/docs/detecting-safe-search).

It looks at one pixel. A picture counts as adult content when its middle is pure magenta (255, 0, 255), as violent when
it is pure yellow (255, 255, 0), as nearly as JPEG keeps a colour; all else is harmless. So a person can try it by hand.

Limits (https://cloud.google.com/vision/quotas): a JSON request of 10 MB, which base64 fills with a picture of 7.5 MB,
and 16 pictures in it. Differs from the service: its limit is 1,800 requests a minute; here a test asks for a 429.
"""

import base64
import collections
import json
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from typing import Any

from PIL import Image

from emulators.http_server import Handler, HttpServer

BODY_BYTES_MAX = 10 * 1024 * 1024
PICTURES_MAX = 16
PATH = "/v1/images:annotate"
HARMLESS = dict.fromkeys(("adult", "spoof", "medical", "violence", "racy"), "VERY_UNLIKELY")
COLOURS = {"adult": (255, 0, 255), "violence": (255, 255, 0)}
TOLERANCE = 8


@dataclass
class VisionStandIn:
    """The server. `url` is what VISION_URL takes; `seen` counts the pictures that it was asked about."""

    seen: int = 0
    _faults: collections.deque[int] = field(default_factory=collections.deque, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _server: HttpServer | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        if self._server is None:
            raise RuntimeError("the vision stand-in is not running")
        return self._server.url

    def start(self) -> None:
        self._server = HttpServer(type("BoundVisionHandler", (_VisionHandler,), {"stand_in": self}))
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def fail_next(self, count: int, status: int = HTTPStatus.SERVICE_UNAVAILABLE) -> None:
        """Answer the next `count` calls with this status."""
        with self._lock:
            self._faults.extend([status] * count)

    def next_fault(self) -> int | None:
        with self._lock:
            self.seen += 1
            return self._faults.popleft() if self._faults else None


class _VisionHandler(Handler):
    stand_in: VisionStandIn

    def do_POST(self) -> None:  # noqa: N802 - the name is the base class's
        fault = self.stand_in.next_fault()
        if self.target_path != PATH or fault or self.body_left > BODY_BYTES_MAX:
            self._refuse(fault or (HTTPStatus.NOT_FOUND if self.target_path != PATH else HTTPStatus.BAD_REQUEST))
            return
        asked = json.loads(self.body())["requests"]
        if len(asked) > PICTURES_MAX:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        self.answer_json(HTTPStatus.OK, {"responses": [_judged(each["image"]["content"]) for each in asked]})

    def _refuse(self, status: int) -> None:
        self.answer_json(status, {"error": {"code": int(status), "message": "", "status": ""}})


def _judged(content: str) -> dict[str, Any]:
    try:
        with Image.open(BytesIO(base64.b64decode(content))) as picture:
            middle = picture.convert("RGB").getpixel((picture.width // 2, picture.height // 2))
    except OSError:
        return {"error": {"code": 3, "message": "Bad image data."}}
    assert isinstance(middle, tuple)
    shown = [kind for kind, colour in COLOURS.items() if _alike(middle, colour)]
    return {"safeSearchAnnotation": {**HARMLESS, **dict.fromkeys(shown, "VERY_LIKELY")}}


def _alike(colour: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(one - two) <= TOLERANCE for one, two in zip(colour, other, strict=True))
