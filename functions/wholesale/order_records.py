"""Wholesale orders as rows, for the member whose account they are of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.wholesale.order_models import InvoiceReference
from shared.db import Tx
from shared.orders.states import OrderState
from shared.values.money import Usdt
from shared.web.paging import Position


@dataclass(frozen=True)
class OrderRow:
    """An order as it is stored."""

    id: UUID
    number: int
    state: OrderState
    placed_at: datetime
    expires_at: datetime
    confirmed_at: datetime | None
    cancel_wanted_at: datetime | None
    cancel_refused_at: datetime | None
    tins: int
    subtotal: Usdt
    tax_amount: Usdt
    total_amount: Usdt
    tax_breakdown: Sequence[Mapping[str, str | int]]
    certificate_id: UUID | None
    address: bytes | None


@dataclass(frozen=True)
class Summary:
    """An order in the list."""

    id: UUID
    number: int
    state: OrderState
    tins: int
    total: Usdt
    placed_at: datetime


def summaries(tx: Tx, member_id: UUID, after: Position | None, limit: int) -> list[Summary]:
    """The orders of the member's account after a position, newest first."""
    return tx.all(
        Summary,
        """
        SELECT id, number, state, tins, total_amount AS total, placed_at FROM orders
        WHERE account_id = (SELECT id FROM wholesale_accounts WHERE member_id = :member_id)
          AND (CAST(:at AS timestamptz) IS NULL OR (placed_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY placed_at DESC, id DESC LIMIT :limit
        """,
        member_id=member_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def order(tx: Tx, member_id: UUID, order_id: UUID) -> OrderRow | None:
    """The order of the member's account; None if it is none of theirs."""
    return tx.first(
        OrderRow,
        """
        SELECT id, number, state, placed_at, expires_at, confirmed_at, cancel_wanted_at, cancel_refused_at, tins,
               subtotal, tax_amount, total_amount, tax_breakdown, certificate_id, address
        FROM orders WHERE id = :id AND member_id = :member_id AND kind = 'wholesale'
        """,
        id=order_id,
        member_id=member_id,
    )


def invoice(tx: Tx, order_id: UUID) -> InvoiceReference | None:
    """The invoice of an order; None if it is paid by card."""
    return tx.first(
        InvoiceReference,
        """
        SELECT number, issued_at, due_at FROM invoices JOIN payments ON payments.id = payment_id
        WHERE order_id = :order_id
        """,
        order_id=order_id,
    )
