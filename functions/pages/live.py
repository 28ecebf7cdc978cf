"""The public figures, read from two Firestore documents that jobs keep (docs/pages.md); no database is opened here.

Requests that come in one second read them once. While Firestore does not answer, the last figures are shown, with
their own moments.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from shared import log
from shared.ports import firestore
from shared.ports.firestore import FirestoreUnavailable
from shared.values import encoding

KEPT_SECONDS = 1.0
OLD_AFTER = timedelta(seconds=150)  # two runs of the job that writes the document are missing
COUNT_PATH, FIGURES_PATH = "counters/scans", "pages/live"  # feed_project, figure_rollup
OF_VELOCITY = ("per_minute", "per_hour", "peak_per_minute", "processing_ms_p95", "as_of")
OF_FIGURES = (
    *("tins_this_month", "tins_per_month", "comps_paid", "treasuries", "reconciliation", "milestones", "feed"),
    *("moments", "made_at"),
)
PARTS: Mapping[str, tuple[str, ...]] = {
    "treasuries": ("treasuries",),
    "reconciliation": ("reconciliation",),
    "totals": ("comps_paid", "tins_this_month", "tins_per_month"),
}
NOTHING_YET: Mapping[str, object] = {"milestones": [], "feed": [], "moments": {}}

Figures = Mapping[str, Any]


def figures() -> Figures | None:
    """The figures in the form of live.json; None if they were never read and cannot be read now."""
    return _memory.get(_read)


def forget() -> None:
    """Forget what was read, so that the next call reads it again."""
    _memory.clear()


def _read() -> Figures:
    """Both documents as one. Raises FirestoreUnavailable."""
    count, rest = firestore.find(COUNT_PATH) or {}, firestore.find(FIGURES_PATH) or {}
    velocity = count.get("velocity")
    found: dict[str, Any] = {**dict.fromkeys(OF_FIGURES), **NOTHING_YET}
    found |= {name: rest[name] for name in OF_FIGURES if name in rest}
    found["count"] = {name: count[name] for name in ("total", "per_second", "as_of")} if "total" in count else None
    found["velocity"] = {name: velocity.get(name) for name in OF_VELOCITY} if isinstance(velocity, Mapping) else None
    found["moments"] = _moments(count, rest)
    plain: Figures = json.loads(encoding.dump(found))  # moments are text from here on
    return plain


def _moments(count: Mapping[str, Any], rest: Mapping[str, Any]) -> dict[str, object]:
    """By part of the page, when it was true (`as_of`) and from when on it is old (`old_from`). Both documents are
    written at least once a minute. A part with several figures is as old as the oldest of them.
    """
    moments: dict[str, object] = {}
    for name, at in (("count", count.get("as_of")), ("feed", rest.get("made_at"))):
        if isinstance(at, datetime):
            moments[name] = {"as_of": at, "old_from": at + OLD_AFTER}
    known = rest.get("moments") or {}
    for name, figures in PARTS.items():
        if together := [known[figure] for figure in figures if figure in known]:
            moments[name] = {each: min(one[each] for one in together) for each in ("as_of", "old_from")}
    return moments


class _Memory:
    """The last figures. One thread reads them anew; the others get the last ones meanwhile, or wait for the first."""

    def __init__(self) -> None:
        self._reading = threading.Lock()
        self._kept: Figures | None = None
        self._fresh_until = float("-inf")

    def get(self, read: Callable[[], Figures]) -> Figures | None:
        if time.monotonic() < self._fresh_until:
            return self._kept
        if not self._reading.acquire(blocking=self._kept is None):
            return self._kept
        try:
            if time.monotonic() >= self._fresh_until:
                self._kept = read()
        except FirestoreUnavailable:
            log.warning("the database or a service does not answer", kind="FirestoreUnavailable")
        finally:
            self._fresh_until = time.monotonic() + KEPT_SECONDS
            self._reading.release()
        return self._kept

    def clear(self) -> None:
        self._kept, self._fresh_until = None, float("-inf")


_memory = _Memory()
