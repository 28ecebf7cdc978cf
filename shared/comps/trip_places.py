"""How many trips were awarded in a calendar month: a month's sales allow so many."""

from datetime import datetime

from shared.db import Tx


def this_month(tx: Tx, now: datetime) -> int:
    """The number of trips that count against this calendar month."""
    return tx.scalar(
        int,
        """
        SELECT count(*) AS count FROM trip_places
        WHERE month = date_trunc('month', CAST(:now AS timestamptz) AT TIME ZONE 'UTC') AND freed_number IS NULL
        """,
        now=now,
    )
