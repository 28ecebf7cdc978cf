"""Adding scans to rollups. Whatever the batches, the sums are those of all scans together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from shared import histogram
from shared.histogram import Histogram


class Period(StrEnum):
    """How long a rollup is."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    def start(self, moment: datetime) -> datetime:
        """When the period of a moment began, in UTC."""
        start = moment.astimezone(UTC).replace(second=0, microsecond=0)
        if self is not Period.MINUTE:
            start = start.replace(minute=0)
        return start.replace(hour=0) if self is Period.DAY else start


Key = tuple[Period, datetime]


@dataclass(frozen=True)
class Scan:
    """What of a scan is counted."""

    number: int
    scanned_at: datetime
    processing_ms: int


@dataclass(frozen=True)
class Rollup:
    """The scans of a period. `peak_*` is its best minute, the first of several."""

    period: Period
    starts_at: datetime
    scans: int
    processing_ms: int
    histogram: Histogram
    peak_scans: int
    peak_at: datetime


def keys_of(scans: Sequence[Scan]) -> set[Key]:
    """The periods that the scans fall into."""
    return {(period, period.start(scan.scanned_at)) for scan in scans for period in Period}


def added(kept: Mapping[Key, Rollup], scans: Sequence[Scan]) -> list[Rollup]:
    """The rollups of `scans` together with those kept so far; what is not touched is left out."""
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
    """A minute only ever grows: the best of those that grew and of the best so far is the best of all."""
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
