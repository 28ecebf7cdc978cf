"""When a withdrawal lapses. Pure."""

from datetime import datetime, timedelta

SENT_FOR = timedelta(hours=24)  # what no block has taken by then is not sent any more


def has_lapsed(signed_at: datetime, now: datetime) -> bool:
    """Whether the withdrawal was offered to the nodes for long enough."""
    return now - signed_at >= SENT_FOR
