"""When a signing key has to be replaced, and when its last tokens have expired."""

from datetime import datetime, timedelta

ROTATED_AFTER = timedelta(days=90)
OLD_TOKENS_LIFE = timedelta(minutes=30)  # an access token's fifteen minutes, and as much for slow clocks and caches


def is_due(newest_created_at: datetime, now: datetime) -> bool:
    """Whether a new key has to be ordered."""
    return now - newest_created_at >= ROTATED_AFTER
