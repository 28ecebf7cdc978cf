"""The parts of an affiliate's payouts as rows."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from shared.db import Tx
from shared.values.money import Usdt

LineKind = Literal["share", "match", "reversal", "manual"]


@dataclass(frozen=True)
class Line:
    """A part of a payout, with what its amount was made of."""

    kind: LineKind
    amount: Usdt
    earned_at: datetime
    week_on: date | None
    mark: str | None
    pool: Usdt | None
    chips: int | None
    all_chips: int | None
    earning_id: UUID | None
    value: Usdt | None
    percent: int | None
    username: str | None
    reverses_id: UUID | None


def lines(tx: Tx, payout_id: UUID, limit: int) -> list[Line]:
    """Parts of a payout: shares first, then earnings, oldest first."""
    return tx.all(
        Line,
        """
        SELECT CASE WHEN l.share_week IS NOT NULL THEN 'share' WHEN e.kind = 'prize_match' THEN 'match' ELSE e.kind END
                   AS kind,
               l.amount, coalesce(e.earned_at, w.approved_at) AS earned_at, l.share_week AS week_on,
               encode(s.mark, 'hex') AS mark, w.pool, s.chips, w.chips AS all_chips, l.earning_id, e.value,
               CASE WHEN e.kind = 'prize_match' THEN e.percent END AS percent,
               CASE WHEN m.status <> 'deleted' THEN m.username END AS username, e.reverses_id
        FROM affiliate_payout_lines l
        LEFT JOIN affiliate_week_shares s ON s.week_on = l.share_week AND s.affiliate_id = l.affiliate_id
        LEFT JOIN affiliate_weeks w ON w.week_on = l.share_week
        LEFT JOIN affiliate_earnings e ON e.id = l.earning_id
        LEFT JOIN members m ON m.id = e.referred_id
        WHERE l.payout_id = :payout_id
        ORDER BY l.share_week, e.earned_at, e.id LIMIT :limit
        """,
        payout_id=payout_id,
        limit=limit,
    )


def count_lines(tx: Tx, payout_id: UUID) -> int:
    """How many parts the payout has."""
    return tx.scalar(
        int,
        "SELECT count(*) AS count FROM affiliate_payout_lines WHERE payout_id = :payout_id",
        payout_id=payout_id,
    )
