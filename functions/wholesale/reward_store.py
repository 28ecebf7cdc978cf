"""The sums of a wholesale account, its chips, milestones and comps, as rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Money, Reply
from shared.web.paging import Position


class WholesaleTotals(Reply):
    """The account's orders that were paid and not cancelled, the tins that were sent of them, their cost less what was
    paid back, and its chips now.
    """

    orders: int
    tins: int
    spent: Money
    chips: int


class WholesaleMilestone(Reply):
    """A number of chips from which on people may award a comp of `value` at most; `reached_at` is null until then."""

    chips: int
    value: Money
    reached_at: datetime | None


class WholesaleComp(Reply):
    """A comp that people have awarded, and the transaction that paid it."""

    id: UUID
    amount: Money
    awarded_at: datetime
    status: Literal["pending", "paid", "cancelled"]
    transaction_hash: str | None


class WholesaleChips(Reply):
    """Chips that an order has brought; a refund took back those that are negative."""

    id: UUID
    order_id: UUID
    order_number: str
    chips: int
    is_refund: bool
    earned_at: datetime


@dataclass(frozen=True)
class ChipsRow:
    """Chips with the number of their order."""

    id: UUID
    order_id: UUID
    number: int
    placed_at: datetime
    chips: int
    is_refund: bool
    earned_at: datetime


def totals(tx: Tx, account_id: UUID) -> WholesaleTotals:
    """The sums of the account."""
    return tx.one(
        WholesaleTotals,
        """
        SELECT CAST(count(*) AS integer) AS orders,
               CAST(coalesce(sum((SELECT sum(shipped) FROM order_items WHERE order_id = o.id)), 0) AS integer) AS tins,
               CAST(coalesce(sum(o.total_amount - (SELECT coalesce(sum(r.amount), 0) FROM refunds r
                                                   WHERE r.order_id = o.id)), 0) AS bigint) AS spent,
               (SELECT CAST(coalesce(sum(chips), 0) AS integer) FROM wholesale_chips WHERE account_id = :account_id)
                   AS chips
        FROM orders o WHERE o.account_id = :account_id AND o.confirmed_at IS NOT NULL AND o.state <> 'cancelled'
        """,
        account_id=account_id,
    )


def milestones(tx: Tx, account_id: UUID) -> list[WholesaleMilestone]:
    """The milestones that the account has reached, as they were then, and those of today that are to come."""
    return tx.all(
        WholesaleMilestone,
        """
        SELECT chips, value, reached_at FROM wholesale_milestones WHERE account_id = :account_id
        UNION ALL
        SELECT CAST(step ->> 'chips' AS integer), CAST(CAST(step ->> 'value' AS numeric) * 1000000 AS bigint), NULL
        FROM settings CROSS JOIN LATERAL jsonb_array_elements(value) AS step
        WHERE name = 'wholesale_milestones'
          AND CAST(step ->> 'chips' AS integer) NOT IN
              (SELECT chips FROM wholesale_milestones WHERE account_id = :account_id)
        ORDER BY 1
        """,
        account_id=account_id,
    )


def comps(tx: Tx, account_id: UUID) -> list[WholesaleComp]:
    """The comps that the account was awarded, newest first."""
    return tx.all(
        WholesaleComp,
        """
        SELECT comp.id, comp.amount, comp.awarded_at,
               CASE payouts.state WHEN 'PAID' THEN 'paid' WHEN 'CANCELLED' THEN 'cancelled' ELSE 'pending' END
                   AS status,
               payouts.transaction_hash
        FROM wholesale_comps comp
        JOIN payouts ON source_kind = 'wholesale_comp' AND source_id = CAST(comp.id AS text)
        WHERE comp.account_id = :account_id ORDER BY comp.awarded_at DESC, comp.id DESC
        """,
        account_id=account_id,
    )


def chips(tx: Tx, member_id: UUID, after: Position | None, limit: int) -> list[ChipsRow]:
    """The chips of the member's account after a position, newest first."""
    return tx.all(
        ChipsRow,
        """
        SELECT c.id, c.order_id, o.number, o.placed_at, c.chips, c.refund_id IS NOT NULL AS is_refund, c.earned_at
        FROM wholesale_chips c JOIN orders o ON o.id = c.order_id
        WHERE c.account_id = (SELECT id FROM wholesale_accounts WHERE member_id = :member_id)
          AND (CAST(:at AS timestamptz) IS NULL OR (c.earned_at, c.id) < (:at, CAST(:id AS uuid)))
        ORDER BY c.earned_at DESC, c.id DESC LIMIT :limit
        """,
        member_id=member_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )
