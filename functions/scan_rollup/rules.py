"""Adds scans to rollups. The sums are the same however the scans are split into batches."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from shared.scans import histogram
from shared.scans.histogram import Histogram


class Period(StrEnum):
    """The length of a rollup."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    def start(self, moment: datetime) -> datetime:
        """When the period that contains the moment began, in UTC."""
        start = moment.astimezone(UTC).replace(second=0, microsecond=0)
        if self is not Period.MINUTE:
            start = start.replace(minute=0)
        return start.replace(hour=0) if self is Period.DAY else start


Key = tuple[Period, datetime]


@dataclass(frozen=True)
class Scan:
    """The fields of a scan that are counted."""

    number: int
    scanned_at: datetime
    processing_ms: int


@dataclass(frozen=True)
class Rollup:
    """The scans of a period. `peak_*` is its best minute; of equal ones the first."""

    period: Period
    starts_at: datetime
    scans: int
    processing_ms: int
    histogram: Histogram
    peak_scans: int
    peak_at: datetime


def keys_of(scans: Sequence[Scan]) -> set[Key]:
    """The periods that contain the scans."""
    return {(period, period.start(scan.scanned_at)) for scan in scans for period in Period}


def added(kept: Mapping[Key, Rollup], scans: Sequence[Scan]) -> list[Rollup]:
    """The stored rollups with the scans added; rollups that do not change are left out."""
    touched: dict[Key, list[Scan]] = {}
    for scan in scans:
        for period in Period:
            touched.setdefault((period, period.start(scan.scanned_at)), []).append(scan)
    minutes = {
        starts_at: len(members) + (kept[period, starts_at].scans if (period, starts_at) in kept else 0)
        for (period, starts_at), members in touched.items()
        if period is Period.MINUTE
    }
    return [_sum(key, kept.get(key), members, minutes) for key, members in touched.items()]


def _sum(key: Key, before: Rollup | None, scans: Sequence[Scan], minutes: Mapping[datetime, int]) -> Rollup:
    """Add the scans to one rollup. Minutes only grow, so the best minute is the best of those that grew and the best so
    far.
    """
    period, starts_at = key
    new = Counter(histogram.bucket_of(scan.processing_ms) for scan in scans)
    best = {moment: minutes[moment] for moment in {Period.MINUTE.start(scan.scanned_at) for scan in scans}}
    if before:
        best.setdefault(before.peak_at, before.peak_scans)
    peak_at = min(best, key=lambda moment: (-best[moment], moment))
    return Rollup(
        period=period,
        starts_at=starts_at,
        scans=len(scans) + (before.scans if before else 0),
        processing_ms=sum(scan.processing_ms for scan in scans) + (before.processing_ms if before else 0),
        histogram=histogram.merged([new, before.histogram if before else {}]),
        peak_scans=best[peak_at],
        peak_at=peak_at,
    )
