"""The public activity feed: one line per event, without names, that everybody may see."""

from datetime import datetime
from typing import Literal, get_args

from shared import events
from shared.db import Tx
from shared.events import FeedItemMade
from shared.messages.texts import Said
from shared.values.money import Usdt

OfPartners = Literal["match_earned", "week_shared", "wholesale_comp_awarded"]
OfPrizes = Literal["comp_awarded", "comp_paid"]
Kind = Literal[OfPrizes, OfPartners]

PRIZE_KINDS: tuple[Kind, ...] = get_args(OfPrizes)
PARTNER_KINDS: tuple[Kind, ...] = get_args(OfPartners)  # what affiliates and the wholesale program have earned


def publish(tx: Tx, kind: Kind, said: Said, amount: Usdt | None, dedupe_key: str, now: datetime) -> None:
    """Add a line in English; does nothing if there is a line with this key."""
    item_id = tx.scalar_or_none(
        int,
        """
        INSERT INTO feed_items (kind, text, code, params, amount, dedupe_key, happened_at)
        VALUES (:kind, :text, :code, :params, :amount, :dedupe_key, :now)
        ON CONFLICT (dedupe_key) DO NOTHING RETURNING id
        """,
        kind=kind,
        text=said.text,
        code=said.code,
        params=dict(said.params),
        amount=amount,
        dedupe_key=dedupe_key,
        now=now,
    )
    if item_id is not None:
        events.emit(tx, now, FeedItemMade(feed_item_id=item_id))
