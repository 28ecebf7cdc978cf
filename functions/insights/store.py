"""Figures of counters and rollups; the live ones are cached for a moment."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx
from shared.scans import counter, velocity
from shared.scans.velocity import ScanVelocity
from shared.values.fields import Reply
from shared.web.paging import Position

FRESH_SECONDS = 1.0


class LiveNumbers(Reply):
    """The global count and the scan velocity, each as of its own moment."""

    total: int
    as_of: datetime
    velocity: ScanVelocity


@dataclass(frozen=True)
class Rollup:
    """The scans of an hour or a day; `rolled_up_to` is how far all rollups are."""

    starts_at: datetime
    scans: int
    processing_ms: int
    histogram: Mapping[str, int]
    peak_scans: int
    peak_at: datetime
    rolled_up_to: datetime


def live(tx: Tx, now: datetime) -> LiveNumbers:
    """The live figures, at most FRESH_SECONDS old, so that frequent requests do not load the database.

    Raises CountIsBeingCompared.
    """
    with _cache.lock:
        if _cache.live is None or time.monotonic() - _cache.read_at >= FRESH_SECONDS:
            total = counter.shown(tx)
            _cache.live = LiveNumbers(total=total, as_of=now, velocity=velocity.find(tx))
            _cache.read_at = time.monotonic()
        return _cache.live


def forget() -> None:
    """Empty the cache, so that the next call reads the figures again."""
    with _cache.lock:
        _cache.live = None


def rollups(tx: Tx, period: str, after: Position | None, limit: int) -> list[Rollup]:
    """Rollups before a position, newest first, without the periods that had no scan."""
    return tx.all(
        Rollup,
        """
        SELECT r.starts_at, r.scans, r.processing_ms, r.histogram, r.peak_scans, r.peak_at, p.as_of AS rolled_up_to
        FROM scan_rollups r CROSS JOIN scan_rollup_position p
        WHERE r.period = :period AND (CAST(:at AS timestamptz) IS NULL OR r.starts_at < :at)
        ORDER BY r.starts_at DESC LIMIT :limit
        """,
        period=period,
        at=after.at if after else None,
        limit=limit,
    )


class _Cache:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.live: LiveNumbers | None = None
        self.read_at = 0.0


_cache = _Cache()
