"""Cloud Scheduler on a laptop: calls functions by the crontabs of function.yaml, on a clock that tests can move.

Differs from the real one: no retries (the next minute is never far), and a schedule that was due several times while
the clock jumped is called once.
"""

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from cronsim import CronSim

LOOK_SECONDS = 0.5  # how soon a moved clock is noticed
CALL_SECONDS_MAX = 180.0
CALLS_AT_ONCE = 16
EVERY_MINUTE = "* * * * *"


@dataclass(frozen=True)
class Entry:
    """One schedule: `url` gets a POST with its name when `cron` (UTC) is due."""

    name: str
    cron: str
    url: str
    audience: str


class Scheduler:
    """The scheduler, in a thread of its own from `start` to `stop`."""

    def __init__(self, entries: Sequence[Entry], mint: Callable[[str], str], now: Callable[[], datetime]) -> None:
        """`mint(audience)` makes the caller's OIDC token."""
        self._entries = entries
        self._mint = mint
        self._now = now
        self._stopping = threading.Event()
        self._calls = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="scheduled")
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)

    def start(self) -> None:
        """Start; what is due every minute is called at once, so that nobody waits for the first call."""
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

    def _run(self) -> None:
        due = {entry: next(CronSim(entry.cron, self._now())) for entry in self._entries}
        while not self._stopping.wait(LOOK_SECONDS):
            now = self._now()
            for entry, moment in due.items():
                if moment <= now:
                    due[entry] = next(CronSim(entry.cron, now))
                    self._calls.submit(self.fire, entry)


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
