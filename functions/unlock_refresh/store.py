"""Tins sold by day, and their monthly average, as rows."""

from datetime import UTC, datetime, timedelta

from shared.db import Tx

WINDOW_DAYS = 91
WINDOW_MONTHS = 3


def lock(tx: Tx, now: datetime) -> bool:
    """Lock the average, so that the sum that follows sees all earlier sales; False if a newer run was faster."""
    as_of = tx.scalar(datetime, "SELECT as_of FROM sales_volume WHERE only_row FOR NO KEY UPDATE")
    return as_of <= now


def refresh(tx: Tx, now: datetime) -> None:
    """Store the average of the days up to today (UTC); later days do not count."""
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
