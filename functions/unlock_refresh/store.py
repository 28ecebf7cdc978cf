"""Tins sold by day, and their monthly average."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.db import Tx

WINDOW_DAYS = 91
WINDOW_MONTHS = 3


@dataclass(frozen=True)
class _AsOf:
    as_of: datetime


def lock(tx: Tx, now: datetime) -> bool:
    """Be the only one who refreshes: the sum that follows sees whatever was sold before. False for a late comer."""
    found = tx.one(_AsOf, "SELECT as_of FROM sales_volume WHERE only_row FOR NO KEY UPDATE")
    return found.as_of <= now


def refresh(tx: Tx, now: datetime) -> None:
    """The average of the days up to today (UTC); days that are still to come do not count."""
    today = now.astimezone(UTC).date()
    tx.run(
        """
        UPDATE sales_volume SET as_of = :now, tins_per_month = (
            SELECT div(coalesce(sum(tins), 0), :months) FROM tins_sold_daily WHERE day > :before AND day <= :today)
        WHERE only_row
        """,
        months=WINDOW_MONTHS,
        before=today - timedelta(days=WINDOW_DAYS),
        today=today,
        now=now,
    )
