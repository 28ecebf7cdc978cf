"""Hourly balances, their days, and the thresholds below which people are woken."""

from dataclasses import dataclass
from datetime import date, datetime

from shared.db import Tx
from shared.money import Usdt


@dataclass(frozen=True)
class Snapshot:
    """What a treasury had on the chain at a full hour, and at which block that was read."""

    at: datetime
    treasury: str
    onchain_balance: Usdt
    block_number: int
    metadata: dict[str, object]


@dataclass(frozen=True)
class Crossing:
    """A threshold that the balance has just fallen below."""

    treasury: str
    kind: str
    threshold: int


def insert(tx: Tx, taken: Snapshot) -> bool:
    """False when the hour has its snapshot already. The day's extremes follow."""
    new = tx.run(
        """
        INSERT INTO treasury_snapshots (at, treasury, onchain_balance, block_number, metadata)
        VALUES (:at, :treasury, :onchain_balance, :block_number, :metadata) ON CONFLICT DO NOTHING
        """,
        **vars(taken),
    )
    if not new:
        return False
    tx.run(
        """
        INSERT INTO treasury_snapshot_days AS kept (day, treasury, lowest, highest, closing, closing_at)
        VALUES (:day, :treasury, :balance, :balance, :balance, :at)
        ON CONFLICT (day, treasury) DO UPDATE
        SET lowest = least(kept.lowest, EXCLUDED.lowest), highest = greatest(kept.highest, EXCLUDED.highest),
            closing = CASE WHEN kept.closing_at <= EXCLUDED.closing_at THEN EXCLUDED.closing ELSE kept.closing END,
            closing_at = greatest(kept.closing_at, EXCLUDED.closing_at)
        """,
        day=taken.at.date(),
        treasury=taken.treasury,
        balance=taken.onchain_balance,
        at=taken.at,
    )
    return True


def cross(tx: Tx, treasury: str, kind: str, value: int, now: datetime) -> Crossing | None:
    """The threshold, when `value` is below it and was not before: of two who see it, one is told."""
    return tx.first(
        Crossing,
        """
        UPDATE treasury_alerts SET crossed_at = :now
        WHERE treasury = :treasury AND kind = :kind AND crossed_at IS NULL AND threshold > CAST(:value AS numeric)
        RETURNING treasury, kind, threshold
        """,
        treasury=treasury,
        kind=kind,
        value=str(value),
        now=now,
    )


def recover(tx: Tx, treasury: str, kind: str, value: int) -> bool:
    """True when it was below and is not any more: the next crossing is told again."""
    return bool(
        tx.run(
            """
            UPDATE treasury_alerts SET crossed_at = NULL
            WHERE treasury = :treasury AND kind = :kind AND crossed_at IS NOT NULL
              AND threshold <= CAST(:value AS numeric)
            """,
            treasury=treasury,
            kind=kind,
            value=str(value),
        )
    )


@dataclass(frozen=True)
class _Count:
    count: int


def ensure_partitions(tx: Tx, today: date, months: int) -> None:
    """The months to come."""
    tx.one(
        _Count,
        "SELECT ensure_month_partitions('treasury_snapshots', :today, :months) AS count",
        today=today,
        months=months,
    )


def forget(tx: Tx, before: datetime) -> int:
    """Drop the months that ended before; how many."""
    return tx.one(_Count, "SELECT drop_treasury_snapshots(:before) AS count", before=before).count
