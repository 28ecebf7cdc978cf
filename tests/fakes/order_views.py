"""An order as tests of its machine place it and look at it: its state, its payment, the ledger and the stock."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from shared import clock, db
from shared.db import Tx
from shared.orders.addresses import DeliveryAddress
from shared.values.money import Usdt
from tests import factories
from tests.factories import Somebody
from tests.fakes import order_rows
from tests.fakes.order_driver import OrderDriver
from tests.fakes.shop_client import MINT


@dataclass(frozen=True)
class Placed:
    """An order as it was placed, with its payment."""

    id: UUID
    member_id: UUID
    payment_id: UUID
    total: Usdt


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
    member: Somebody | None = None,
    tins: Mapping[str, int] | None = None,
    *,
    card: str = "ok",
    address: DeliveryAddress = order_rows.HOME,
) -> Placed:
    """An order of a member, of two tins unless others are named, placed now."""
    order_id = order_rows.placed(
        member or factories.member(), tins or {MINT: 2}, card=card, address=address, at=clock.now()
    )

    def work(tx: Tx) -> Placed:
        return tx.one(
            Placed,
            """
            SELECT o.id, o.member_id, p.id AS payment_id, o.total_amount AS total
            FROM orders o JOIN payments p ON p.order_id = o.id WHERE o.id = :id
            """,
            id=order_id,
        )

    return db.atomically(work)


def of_age(member: Somebody | None = None, tins: Mapping[str, int] | None = None, *, card: str = "ok") -> Placed:
    """An order as `place` makes it, of a member whose age was checked."""
    placed = place(member, tins, card=card)
    accept_age(placed.member_id)
    return placed


def bought(
    orders: OrderDriver, member: Somebody | None = None, tins: Mapping[str, int] | None = None, *, card: str = "ok"
) -> Placed:
    """An order of a member whose age was checked, which has gone as far as its card lets it."""
    placed = of_age(member, tins, card=card)
    orders.begin(placed.id)
    return placed


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
    """The balance of each account of the shop that is not zero; what the pools get of it stands apart."""

    def work(tx: Tx) -> Mapping[str, Usdt]:
        told = tx.scalar(
            str,
            """
            SELECT coalesce(json_object_agg(account, sum), '{}')::text FROM (
                SELECT account, sum(balance) FROM ledger_balances
                WHERE account IN ('turnover:shop', 'shipping:shop', 'sales_tax:shop', 'takings:card', 'takings:bank',
                                  'owed:refunds')
                GROUP BY account HAVING sum(balance) <> 0) b
            """,
        )
        return {account: Usdt(int(amount)) for account, amount in json.loads(told).items()}

    return db.atomically(work)


def stock(sku: str = MINT) -> tuple[int, int]:
    """Return how many tins of a product lie there, and how many of them are promised."""

    def work(tx: Tx) -> tuple[int, int]:
        found = tx.scalar(str, "SELECT on_hand || ' ' || promised FROM stock WHERE sku = :sku", sku=sku)
        on_hand, promised = map(int, found.split())
        return on_hand, promised

    return db.atomically(work)
