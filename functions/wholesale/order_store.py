"""The rows of a wholesale order: who buys, what is on offer, the order with its payment, and its invoice.

Locks are taken in this order: the account's orders, the order (`shared/orders/standings.py`), and the stock last,
because others wait for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.orders.sums import Sums, Wanted
from shared.orders.tax_quotes import Quote
from shared.values import encoding
from shared.values.money import Usdt


@dataclass(frozen=True)
class Buyer:
    """An account that orders."""

    account_id: UUID
    member_id: UUID
    status: str
    company_name: str
    business_address: dict[str, Any]


@dataclass(frozen=True)
class Offer:
    """A product as it is offered."""

    sku: str
    name: str
    on_sale: bool


@dataclass(frozen=True)
class NewOrder:
    """The terms of an order; the address is sealed. It has a tax quote or a certificate."""

    id: UUID
    account_id: UUID
    member_id: UUID
    tins: int
    sums: Sums
    cost_per_tin: Usdt
    quote: Quote | None
    certificate_id: UUID | None
    address: bytes
    state: str
    zip: str
    placed_at: datetime
    expires_at: datetime


def buyer(tx: Tx, member_id: UUID) -> Buyer | None:
    """The member's account; None if there is none, or it was emptied."""
    return tx.first(
        Buyer,
        """
        SELECT id AS account_id, member_id, status, company_name, business_address FROM wholesale_accounts
        WHERE member_id = :member_id AND company_name IS NOT NULL
        """,
        member_id=member_id,
    )


def certificate(tx: Tx, account_id: UUID, state: str, day: date) -> UUID | None:
    """The certificate that frees the account from that state's tax on a day (UTC)."""
    return tx.scalar_or_none(
        UUID,
        """
        SELECT resale_certificate_of(CAST(:account_id AS uuid), CAST(:state AS text), CAST(:day AS date)) AS id
        """,
        account_id=account_id,
        state=state,
        day=day,
    )


def offers(tx: Tx, skus: Sequence[str]) -> list[Offer]:
    """The products that exist, of those that are named."""
    return tx.all(
        Offer, "SELECT sku, name, on_sale FROM products WHERE sku = ANY(CAST(:skus AS text[]))", skus=list(skus)
    )


def lock_orders(tx: Tx, account_id: UUID) -> None:
    """Lock what the account orders: until the commit, no other order of it is counted or placed."""
    tx.run_later("SELECT pg_advisory_xact_lock(hashtextextended('wholesale:' || :id, 0))", id=str(account_id))


def unpaid(tx: Tx, account_id: UUID) -> Usdt:
    """The sum of the account's orders that are not paid yet."""
    return tx.scalar(
        Usdt,
        """
        SELECT CAST(coalesce(sum(total_amount), 0) AS bigint) AS unpaid FROM orders
        WHERE account_id = :account_id AND order_is_unpaid(state)
        """,
        account_id=account_id,
    )


def placed_since(tx: Tx, account_id: UUID, since: datetime) -> list[datetime]:
    """When the account has placed orders, from a moment on, oldest first."""
    return tx.column(
        datetime,
        "SELECT placed_at FROM orders WHERE account_id = :account_id AND placed_at > :since ORDER BY placed_at",
        account_id=account_id,
        since=since,
    )


def insert_order(tx: Tx, order: NewOrder) -> None:
    """Record an order as pending. Raises ConstraintViolated (order_account) when the account may not order now."""
    tx.run(
        """
        INSERT INTO orders (id, kind, account_id, member_id, state_at, placed_at, expires_at, tins, subtotal,
                            shipping_cost, shipping_tax, tax_amount, total_amount, cost_per_tin, tax_quote_id,
                            tax_breakdown, certificate_id, address, ship_state, ship_zip)
        VALUES (:id, 'wholesale', :account_id, :member_id, :now, :now, :expires_at, :tins, :subtotal, 0, 0, :tax,
                :total, :cost, :quote_id, CAST(:breakdown AS jsonb), :certificate_id, :address, :state, :zip)
        """,
        id=order.id,
        account_id=order.account_id,
        member_id=order.member_id,
        now=order.placed_at,
        expires_at=order.expires_at,
        tins=order.tins,
        subtotal=order.sums.subtotal,
        tax=order.sums.tax,
        total=order.sums.total,
        cost=order.cost_per_tin,
        quote_id=order.quote.id if order.quote else None,
        breakdown=encoding.dump(order.quote.breakdown if order.quote else []).decode(),
        certificate_id=order.certificate_id,
        address=order.address,
        state=order.state,
        zip=order.zip,
    )


def insert_items(
    tx: Tx, order_id: UUID, wanted: Sequence[Wanted], names: Mapping[str, str], taxes: Mapping[str, Usdt]
) -> None:
    """Record what is ordered, with the names, prices and taxes of now."""
    tx.run(
        """
        INSERT INTO order_items (order_id, sku, product_name, quantity, unit_price, line_total, tax)
        SELECT :order_id, sku, name, quantity, price, quantity * price, tax
        FROM unnest(CAST(:skus AS text[]), CAST(:names AS text[]), CAST(:quantities AS integer[]),
                    CAST(:prices AS bigint[]), CAST(:taxes AS bigint[])) AS given (sku, name, quantity, price, tax)
        """,
        order_id=order_id,
        skus=[line.sku for line in wanted],
        names=[names[line.sku] for line in wanted],
        quantities=[line.quantity for line in wanted],
        prices=[line.price.micro for line in wanted],
        taxes=[taxes[line.sku].micro for line in wanted],
    )


def insert_invoice(tx: Tx, payment_id: UUID, now: datetime, due_at: datetime) -> None:
    """Give a payment its invoice."""
    tx.run(
        "INSERT INTO invoices (payment_id, issued_at, due_at) VALUES (:payment_id, :now, :due_at)",
        payment_id=payment_id,
        now=now,
        due_at=due_at,
    )


def promise(tx: Tx, order_id: UUID, now: datetime) -> None:
    """Promise the order its tins. Raises ConstraintViolated (stock_short) when fewer are left."""
    tx.run(
        """
        INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, order_id)
        SELECT sku, 'promise', quantity, :now, :now, order_id FROM order_items WHERE order_id = :order_id
        """,
        order_id=order_id,
        now=now,
    )
