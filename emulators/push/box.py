"""Shared by the push stand-ins of both vendors: the pushes they accepted, the dead tokens, the faults asked for."""

import collections
import enum
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

PUSHES_MAX = 1000  # the oldest is forgotten
MESSAGE_BYTES_MAX = 4096
BODY_BYTES_MAX = 64 * 1024
TIMEOUT_SECONDS = 120.0  # longer than any client of ours waits


class Fault(enum.Enum):
    """The faults that can replace the acceptance of a push."""

    TOO_MANY_REQUESTS = HTTPStatus.TOO_MANY_REQUESTS
    INTERNAL_ERROR = HTTPStatus.INTERNAL_SERVER_ERROR
    UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE
    TIMEOUT = "no answer, and the push is not taken"
    DROPPED = "the push is taken, and the connection ends without an answer"


@dataclass(frozen=True)
class AskedFault:
    """A fault and the Retry-After that goes with it."""

    fault: Fault
    retry_after_seconds: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after_seconds is None else {"retry-after": str(self.retry_after_seconds)}


@dataclass(frozen=True)
class TakenPush:
    """One push as it came. `push_id` is APNs' id or Android's tag; `options` are apns-* headers or `android`."""

    platform: str
    token: str
    title: str
    body: str
    data: Mapping[str, Any]
    push_id: str
    options: Mapping[str, Any]
    taken_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())


class PushBox:
    """The accepted pushes and requested faults; thread-safe. A fault may be for one device, or (no token) for any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._pushes: collections.deque[TakenPush] = collections.deque(maxlen=PUSHES_MAX)
        self._faults: dict[str, collections.deque[AskedFault]] = collections.defaultdict(collections.deque)
        self._gone: dict[str, datetime] = {}
        self._foreign: set[str] = set()

    def start(self) -> None:
        self._stopping.clear()

    def stop(self) -> None:
        self._stopping.set()

    def take(self, push: TakenPush) -> None:
        with self._lock:
            self._pushes.append(push)

    def pushes(self, token: str = "") -> list[TakenPush]:
        """The pushes, newest first; all of them, or those to one device."""
        with self._lock:
            taken = list(self._pushes)
        return [push for push in reversed(taken) if not token or push.token == token]

    def clear(self) -> None:
        """Forget the pushes, the dead tokens and the faults."""
        with self._lock:
            self._pushes.clear()
            self._faults.clear()
            self._gone.clear()
            self._foreign.clear()

    def unregister(self, token: str) -> None:
        """Mark the token as dead: the app was removed from that device."""
        with self._lock:
            self._gone[token] = datetime.now(UTC)

    def gone_since(self, token: str) -> datetime | None:
        with self._lock:
            return self._gone.get(token)

    def disown(self, token: str) -> None:
        """Mark the token as another app's (APNs) or another project's (FCM)."""
        with self._lock:
            self._foreign.add(token)

    def is_foreign(self, token: str) -> bool:
        with self._lock:
            return token in self._foreign

    def fail_next(self, count: int, fault: Fault, token: str = "", retry_after_seconds: int | None = None) -> None:
        """Ask for a fault of the next `count` pushes, after those that earlier calls are for."""
        with self._lock:
            self._faults[token].extend([AskedFault(fault, retry_after_seconds)] * count)

    def next_fault(self, token: str) -> AskedFault | None:
        """The next fault for this device, else the next one for any device; None if there is none."""
        with self._lock:
            for faults in (self._faults.get(token), self._faults.get("")):
                if faults:
                    return faults.popleft()
        return None

    @property
    def faults_left(self) -> int:
        """The number of faults that were asked for and have not happened yet."""
        with self._lock:
            return sum(map(len, self._faults.values()))

    def wait_for_nothing(self) -> None:
        """Wait longer than any client does, or until the stop."""
        self._stopping.wait(TIMEOUT_SECONDS)
