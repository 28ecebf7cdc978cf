"""Hourly balances, their days, and the thresholds of alerts, as rows."""

from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx
from shared.values.money import Usdt


@dataclass(frozen=True)
class Snapshot:
    """The balance of a treasury at a full hour, and the block at which it was read."""

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
    """Insert a snapshot and update its day; False if the hour has one already."""
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
    """The threshold, if `value` is below it and was not before; of two concurrent calls, one gets it."""
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
    """Clear an alert whose balance is not below the threshold any more, so that the next crossing alerts again; True if
    there was one.
    """
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
