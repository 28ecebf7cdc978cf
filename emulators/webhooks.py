"""Webhooks as the shop's vendors send them: several times, in another order, late, and again when nobody took them."""

import base64
import collections
import heapq
import hmac
import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from emulators.deliveries import Deliveries, Pump, Request, Workers

TOLD_MAX = 10_000  # the oldest is forgotten
ATTEMPTS_MAX = 5
AGAIN_SECONDS = 1.0
ANSWER_SECONDS_MAX = 10.0
SHUFFLED_OVER_SECONDS = 0.5
SENDERS = 4

Sign = Callable[[bytes], Mapping[str, str]]


@dataclass(frozen=True, order=True)
class Due:
    """A webhook that waits for its moment, of the clock that counts seconds."""

    at: float
    number: int
    attempt: int
    url: str
    body: bytes


class Webhooks:
    """Sends what it is told to `url`, and keeps the bodies for tests; without a URL nothing is sent.

    `times` copies of each are sent; `shuffled` ones overtake each other; `late_seconds` is the least time before a copy
    is sent; `lost` ones are never sent. All four may be changed at any time.
    """

    def __init__(self, name: str, method: str, sign: Sign) -> None:
        self.method = method
        self.url: str | None = None
        self.times, self.shuffled, self.late_seconds, self.lost = 1, False, 0.0, False
        self._sign = sign
        self._told: collections.deque[bytes] = collections.deque(maxlen=TOLD_MAX)
        self._due: list[Due] = []
        self._numbers = itertools.count()
        self._random = random.Random(1)  # noqa: S311 - an order of deliveries is no secret
        self._lock = threading.Lock()
        self._deliveries = Deliveries()
        self._senders = Workers(f"{name}-webhooks", SENDERS)
        self._pump = Pump(f"{name}-webhooks", self._step)

    def start(self) -> None:
        self._pump.start()

    def stop(self) -> None:
        self._pump.stop()
        self._deliveries.stop()
        self._senders.shutdown(wait=False)

    def tell(self, value: Mapping[str, object], url: str | None = None) -> None:
        """Send this JSON, and keep it. `url` counts when the stand-in has none of its own."""
        body, to = json.dumps(value).encode(), self.url or url
        with self._lock:
            self._told.append(body)
            if to is None or self.lost:
                return
            for _ in range(self.times):
                over = self._random.uniform(0, SHUFFLED_OVER_SECONDS) if self.shuffled else 0.0
                self._push(time.monotonic() + self.late_seconds + over, 1, to, body)
        self._pump.wake()

    def told(self) -> list[bytes]:
        """The bodies of all webhooks, first to last, sent or not."""
        with self._lock:
            return list(self._told)

    def signed(self, body: bytes) -> dict[str, str]:
        """The headers with which this body would be sent now."""
        return {"content-type": "application/json", **self._sign(body)}

    def clear(self) -> None:
        """Forget what was told and what is still to be sent, and be reliable again."""
        with self._lock:
            self._told.clear()
            self._due.clear()
            self.times, self.shuffled, self.late_seconds, self.lost = 1, False, 0.0, False

    def _push(self, at: float, attempt: int, url: str, body: bytes) -> None:
        heapq.heappush(self._due, Due(at, next(self._numbers), attempt, url, body))

    def _step(self) -> float | None:
        with self._lock:
            while self._due and self._due[0].at <= time.monotonic():
                self._senders.submit(self._send, heapq.heappop(self._due))
            return max(0.001, self._due[0].at - time.monotonic()) if self._due else None

    def _send(self, due: Due) -> None:
        status = self._deliveries.send(
            Request(self.method, due.url, self.signed(due.body), due.body), ANSWER_SECONDS_MAX
        )
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES or due.attempt == ATTEMPTS_MAX:
            return
        with self._lock:
            self._push(time.monotonic() + AGAIN_SECONDS, due.attempt + 1, due.url, due.body)
        self._pump.wake()


def timed_signature(header: str, secret: str) -> Sign:
    """Sign as Stripe does: `t=<unix>,v1=<hex>`, an HMAC-SHA256 over `<unix>.<body>`."""

    def sign(body: bytes) -> Mapping[str, str]:
        moment = str(int(time.time()))
        made = hmac.digest(secret.encode(), f"{moment}.".encode() + body, "sha256").hex()
        return {header: f"t={moment},v1={made}"}

    return sign


def sha1_signature(header: str, secret: str) -> Sign:
    """Sign as AgeChecker does: the base64 of an HMAC-SHA1 of the body."""

    def sign(body: bytes) -> Mapping[str, str]:
        return {header: base64.b64encode(hmac.digest(secret.encode(), body, "sha1")).decode()}

    return sign
