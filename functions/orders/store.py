"""The rows that a checkout reads and writes: quotes, carts, orders, payments, promises of stock.

Locks are taken in this order: the cart, the door, the order, and the stock last, because others wait for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.orders.rules import Bought, Sums, Wanted
from shared.db import Tx
from shared.orders.carts import Cart
from shared.orders.states import OrderState
from shared.ports.tax import TaxQuote
from shared.values import encoding
from shared.values.money import Usdt
from shared.values.states import PaymentState


@dataclass(frozen=True)
class Quote:
    """A tax quote; `lines` are micro-dollars by SKU, `shipping` is the part of the tax that is for shipping."""

    id: UUID
    tax: Usdt
    shipping: Usdt
    lines: Mapping[str, int]
    breakdown: Sequence[Mapping[str, str | int]]
    expires_at: datetime

    @property
    def taxes(self) -> dict[str, Usdt]:
        """The tax of each product."""
        return {sku: Usdt(micro) for sku, micro in self.lines.items()}


@dataclass(frozen=True)
class Left:
    """The tins that are left of a product."""

    sku: str
    left: int


@dataclass(frozen=True)
class NewOrder:
    """The terms of an order; address and doorstep are sealed and fingerprinted."""

    id: UUID
    member_id: UUID
    cart_id: UUID
    tins: int
    sums: Sums
    cost_per_tin: Usdt
    quote: Quote
    address: bytes
    state: str
    zip: str
    doorstep: bytes
    placed_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Standing:
    """An order as far as paying and cancelling ask: its state and that of its newest payment."""

    id: UUID
    state: OrderState
    expires_at: datetime
    cancel_wanted_at: datetime | None
    last_payment: PaymentState | None
    declines: int


def full_name(tx: Tx, member_id: UUID) -> str:
    """The member's name, to whom the parcel is addressed."""
    return tx.scalar(str, "SELECT full_name FROM members WHERE id = :id", id=member_id)


def quote(tx: Tx, member_id: UUID, basis: bytes, now: datetime) -> Quote | None:
    """The newest unexpired quote of the member's for a basis."""
    return tx.first(
        Quote,
        """
        SELECT id, tax, shipping, lines, breakdown, expires_at FROM tax_quotes
        WHERE member_id = :member_id AND basis = :basis AND expires_at > :now
        ORDER BY expires_at DESC, id LIMIT 1
        """,
        member_id=member_id,
        basis=basis,
        now=now,
    )


def keep_quote(
    tx: Tx, quote_id: UUID, member_id: UUID, basis: bytes, *, found: TaxQuote, now: datetime, expires_at: datetime
) -> None:
    """Keep what the tax service has answered."""
    tx.run(
        """
        INSERT INTO tax_quotes (id, member_id, basis, tax, shipping, lines, breakdown, quoted_at, expires_at)
        VALUES (:id, :member_id, :basis, :tax, :shipping, CAST(:lines AS jsonb), CAST(:breakdown AS jsonb), :now,
                :expires_at)
        """,
        id=quote_id,
        member_id=member_id,
        basis=basis,
        tax=found.tax,
        shipping=found.shipping_tax,
        lines=encoding.dump({sku: tax.micro for sku, tax in found.lines.items()}).decode(),
        breakdown=encoding.dump(
            [{"name": part.name, "rate": f"{part.rate:f}", "amount": part.amount.micro} for part in found.breakdown]
        ).decode(),
        now=now,
        expires_at=expires_at,
    )


def lock_cart(tx: Tx, member_id: UUID) -> Cart | None:
    """Lock the member's open cart; None if there is none, or somebody has just ordered it."""
    return tx.first(
        Cart,
        """
        SELECT id, revision FROM carts WHERE member_id = :member_id AND status = 'open' FOR NO KEY UPDATE
        """,
        member_id=member_id,
    )


def close_cart(tx: Tx, cart_id: UUID, now: datetime) -> None:
    """Close a cart that becomes an order."""
    tx.run(
        "UPDATE carts SET status = 'ordered', ordered_at = :now, changed_at = :now WHERE id = :id", id=cart_id, now=now
    )


def order_of_cart(tx: Tx, member_id: UUID, cart_id: UUID | None) -> UUID | None:
    """The order that a cart of the member's has become; of no cart in particular the newest order."""
    return tx.scalar_or_none(
        UUID,
        """
        SELECT id FROM orders
        WHERE member_id = :member_id AND cart_id = coalesce(CAST(:cart_id AS uuid), cart_id)
        ORDER BY placed_at DESC, id DESC LIMIT 1
        """,
        member_id=member_id,
        cart_id=cart_id,
    )


def lock_door(tx: Tx, doorstep: bytes) -> None:
    """Lock a door: until the commit, no other order to it is counted or placed."""
    tx.run_later("SELECT pg_advisory_xact_lock(hashtextextended(:doorstep, 0))", doorstep=doorstep.hex())


def bought(tx: Tx, member_id: UUID, doorstep: bytes, since: datetime) -> Bought:
    """The purchases that count against the limits, of orders that were not cancelled."""
    return tx.one(
        Bought,
        """
        SELECT (SELECT CAST(count(*) AS integer) FROM orders
                WHERE member_id = :member_id AND order_is_unpaid(state)) AS unpaid,
               (SELECT CAST(coalesce(sum(tins), 0) AS integer) FROM orders
                WHERE member_id = :member_id AND placed_at > :since AND state <> 'cancelled') AS tins_of_member,
               (SELECT CAST(coalesce(sum(tins), 0) AS integer) FROM orders
                WHERE doorstep = :doorstep AND placed_at > :since AND state <> 'cancelled') AS tins_of_door
        """,
        member_id=member_id,
        doorstep=doorstep,
        since=since,
    )


def placed_since(tx: Tx, member_id: UUID, since: datetime) -> list[datetime]:
    """When the member has placed orders, from a moment on, oldest first."""
    return tx.column(
        datetime,
        "SELECT placed_at FROM orders WHERE member_id = :member_id AND placed_at > :since ORDER BY placed_at",
        member_id=member_id,
        since=since,
    )


def declines_since(tx: Tx, member_id: UUID, since: datetime) -> int:
    """How often a card of the member's was declined, from a moment on."""
    return tx.scalar(
        int,
        """
        SELECT CAST(count(*) AS integer) AS declines
        FROM orders JOIN payments ON payments.order_id = orders.id
        JOIN payment_operations operation ON operation.payment_id = payments.id
        WHERE orders.member_id = :member_id AND operation.kind = 'authorize' AND operation.status = 'failed'
          AND operation.evidence <> 'never_sent' AND operation.answered_at >= :since
        """,
        member_id=member_id,
        since=since,
    )


def insert_order(tx: Tx, order: NewOrder) -> None:
    """Record an order as pending."""
    tx.run(
        """
        INSERT INTO orders (id, member_id, cart_id, state_at, placed_at, expires_at, tins, subtotal, shipping_cost,
                            shipping_tax, tax_amount, total_amount, cost_per_tin, tax_quote_id, tax_breakdown, address,
                            ship_state, ship_zip, doorstep)
        VALUES (:id, :member_id, :cart_id, :now, :now, :expires_at, :tins, :subtotal, :shipping, :shipping_tax, :tax,
                :total, :cost, :quote_id, CAST(:breakdown AS jsonb), :address, :state, :zip, :doorstep)
        """,
        id=order.id,
        member_id=order.member_id,
        cart_id=order.cart_id,
        now=order.placed_at,
        expires_at=order.expires_at,
        tins=order.tins,
        subtotal=order.sums.subtotal,
        shipping=order.sums.shipping,
        shipping_tax=order.sums.shipping_tax,
        tax=order.sums.tax,
        total=order.sums.total,
        cost=order.cost_per_tin,
        quote_id=order.quote.id,
        breakdown=encoding.dump(order.quote.breakdown).decode(),
        address=order.address,
        state=order.state,
        zip=order.zip,
        doorstep=order.doorstep,
    )


def insert_items(
    tx: Tx, order_id: UUID, wanted: Sequence[Wanted], names: Mapping[str, str], taxes: Mapping[str, Usdt]
) -> None:
    """Record what is ordered, with the names, prices and taxes of now."""
    tx.run(
        """
        INSERT INTO order_items (order_id, sku, product_name, quantity, unit_price, line_total, tax)
        SELECT :order_id, sku, name, quantity, price, line, tax
        FROM unnest(CAST(:skus AS text[]), CAST(:names AS text[]), CAST(:quantities AS integer[]),
                    CAST(:prices AS bigint[]), CAST(:lines AS bigint[]), CAST(:taxes AS bigint[]))
             AS given (sku, name, quantity, price, line, tax)
        """,
        order_id=order_id,
        skus=[line.sku for line in wanted],
        names=[names[line.sku] for line in wanted],
        quantities=[line.quantity for line in wanted],
        prices=[line.price.micro for line in wanted],
        lines=[line.amount.micro for line in wanted],
        taxes=[taxes[line.sku].micro for line in wanted],
    )


def insert_payment(tx: Tx, payment_id: UUID, order_id: UUID, token: bytes, now: datetime) -> None:
    """Record a payment of the order's total by a card, whose token is sealed. Raises ConstraintViolated
    (payments_live) when another one may still pay.
    """
    tx.run(
        """
        INSERT INTO payments (id, order_id, provider, amount, token, created_at)
        SELECT :id, id, 'card', total_amount, :token, :now FROM orders WHERE id = :order_id
        """,
        id=payment_id,
        order_id=order_id,
        token=token,
        now=now,
    )


def prolong(tx: Tx, order_id: UUID, until: datetime) -> None:
    """Give the order time until then, unless it has more."""
    tx.run(
        "UPDATE orders SET expires_at = greatest(expires_at, CAST(:until AS timestamptz)) WHERE id = :id",
        until=until,
        id=order_id,
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


def left(tx: Tx, skus: Sequence[str]) -> list[Left]:
    """The tins that can be sold of each product."""
    return tx.all(
        Left,
        "SELECT sku, sellable AS left FROM stock WHERE sku = ANY(CAST(:skus AS text[])) ORDER BY sku",
        skus=list(skus),
    )


def lock_order(tx: Tx, member_id: UUID, order_id: UUID) -> Standing | None:
    """Lock an order of the member's; None if it is somebody else's, or there is none."""
    found = tx.run(
        "SELECT FROM orders WHERE id = :id AND member_id = :member_id FOR NO KEY UPDATE",
        id=order_id,
        member_id=member_id,
    )
    return _standing(tx, order_id) if found else None


def _standing(tx: Tx, order_id: UUID) -> Standing:
    return tx.one(
        Standing,
        """
        SELECT orders.id, orders.state, expires_at, cancel_wanted_at,
               (SELECT state FROM payments WHERE order_id = orders.id ORDER BY created_at DESC, id DESC LIMIT 1)
                   AS last_payment,
               (SELECT CAST(count(*) AS integer) FROM payments WHERE order_id = orders.id AND state = 'failed')
                   AS declines
        FROM orders WHERE id = :id
        """,
        id=order_id,
    )
