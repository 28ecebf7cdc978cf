"""Scan velocity: how many scans, and how long they took, read from the rollups and never from the scans themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx
from shared.scans import histogram
from shared.scans.histogram import Histogram
from shared.values.retry_after import MINUTE

HOUR_MINUTES = 60
PERCENT = 95


@dataclass(frozen=True)
class ScanVelocity:
    """The rollups' figures at `as_of`; a figure is None where there is nothing to calculate it from.

    They are the scans of the last full minute and of the last sixty, today's best minute, and the processing times of
    the last hour.
    """

    per_minute: int
    per_hour: int
    peak_per_minute: int
    peak_at: datetime | None
    processing_ms_average: int | None
    processing_ms_p95: int | None
    as_of: datetime


@dataclass(frozen=True)
class _Minute:
    """The rollup of one minute."""

    starts_at: datetime
    scans: int
    processing_ms: int
    histogram: Mapping[str, int]


@dataclass(frozen=True)
class _Peak:
    peak_scans: int
    peak_at: datetime


def find(tx: Tx) -> ScanVelocity:
    """The present figures; at most sixty-one rows are read."""
    as_of = tx.scalar(datetime, "SELECT as_of FROM scan_rollup_position")
    minute = as_of.replace(second=0, microsecond=0)
    minutes = tx.all(
        _Minute,
        """
        SELECT starts_at, scans, processing_ms, histogram FROM scan_rollups
        WHERE period = 'minute' AND starts_at BETWEEN :first AND :last
        """,
        first=minute - HOUR_MINUTES * MINUTE,
        last=minute,
    )
    peak = tx.first(
        _Peak,
        "SELECT peak_scans, peak_at FROM scan_rollups WHERE period = 'day' AND starts_at = :day",
        day=minute.replace(hour=0, minute=0),
    )
    full = [row for row in minutes if row.starts_at < minute]
    counted = histogram.merged(from_json(row.histogram) for row in minutes)
    average, p95 = processing(sum(row.processing_ms for row in minutes), counted)
    return ScanVelocity(
        per_minute=sum(row.scans for row in full if row.starts_at == minute - MINUTE),
        per_hour=sum(row.scans for row in full),
        peak_per_minute=peak.peak_scans if peak else 0,
        peak_at=peak.peak_at if peak else None,
        processing_ms_average=average,
        processing_ms_p95=p95,
        as_of=as_of,
    )


def processing(total_ms: int, counted: Histogram) -> tuple[int | None, int | None]:
    """Average and 95th percentile of processing times, in whole milliseconds; None without scans."""
    scans = sum(counted.values())
    return round(total_ms / scans) if scans else None, histogram.percentile(counted, PERCENT)


def from_json(stored: Mapping[str, int]) -> dict[int, int]:
    """A histogram from its JSON form, whose keys are text."""
    return {int(bucket): scans for bucket, scans in stored.items()}
