"""Cloud Scheduler on a laptop: calls functions by the crontabs of function.yaml, on a clock that tests can move.

Differs from the real one: no retries (the next minute is never far), and a schedule that was due several times while
the clock jumped is called once. Whoever advances the clock step by step (emulators/advancing.py) holds the scheduler
meanwhile and makes the calls itself; each due moment is taken once, by one of the two.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from cronsim import CronSim

LOOK_SECONDS = 0.5  # how soon a moved clock is noticed
CALL_SECONDS_MAX = 180.0
CALLS_AT_ONCE = 16
EVERY_MINUTE = "* * * * *"
RARE = timedelta(days=1)


@dataclass(frozen=True)
class Entry:
    """One schedule: `url` gets a POST with its name when `cron` (UTC) is due."""

    name: str
    cron: str
    url: str
    audience: str

    @property
    def is_rare(self) -> bool:
        """True if it is due once a day at most."""
        return _pause(self.cron) >= RARE


@dataclass(frozen=True)
class Due:
    """An entry, and the first moment at which it was due and has not been called for."""

    at: datetime
    entry: Entry


class Scheduler:
    """The scheduler, in a thread of its own from `start` to `stop`."""

    def __init__(self, entries: Sequence[Entry], mint: Callable[[str], str], now: Callable[[], datetime]) -> None:
        """`mint(audience)` makes the caller's OIDC token."""
        self._entries = entries
        self._mint = mint
        self._now = now
        self._due: dict[Entry, datetime] = {}
        self._turn = threading.Lock()  # held while due moments are taken; an advance holds it for all its steps
        self._stopping = threading.Event()
        self._calls = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="scheduled")
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)

    def start(self) -> None:
        """Start; what is due every minute is called at once, so that nobody waits for the first call."""
        self._due = {entry: next(CronSim(entry.cron, self._now())) for entry in self._entries}
        for entry in self._entries:
            if entry.cron == EVERY_MINUTE:
                self._calls.submit(self.fire, entry)
        self._thread.start()

    def stop(self) -> None:
        """Stop calling; calls under way are not waited for."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._calls.shutdown(wait=False, cancel_futures=True)

    def fire(self, entry: Entry) -> int:
        """Call a schedule's function now; returns the HTTP status of its answer, 0 for none."""
        return call(entry.url, entry.name, self._mint(entry.audience))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside the block the scheduler calls nothing by itself."""
        with self._turn:
            yield

    def take_due(self, now: datetime, *, rare_only: bool = False) -> list[Due]:
        """Take what is due, or only what of it is rare, oldest first: nobody else gets it. Call it inside `held`."""
        found = [Due(at, entry) for entry, at in self._due.items() if at <= now and (entry.is_rare or not rare_only)]
        taken = sorted(found, key=lambda due: due.at)
        for due in taken:
            self._due[due.entry] = next(CronSim(due.entry.cron, now))
        return taken

    def next_rare(self) -> datetime | None:
        """The next moment at which an entry is due that is due once a day at most; None if there is none."""
        return min((at for entry, at in self._due.items() if entry.is_rare), default=None)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            if not self._turn.acquire(blocking=False):
                continue
            try:
                for due in self.take_due(self._now()):
                    self._calls.submit(self.fire, due.entry)
            finally:
                self._turn.release()


@cache
def _pause(cron: str) -> timedelta:
    """The time between two moments of a crontab that has them evenly, or the shorter of two that follow each other."""
    moments = CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC))
    first, second, third = next(moments), next(moments), next(moments)
    return min(second - first, third - second)


def call(url: str, name: str, token: str) -> int:
    """POST a schedule's name as Cloud Scheduler does; returns the status, 0 if there is no answer."""
    request = Request(  # noqa: S310 - the stack's own router
        url,
        json.dumps({"schedule": name}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {token}", "X-CloudScheduler": "true"},
    )
    try:
        with urlopen(request, timeout=CALL_SECONDS_MAX) as answer:  # noqa: S310
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except OSError:
        return 0
