"""Payouts of affiliates that people have agreed to, as members and admins see them."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from shared.db import Tx
from shared.values.money import Usdt
from shared.web.paging import Position

PayoutShown = Literal["requested", "sent", "paid", "cancelled"]


@dataclass(frozen=True)
class MadePayout:
    """A payout that people have agreed to."""

    id: UUID
    week_on: date | None
    amount: Usdt
    state: PayoutShown
    address: str
    made_at: datetime
    state_at: datetime
    transaction_hash: str | None


def made(tx: Tx, affiliate_id: UUID, payout_id: UUID | None, after: Position | None, limit: int) -> list[MadePayout]:
    """The affiliate's payouts after a position, or a single one, newest first."""
    return tx.all(
        MadePayout,
        """
        SELECT a.id, a.week_on, a.amount,
               CASE WHEN a.state = 'requested' AND p.state = 'IN_FLIGHT' THEN 'sent' ELSE a.state END AS state,
               a.address, a.made_at, a.state_at, p.transaction_hash
        FROM affiliate_payouts a JOIN payouts p ON p.id = a.payout_id
        WHERE a.affiliate_id = :affiliate_id AND (CAST(:payout_id AS uuid) IS NULL OR a.id = :payout_id)
          AND (CAST(:at AS timestamptz) IS NULL OR (a.made_at, a.id) < (:at, CAST(:after_id AS uuid)))
        ORDER BY a.made_at DESC, a.id DESC LIMIT :limit
        """,
        affiliate_id=affiliate_id,
        payout_id=payout_id,
        at=after.at if after else None,
        after_id=after.id if after else None,
        limit=limit,
    )
