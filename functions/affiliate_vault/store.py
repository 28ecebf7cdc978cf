"""Lots that have ended, or will soon, as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.affiliate_vault import rules
from shared.db import Tx


@dataclass(frozen=True)
class Warned:
    """How many chips of an affiliate end soon, and when the first of them do."""

    affiliate_id: UUID
    chips: int
    first_at: datetime


def expire(tx: Tx, now: datetime) -> bool:
    """Record that what is left of the next lots has expired; False if no lot has ended that nobody else has locked.

    They were good until their end, and no longer, whenever this runs: the move has the time of the end.
    """
    return bool(
        tx.run(
            """
            WITH ended AS MATERIALIZED (
                SELECT id, affiliate_id, left_chips, expires_at FROM vault_lots
                WHERE left_chips > 0 AND expires_at <= :now
                ORDER BY expires_at, id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
            )
            INSERT INTO vault_moves (affiliate_id, lot_id, kind, chips, happened_at)
            SELECT affiliate_id, id, 'expire', left_chips, expires_at FROM ended
            """,
            now=now,
            limit=rules.PORTION,
        )
    )


def unwarned(tx: Tx, after: UUID, now: datetime) -> list[UUID]:
    """The next members, by their ids, who have lots that they must be told of and have not been."""
    first, second = rules.told_before(now)
    return tx.column(
        UUID,
        """
        SELECT DISTINCT affiliate_id FROM vault_lots JOIN members ON members.id = affiliate_id
        WHERE left_chips > 0 AND expires_at > :now AND expires_at < :first AND affiliate_id > CAST(:after AS uuid)
          AND members.status <> 'deleted'
          AND NOT EXISTS (SELECT FROM vault_warnings w WHERE w.lot_id = vault_lots.id
                          AND w.days <= CASE WHEN expires_at < :second THEN 7 ELSE 30 END)
        ORDER BY affiliate_id LIMIT :limit
        """,
        now=now,
        after=after,
        first=first,
        second=second,
        limit=rules.PORTION,
    )


def note_warned(tx: Tx, people: Sequence[UUID], now: datetime) -> list[Warned]:
    """Note that these members are told of all their lots that end soon; returns what nobody has told them of before."""
    first, second = rules.told_before(now)
    return tx.all(
        Warned,
        """
        WITH noted AS (
            INSERT INTO vault_warnings (lot_id, days, warned_at)
            SELECT id, CASE WHEN expires_at < :second THEN 7 ELSE 30 END, :now FROM vault_lots
            WHERE affiliate_id = ANY(CAST(:people AS uuid[])) AND left_chips > 0 AND expires_at > :now
              AND expires_at < :first
            ORDER BY id
            ON CONFLICT DO NOTHING
            RETURNING lot_id
        )
        SELECT affiliate_id, CAST(sum(left_chips) AS bigint) AS chips, min(expires_at) AS first_at
        FROM noted JOIN vault_lots ON vault_lots.id = lot_id GROUP BY affiliate_id
        """,
        people=list(people),
        now=now,
        first=first,
        second=second,
    )
