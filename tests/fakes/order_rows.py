"""Puts orders and ages into place as rows, without the API and without a provider."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from shared import clock, db
from shared.credentials import vault
from shared.db import Tx
from shared.orders import addresses
from shared.orders.addresses import Doorstep
from shared.values.money import Usdt
from tests import factories

PRICE = Usdt.of("4.99")
SHIPPING = Usdt.of("2.99")
TAX = Usdt.of("0.41")
MINT, COFFEE = "MINTICE-6", "COFFEE-3"
AT_HOME = Doorstep("Ann Example", "1 Main Street", "", "Springfield")


@dataclass(frozen=True)
class Placed:
    """An order as it was placed, with its payment."""

    id: UUID
    member_id: UUID
    payment_id: UUID
    total: Usdt


def count_stock(tins: int, sku: str = MINT) -> None:
    """Count so many tins of a product in the warehouse."""

    def work(tx: Tx, admin: UUID, now: datetime) -> None:
        tx.run(
            """
            INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, counted_by, reason)
            VALUES (:sku, 'count', :tins, :now, :now, :admin, 'counted for a test')
            """,
            sku=sku, tins=tins, now=now, admin=admin,
        )  # fmt: skip

    db.atomically(work, factories.member().id, clock.now())


def accept_age(member_id: UUID, *, status: str = "accepted", for_hours: int = 24) -> UUID:
    """An age check of the member, decided now."""

    def work(tx: Tx, now: datetime) -> UUID:
        check = uuid4()
        tx.run(
            """
            INSERT INTO age_checks (id, member_id, status, reference, recorded_at, decided_at, valid_until)
            VALUES (:id, :member_id, :status, :reference, :now, :now, :until)
            """,
            id=check, member_id=member_id, status=status, reference=str(check), now=now,
            until=now + timedelta(hours=for_hours) if status == "accepted" else None,
        )  # fmt: skip
        return check

    return db.atomically(work, clock.now())


def place(
    member_id: UUID | None = None, items: Mapping[str, int] | None = None, *, card: str = "ok", lives: int = 30
) -> Placed:
    """An order of a member, placed now, as `POST /v1/orders/create` leaves it; it expires in `lives` minutes."""
    buyer = member_id or factories.member().id
    return db.atomically(lambda tx: placed(tx, buyer, items or {MINT: 2}, card, clock.now(), lives))


def placed(tx: Tx, member_id: UUID, items: Mapping[str, int], card: str, now: datetime, lives: int) -> Placed:
    """The rows of a whole order, in one transaction; each line bears an equal tax."""
    order, payment, cart = uuid4(), uuid4(), uuid4()
    tins, lines = sum(items.values()), len(items)
    subtotal, tax = PRICE * tins, TAX * lines
    total = subtotal + SHIPPING + tax
    tx.run(
        """
        INSERT INTO carts (id, member_id, status, created_at, changed_at, ordered_at)
        VALUES (:id, :member_id, 'ordered', :now, :now, :now)
        """,
        id=cart, member_id=member_id, now=now,
    )  # fmt: skip
    tx.run(
        """
        INSERT INTO orders (id, member_id, cart_id, state_at, placed_at, expires_at, tins, subtotal, shipping_cost,
                            shipping_tax, tax_amount, total_amount, cost_per_tin, tax_quote_id, tax_breakdown, address,
                            ship_state, ship_zip, doorstep)
        VALUES (:id, :member_id, :cart, :now, :now, :until, :tins, :subtotal, :shipping, 0, :tax, :total, :cost, :quote,
                '[]', :address, 'IL', '62704', :doorstep)
        """,
        id=order, member_id=member_id, cart=cart, now=now, until=now + timedelta(minutes=lives), tins=tins,
        subtotal=subtotal, shipping=SHIPPING, tax=tax, total=total, cost=Usdt.of("2.00"), quote=uuid4(),
        address=addresses.seal(tx, order, AT_HOME), doorstep=os.urandom(32),
    )  # fmt: skip
    for sku, quantity in sorted(items.items()):
        tx.run(
            """
            INSERT INTO order_items (order_id, sku, product_name, quantity, unit_price, line_total, tax)
            SELECT :order, sku, name, :quantity, :price, :total, :tax FROM products WHERE sku = :sku
            """,
            order=order, sku=sku, quantity=quantity, price=PRICE, total=PRICE * quantity, tax=TAX,
        )  # fmt: skip
    tx.run(
        """
        INSERT INTO payments (id, order_id, provider, amount, token, created_at)
        VALUES (:id, :order, 'card', :amount, :token, :now)
        """,
        id=payment, order=order, amount=total, token=vault.seal(tx, card.encode(), f"payments:{payment}"), now=now,
    )  # fmt: skip
    promise(tx, order, now)
    return Placed(order, member_id, payment, total)


def promise(tx: Tx, order_id: UUID, now: datetime) -> None:
    """Promise an order all tins of its lines."""
    tx.run(
        """
        INSERT INTO stock_moves (sku, kind, quantity, order_id, moved_at, recorded_at)
        SELECT sku, 'promise', quantity, order_id, :now, :now FROM order_items WHERE order_id = :order ORDER BY sku
        """,
        order=order_id,
        now=now,
    )


@dataclass(frozen=True)
class Standing:
    """An order, its last payment and its operations, as a test compares them."""

    state: str
    payment: str
    operations: list[str]


@dataclass(frozen=True)
class _States:
    state: str
    payment: str


def standing(order_id: UUID) -> Standing:
    """The order now; operations are `kind status`, in the order in which they were recorded."""

    def work(tx: Tx) -> Standing:
        found = tx.one(
            _States,
            """
            SELECT o.state, p.state AS payment FROM orders o JOIN payments p ON p.order_id = o.id
            WHERE o.id = :id ORDER BY p.created_at DESC LIMIT 1
            """,
            id=order_id,
        )
        operations = tx.column(
            str,
            """
            SELECT kind || ' ' || status FROM payment_operations o JOIN payments p ON p.id = o.payment_id
            WHERE p.order_id = :id ORDER BY o.recorded_at, o.kind
            """,
            id=order_id,
        )
        return Standing(found.state, found.payment, operations)

    return db.atomically(work)


def balances() -> Mapping[str, Usdt]:
    """The balance of each account of the shop that is not zero."""

    def work(tx: Tx) -> Mapping[str, Usdt]:
        told = tx.scalar(
            str,
            """
            SELECT coalesce(json_object_agg(account, sum), '{}')::text FROM (
                SELECT account, sum(balance) FROM ledger_balances
                WHERE account LIKE '%:shop' OR account IN ('takings:card', 'owed:refunds')
                GROUP BY account HAVING sum(balance) <> 0) b
            """,
        )
        return {account: Usdt(int(amount)) for account, amount in json.loads(told).items()}

    return db.atomically(work)


def stock(sku: str = MINT) -> tuple[int, int]:
    """What lies there and what is promised of a product."""

    def work(tx: Tx) -> tuple[int, int]:
        found = tx.scalar(str, "SELECT on_hand || ' ' || promised FROM stock WHERE sku = :sku", sku=sku)
        on_hand, promised = map(int, found.split())
        return on_hand, promised

    return db.atomically(work)
