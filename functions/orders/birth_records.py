"""Records the orders of a group, each with its items, payment, task and promised tins."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from functions.orders.judge import Accepted
from shared.db import Tx
from shared.orders import addresses, card_tokens, tasks, usdt_requests
from shared.orders.addresses import DeliveryAddress
from shared.orders.usdt_requests import UsdtInstructions
from shared.values import encoding
from shared.values.money import Usdt


@dataclass(frozen=True)
class Born:
    """An order that was recorded; `skus` are those of its items, in the order in which they are shown."""

    accepted: Accepted
    number: int
    address: DeliveryAddress
    skus: Sequence[str]
    usdt: UsdtInstructions | None


@dataclass(frozen=True)
class _Numbered:
    id: UUID
    number: int


@dataclass(frozen=True)
class _Item:
    order_id: UUID
    sku: str


def record(tx: Tx, orders: Sequence[Accepted], cost_per_tin: Usdt, now: datetime) -> list[Born]:
    """Record orders as pending, all of them or none. Raises ConstraintViolated (stock_short) when tins are missing,
    UsdtNotAvailable.

    The tins are promised last, by one statement: whoever else wants them waits from there to the commit.
    """
    to = {order.id: replace(order.draft.address, recipient=order.buyer.full_name) for order in orders}
    _close_carts(tx, [order.draft.cart.id for order in orders], now)
    numbers = _insert_orders(tx, orders, addresses.seal_all(tx, to), cost_per_tin, now)
    skus = _insert_items(tx, orders)
    payments = {order.id: uuid4() for order in orders if order.payment.token}
    tokens = {payments[order.id]: order.payment.token for order in orders if order.payment.token}
    _insert_payments(tx, payments, card_tokens.seal_all(tx, tokens), now)
    awaited = _await_usdt(tx, orders, now)
    for order in orders:
        tasks.advance_soon(tx, order.id, now)
    _promise(tx, list(to), now)
    return [Born(order, numbers[order.id], to[order.id], skus[order.id], awaited.get(order.id)) for order in orders]


def _close_carts(tx: Tx, carts: Collection[UUID], now: datetime) -> None:
    tx.run_later(
        """
        UPDATE carts SET status = 'ordered', ordered_at = :now, changed_at = :now
        WHERE id = ANY(CAST(:carts AS uuid[]))
        """,
        carts=list(carts),
        now=now,
    )


def _insert_orders(
    tx: Tx, orders: Sequence[Accepted], sealed: Mapping[UUID, bytes], cost_per_tin: Usdt, now: datetime
) -> dict[UUID, int]:
    """Returns the orders' numbers by id."""
    rows = tx.all(
        _Numbered,
        """
        INSERT INTO orders (id, member_id, cart_id, state_at, placed_at, expires_at, tins, subtotal, shipping_cost,
                            shipping_tax, tax_amount, total_amount, cost_per_tin, tax_quote_id, tax_breakdown, address,
                            ship_state, ship_zip, doorstep)
        SELECT id, member_id, cart_id, :now, :now, expires_at, tins, subtotal, shipping, shipping_tax, tax, total,
               :cost, quote_id, breakdown, address, state, zip, doorstep
        FROM unnest(CAST(:ids AS uuid[]), CAST(:members AS uuid[]), CAST(:carts AS uuid[]), CAST(:tins AS integer[]),
                    CAST(:subtotals AS bigint[]), CAST(:shippings AS bigint[]), CAST(:shipping_taxes AS bigint[]),
                    CAST(:taxes AS bigint[]), CAST(:totals AS bigint[]), CAST(:quotes AS uuid[]),
                    CAST(:breakdowns AS jsonb[]), CAST(:addresses AS bytea[]), CAST(:states AS text[]),
                    CAST(:zips AS text[]), CAST(:doorsteps AS bytea[]), CAST(:ends AS timestamptz[]))
             AS given (id, member_id, cart_id, tins, subtotal, shipping, shipping_tax, tax, total, quote_id, breakdown,
                       address, state, zip, doorstep, expires_at)
        RETURNING id, number
        """,
        now=now,
        cost=cost_per_tin,
        ids=[order.id for order in orders],
        members=[order.buyer.member_id for order in orders],
        carts=[order.draft.cart.id for order in orders],
        tins=[order.draft.tins for order in orders],
        subtotals=[order.sums.subtotal.micro for order in orders],
        shippings=[order.sums.shipping.micro for order in orders],
        shipping_taxes=[order.sums.shipping_tax.micro for order in orders],
        taxes=[order.sums.tax.micro for order in orders],
        totals=[order.sums.total.micro for order in orders],
        quotes=[order.quote.id for order in orders],
        breakdowns=[encoding.dump(order.quote.breakdown).decode() for order in orders],
        addresses=[sealed[order.id] for order in orders],
        states=[order.draft.address.state for order in orders],
        zips=[order.draft.address.zip for order in orders],
        doorsteps=[order.doorstep for order in orders],
        ends=[order.expires_at for order in orders],
    )
    return {row.id: row.number for row in rows}


def _insert_items(tx: Tx, orders: Sequence[Accepted]) -> dict[UUID, list[str]]:
    """Record what is ordered, with the names, prices and taxes of now; returns the SKUs of each order, by name."""
    lines = [(order, line, order.quote.taxes) for order in orders for line in order.draft.wanted]
    rows = tx.all(
        _Item,
        """
        WITH added AS (
            INSERT INTO order_items (order_id, sku, product_name, quantity, unit_price, line_total, tax)
            SELECT order_id, sku, name, quantity, price, line, tax
            FROM unnest(CAST(:orders AS uuid[]), CAST(:skus AS text[]), CAST(:names AS text[]),
                        CAST(:quantities AS integer[]), CAST(:prices AS bigint[]), CAST(:lines AS bigint[]),
                        CAST(:taxes AS bigint[])) AS given (order_id, sku, name, quantity, price, line, tax)
            RETURNING order_id, sku, product_name
        )
        SELECT order_id, sku FROM added ORDER BY product_name, sku
        """,
        orders=[order.id for order, _, _ in lines],
        skus=[line.sku for _, line, _ in lines],
        names=[order.draft.names[line.sku] for order, line, _ in lines],
        quantities=[line.quantity for _, line, _ in lines],
        prices=[line.price.micro for _, line, _ in lines],
        lines=[line.amount.micro for _, line, _ in lines],
        taxes=[taxes[line.sku].micro for _, line, taxes in lines],
    )
    found: dict[UUID, list[str]] = {order.id: [] for order in orders}
    for row in rows:
        found[row.order_id].append(row.sku)
    return found


def _insert_payments(tx: Tx, payments: Mapping[UUID, UUID], tokens: Mapping[UUID, bytes], now: datetime) -> None:
    """Record a payment of its total for each order, by a card whose token is sealed."""
    tx.run_later(
        """
        INSERT INTO payments (id, order_id, provider, amount, token, created_at)
        SELECT given.id, orders.id, 'card', total_amount, given.token, :now
        FROM unnest(CAST(:ids AS uuid[]), CAST(:orders AS uuid[]), CAST(:tokens AS bytea[]))
             AS given (id, order_id, token)
        JOIN orders ON orders.id = given.order_id
        """,
        ids=list(payments.values()),
        orders=list(payments),
        tokens=[tokens[payment_id] for payment_id in payments.values()],
        now=now,
    )


def _await_usdt(tx: Tx, orders: Sequence[Accepted], now: datetime) -> dict[UUID, UsdtInstructions]:
    """Record payments in USDT; returns by order what their buyers are asked to send. Raises UsdtNotAvailable."""
    wallets = {order.id: order.refund_to for order in orders if order.refund_to}
    if not wallets:
        return {}
    usdt_requests.insert(tx, wallets, now)
    ends = {order.id: order.expires_at for order in orders}
    asked = {order_id: usdt_requests.instructions(tx, order_id, ends[order_id]) for order_id in wallets}
    return {order_id: found for order_id, found in asked.items() if found}


def _promise(tx: Tx, orders: Collection[UUID], now: datetime) -> None:
    """Promise the orders their tins. Raises ConstraintViolated (stock_short) when fewer are left."""
    tx.run(
        """
        INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, order_id)
        SELECT sku, 'promise', quantity, :now, :now, order_id
        FROM order_items WHERE order_id = ANY(CAST(:orders AS uuid[]))
        """,
        orders=list(orders),
        now=now,
    )
