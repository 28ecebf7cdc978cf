"""Wholesale orders as rows, for admins."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.orders.states import OrderState
from shared.values.money import Usdt
from shared.values.states import PaymentProvider, PaymentStatus
from shared.web.paging import Position


@dataclass(frozen=True)
class Wanted:
    """Conditions for orders; None means no condition."""

    account_id: UUID | None
    state: OrderState | None
    payment: PaymentStatus | None


@dataclass(frozen=True)
class ListedOrder:
    """An order in the list, with its newest payment, which is the only one that may have paid. What names an invoice is
    None if that payment is by card, `company_name` once the account was erased.
    """

    id: UUID
    number: int
    state: OrderState
    tins: int
    total: Usdt
    provider: PaymentProvider
    payment: PaymentStatus
    invoice_number: str | None
    due_at: datetime | None
    is_overdue: bool
    cancel_wanted: bool
    placed_at: datetime
    account_id: UUID
    account_number: str
    company_name: str | None


def orders(tx: Tx, wanted: Wanted, now: datetime, *, after: Position | None, limit: int) -> list[ListedOrder]:
    """Wholesale orders that match every condition after a position, newest first. An invoice is overdue from the moment
    at which it is due until it is paid, or its order ends.
    """
    return tx.all(
        ListedOrder,
        """
        SELECT o.id, o.number, o.state, o.tins, o.total_amount AS total, newest.provider, paid.status AS payment,
               invoice.number AS invoice_number, invoice.due_at,
               coalesce(newest.state = 'pending' AND invoice.due_at <= :now, false) AS is_overdue,
               o.cancel_wanted_at IS NOT NULL AND o.cancel_refused_at IS NULL AS cancel_wanted,
               o.placed_at, o.account_id, account.number AS account_number, account.company_name
        FROM orders o JOIN wholesale_accounts account ON account.id = o.account_id
        CROSS JOIN LATERAL order_paid(o.id) paid
        CROSS JOIN LATERAL (SELECT id, provider, state FROM payments WHERE order_id = o.id
                            ORDER BY created_at DESC, id DESC LIMIT 1) newest
        LEFT JOIN invoices invoice ON invoice.payment_id = newest.id
        WHERE o.account_id IS NOT NULL
          AND (CAST(:account_id AS uuid) IS NULL OR o.account_id = :account_id)
          AND (CAST(:state AS order_state) IS NULL OR o.state = CAST(:state AS order_state))
          AND (CAST(:payment AS text) IS NULL OR paid.status = :payment)
          AND (CAST(:at AS timestamptz) IS NULL OR (o.placed_at, o.id) < (:at, CAST(:id AS uuid)))
        ORDER BY o.placed_at DESC, o.id DESC LIMIT :limit
        """,
        now=now,
        account_id=wanted.account_id,
        state=wanted.state,
        payment=wanted.payment,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )
