"""Rows that the web site shows to everybody, read at one moment: figures, milestones, the newest lines of the feed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.comps import award_inputs, trip_places
from shared.db import Tx
from shared.figures import kept
from shared.figures.kept import Kept
from shared.figures.milestones import MilestoneProgress, by_interval, milestone
from shared.figures.names import Name
from shared.messages.feed import PRIZE_KINDS
from shared.values.money import Usdt
from shared.values.prizes import Rule

SHOWN = (Name.TINS_THIS_MONTH, Name.TINS_PER_MONTH, Name.COMPS, Name.ON_CHAIN_BALANCES, Name.RECONCILIATION_STATUS)
LINES = 8


@dataclass(frozen=True)
class FeedLine:
    """Something that has happened, without names."""

    id: int
    kind: str
    text: str
    code: str | None
    params: Mapping[str, Any]
    amount: Usdt | None
    happened_at: datetime


@dataclass(frozen=True)
class Shown:
    """The figures by name, each prize with the next number that can win it (none while the count is being compared),
    and the newest lines of the feed.
    """

    figures: Mapping[str, Kept]
    milestones: Sequence[tuple[Rule, MilestoneProgress]]
    feed: Sequence[FeedLine]


def find(tx: Tx, now: datetime) -> Shown:
    """All of it in one snapshot."""
    count, inputs = award_inputs.counted(tx)
    trips = trip_places.this_month(tx, now)
    rules = by_interval(inputs.prizes) if count.compared else []
    progress = [(rule, milestone(rule, count.value, inputs.tins_per_month, trips)) for rule in rules]
    return Shown(kept.find(tx, SHOWN), progress, _newest_lines(tx))


def _newest_lines(tx: Tx) -> list[FeedLine]:
    """The newest lines about prizes: the page shows wins."""
    return tx.all(
        FeedLine,
        """
        SELECT line.id, line.kind, line.text, line.code, line.params, line.amount, line.happened_at
        FROM unnest(CAST(:kinds AS text[])) AS wanted (kind)
        CROSS JOIN LATERAL (SELECT id, kind, text, code, params, amount, happened_at FROM feed_items
                            WHERE kind = wanted.kind ORDER BY happened_at DESC, id DESC LIMIT :limit) line
        ORDER BY line.happened_at DESC, line.id DESC LIMIT :limit
        """,
        kinds=list(PRIZE_KINDS),
        limit=LINES,
    )
