"""When a signing key is old, and when its tokens are gone."""

from datetime import datetime, timedelta

ROTATED_AFTER = timedelta(days=90)
OLD_TOKENS_LIFE = timedelta(minutes=30)  # an access token's fifteen minutes, with clocks and caches that are behind


def is_due(newest_created_at: datetime, now: datetime) -> bool:
    """Whether a new key is to be ordered."""
    return now - newest_created_at >= ROTATED_AFTER
