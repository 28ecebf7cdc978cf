"""How often somebody may do something in a clock hour, counted in the transaction that does it."""

from datetime import datetime, timedelta

from shared.db import Tx
from shared.problems import TooManyRequests

HOUR = timedelta(hours=1)


def spend(tx: Tx, subject: str, per_hour_max: int, now: datetime, refusal: type[TooManyRequests]) -> None:
    """Raises the refusal, with the time to wait, when the hour's number is used up."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    counted = tx.run(
        """
        INSERT INTO attempt_counters AS counter (subject, hour, attempts) VALUES (:subject, :hour, 1)
        ON CONFLICT (subject, hour) DO UPDATE SET attempts = counter.attempts + 1
        WHERE counter.attempts < :per_hour_max
        """,
        subject=subject,
        hour=hour,
        per_hour_max=per_hour_max,
    )
    if not counted:
        raise refusal(headers={"Retry-After": str(int((hour + HOUR - now).total_seconds()) + 1)})
