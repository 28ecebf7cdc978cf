"""The rollups and the position of the job, as rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from functions.scan_rollup.rules import Key, Period, Rollup, Scan
from shared.db import Tx
from shared.scans import velocity


@dataclass(frozen=True)
class Position:
    """How far scans are counted: the highest number, and the latest `scanned_at` among them (None before the first)."""

    last_number: int
    newest_at: datetime | None


@dataclass(frozen=True)
class _Row:
    period: Period
    starts_at: datetime
    scans: int
    processing_ms: int
    histogram: Mapping[str, int]
    peak_scans: int
    peak_at: datetime


def lock_position(tx: Tx) -> Position | None:
    """The position, locked; None while another run has it."""
    return tx.first(Position, "SELECT last_number, newest_at FROM scan_rollup_position FOR UPDATE SKIP LOCKED")


def position(tx: Tx) -> Position:
    """The position, not locked."""
    return tx.one(Position, "SELECT last_number, newest_at FROM scan_rollup_position")


def scans_after(tx: Tx, number: int, limit: int) -> list[Scan]:
    """The next scans in the order of their numbers. Numbers commit in order, so none below a visible one can be
    missing.
    """
    return tx.all(
        Scan,
        "SELECT number, scanned_at, processing_ms FROM scans WHERE number > :number ORDER BY number LIMIT :limit",
        number=number,
        limit=limit,
    )


def kept(tx: Tx, keys: Collection[Key]) -> dict[Key, Rollup]:
    """The stored rollups for these keys."""
    rows = tx.all(
        _Row,
        """
        SELECT r.period, r.starts_at, r.scans, r.processing_ms, r.histogram, r.peak_scans, r.peak_at
        FROM unnest(CAST(:periods AS text[]), CAST(:starts AS timestamptz[])) AS wanted (period, starts_at)
        JOIN scan_rollups r ON r.period = wanted.period AND r.starts_at = wanted.starts_at
        """,
        periods=[period.value for period, _ in keys],
        starts=[starts_at for _, starts_at in keys],
    )
    return {
        (row.period, row.starts_at): Rollup(**vars(row) | {"histogram": velocity.from_json(row.histogram)})
        for row in rows
    }


def save(tx: Tx, rollups: Sequence[Rollup]) -> None:
    """Insert or replace the rollups."""
    tx.run(
        """
        INSERT INTO scan_rollups AS kept (period, starts_at, scans, processing_ms, histogram, peak_scans, peak_at)
        SELECT period, starts_at, scans, processing_ms, histogram, peak_scans, peak_at
        FROM jsonb_to_recordset(CAST(:rollups AS jsonb) -> 'rows')
             AS r (period text, starts_at timestamptz, scans bigint, processing_ms bigint, histogram jsonb,
                   peak_scans bigint, peak_at timestamptz)
        ON CONFLICT (period, starts_at) DO UPDATE
        SET scans = EXCLUDED.scans, processing_ms = EXCLUDED.processing_ms, histogram = EXCLUDED.histogram,
            peak_scans = EXCLUDED.peak_scans, peak_at = EXCLUDED.peak_at
        """,
        rollups={"rows": [_as_json(rollup) for rollup in rollups]},
    )


def move(tx: Tx, last_number: int, newest_at: datetime | None, as_of: datetime) -> None:
    """Move the position: all scans up to this number are counted, and there are no others from before `as_of`."""
    tx.run_later(
        """
        UPDATE scan_rollup_position
        SET last_number = :last_number, newest_at = :newest_at, as_of = greatest(as_of, :as_of)
        """,
        last_number=last_number,
        newest_at=newest_at,
        as_of=as_of,
    )


def purge_minutes(tx: Tx, before: datetime, limit: int) -> int:
    """Delete the oldest minutes; returns how many."""
    return tx.run(
        """
        DELETE FROM scan_rollups WHERE period = 'minute' AND starts_at IN (
            SELECT starts_at FROM scan_rollups WHERE period = 'minute' AND starts_at < :before
            ORDER BY starts_at LIMIT :limit
        )
        """,
        before=before,
        limit=limit,
    )


def _as_json(rollup: Rollup) -> dict[str, object]:
    return vars(rollup) | {
        "period": rollup.period.value,
        "starts_at": rollup.starts_at.isoformat(),
        "peak_at": rollup.peak_at.isoformat(),
        "histogram": {str(bucket): scans for bucket, scans in rollup.histogram.items()},
    }
