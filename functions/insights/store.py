"""Figures of counters and rollups, and lines of the feed, as rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.db import Tx
from shared.messages.feed import PARTNER_KINDS
from shared.scans import counter, velocity
from shared.scans.velocity import ScanVelocity
from shared.values.fields import Money, Reply
from shared.web.paging import Position


class LiveNumbers(Reply):
    """The global count and the scan velocity, each as of its own moment."""

    total: int
    as_of: datetime
    velocity: ScanVelocity


@dataclass(frozen=True)
class Rollup:
    """The scans of an hour or a day; `rolled_up_to` is how far all rollups are."""

    starts_at: datetime
    scans: int
    processing_ms: int
    histogram: Mapping[str, int]
    peak_scans: int
    peak_at: datetime
    rolled_up_to: datetime


class FeedLine(Reply):
    """Something that has happened, without names. `text` is English; `code` and `params` say the same for apps in other
    languages.
    """

    id: str
    kind: str
    text: str
    code: str | None
    params: dict[str, Any]
    amount: Money | None
    happened_at: datetime


def live(tx: Tx, now: datetime) -> LiveNumbers:
    """The count and the velocity. Raises CountIsBeingCompared."""
    return LiveNumbers(total=counter.shown(tx), as_of=now, velocity=velocity.find(tx))


def rollups(tx: Tx, period: str, after: Position | None, limit: int) -> list[Rollup]:
    """Rollups before a position, newest first, without the periods that had no scan."""
    return tx.all(
        Rollup,
        """
        SELECT r.starts_at, r.scans, r.processing_ms, r.histogram, r.peak_scans, r.peak_at, p.as_of AS rolled_up_to
        FROM scan_rollups r CROSS JOIN scan_rollup_position p
        WHERE r.period = :period AND (CAST(:at AS timestamptz) IS NULL OR r.starts_at < :at)
        ORDER BY r.starts_at DESC LIMIT :limit
        """,
        period=period,
        at=after.at if after else None,
        limit=limit,
    )


def newest_lines(tx: Tx, limit: int) -> list[FeedLine]:
    """The newest lines of the feed, newest first."""
    return tx.all(
        FeedLine,
        """
        SELECT CAST(id AS text) AS id, kind, text, code, params, amount, happened_at FROM feed_items
        ORDER BY happened_at DESC, feed_items.id DESC LIMIT :limit
        """,
        limit=limit,
    )


def newest_of_partners(tx: Tx, limit: int) -> list[FeedLine]:
    """The newest lines about affiliates and the wholesale program, newest first."""
    return tx.all(
        FeedLine,
        """
        SELECT CAST(line.id AS text) AS id, line.kind, line.text, line.code, line.params, line.amount, line.happened_at
        FROM unnest(CAST(:kinds AS text[])) AS wanted (kind)
        CROSS JOIN LATERAL (SELECT id, kind, text, code, params, amount, happened_at FROM feed_items
                            WHERE kind = wanted.kind ORDER BY happened_at DESC, id DESC LIMIT :limit) line
        ORDER BY line.happened_at DESC, line.id DESC LIMIT :limit
        """,
        kinds=list(PARTNER_KINDS),
        limit=limit,
    )


def lines(tx: Tx, kind: str | None, after: Position | None, limit: int) -> list[FeedLine]:
    """Lines of the feed of a kind, or of any, after a position, newest first. The id of a position holds the number."""
    return tx.all(
        FeedLine,
        """
        SELECT CAST(id AS text) AS id, kind, text, code, params, amount, happened_at FROM feed_items
        WHERE (CAST(:kind AS text) IS NULL OR kind = :kind)
          AND (CAST(:at AS timestamptz) IS NULL OR (happened_at, feed_items.id) < (:at, CAST(:id AS bigint)))
        ORDER BY happened_at DESC, feed_items.id DESC LIMIT :limit
        """,
        kind=kind,
        at=after.at if after else None,
        id=after.id.int if after else None,
        limit=limit,
    )
