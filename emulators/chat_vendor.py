"""The frame of the stand-ins that only answer, for moderation and translation: the shop's faults, and spoilt answers.

A spoilt answer takes the place of the next sound one: the call was done, and what comes back is not to be believed.
"""

import collections
import enum
import json
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from emulators.vendor import VendorHandler, VendorStandIn
from emulators.webhooks import Webhooks

DRIP_SECONDS = 0.1


class Spoilt(enum.Enum):
    """How an answer may be spoilt on its way, whatever is in it."""

    CUT_OFF = "the JSON ends in its middle"
    SLOW = "the answer comes byte by byte"
    ANOTHER = "a JSON object of something else"
    FEWER = "a result is missing"
    MORE = "a result too many"


Spoil = Spoilt | Callable[[dict[str, Any]], object]  # a function changes the answer in its place


class ChatVendorStandIn(VendorStandIn):
    """A vendor that sends no webhooks. `asked` are the bodies of the calls that were done."""

    def __init__(self, name: str) -> None:
        super().__init__(Webhooks(name, "POST", lambda _: {}))
        self.asked: list[Mapping[str, Any]] = []
        self._spoils: collections.deque[Spoil] = collections.deque()

    def forget(self) -> None:
        self.asked.clear()
        self._spoils.clear()

    def spoil_next(self, *spoils: Spoil) -> None:
        """Spoil the next answers, one in each of these ways."""
        with self.lock:
            self._spoils.extend(spoils)

    def next_spoil(self) -> Spoil | None:
        with self.lock:
            return self._spoils.popleft() if self._spoils else None

    def record(self, asked: Mapping[str, Any]) -> None:
        """Remember a call that is done."""
        with self.lock:
            self.asked.append(asked)


class ChatVendorHandler(VendorHandler):
    """One call. `results` names the list in an answer that has a result for each text."""

    results: str
    stand_in: ChatVendorStandIn

    def answer_json(self, status: int, value: object, headers: Mapping[str, str] | None = None) -> None:
        spoil = self.stand_in.next_spoil() if status == HTTPStatus.OK else None
        content = json.dumps(self._changed(value, spoil)).encode()
        if spoil is Spoilt.CUT_OFF:
            self.answer(status, content[: len(content) // 2], "application/json")
        elif spoil is Spoilt.SLOW:
            self._drip(status, content)
        else:
            self.answer(status, content, "application/json", headers)

    def _changed(self, value: object, spoil: Spoil | None) -> object:
        if spoil is Spoilt.ANOTHER:
            return {"message": "no Route matched"}
        if spoil is None or not isinstance(value, dict):
            return value
        results = value[self.results]
        if callable(spoil):
            spoil(value)
        elif spoil is Spoilt.FEWER:
            results.pop()
        elif spoil is Spoilt.MORE:
            results.append(results[-1])
        return value

    def _drip(self, status: int, content: bytes) -> None:
        self.send_head(status, len(content), "application/json")
        try:
            for place in range(len(content)):
                self.wfile.write(content[place : place + 1])
                self.wfile.flush()
                time.sleep(DRIP_SECONDS)
        except OSError:
            self.close_connection = True
