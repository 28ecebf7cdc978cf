"""The public activity feed: a line per event that everybody may see, without a name."""

from dataclasses import dataclass
from datetime import datetime

from shared import events
from shared.db import Tx
from shared.events import FeedItemMade
from shared.money import Usdt


@dataclass(frozen=True)
class _Made:
    id: int


def publish(tx: Tx, kind: str, text: str, amount: Usdt | None, dedupe_key: str, now: datetime) -> None:
    """Add a line; nothing when one of its key is there."""
    made = tx.first(
        _Made,
        """
        INSERT INTO feed_items (kind, text, amount, dedupe_key, happened_at)
        VALUES (:kind, :text, :amount, :dedupe_key, :now)
        ON CONFLICT (dedupe_key) DO NOTHING RETURNING id
        """,
        kind=kind,
        text=text,
        amount=amount,
        dedupe_key=dedupe_key,
        now=now,
    )
    if made:
        events.emit(tx, now, FeedItemMade(feed_item_id=made.id))
