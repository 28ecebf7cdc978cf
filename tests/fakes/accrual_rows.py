"""Orders that are paid and paid back in parts, and what the pools have of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

from functions.sale_accrue import main
from shared import clock, db
from shared.db import Tx
from shared.ledger import journals
from shared.values.money import ZERO, Usdt
from tests import factories
from tests.fakes import order_rows
from tests.fakes.shop_client import MINT


@dataclass(frozen=True)
class Paid:
    """A paid order with its payment."""

    id: UUID
    payment_id: UUID


@dataclass(frozen=True)
class Left:
    """An order's charges that were not refunded."""

    goods: Usdt
    shipping: Usdt
    tax: Usdt


def paid(tins: int = 2, cost: Usdt = order_rows.COST_PER_TIN) -> Paid:
    """A paid order of a new member; its sale is booked, and nothing has accrued."""
    who = factories.member()
    order_id = order_rows.placed(who, {MINT: tins}, cost=cost, at=clock.now())
    return Paid(order_id, order_rows.paid(who, order_id))


def give_back(order: Paid, goods: Usdt | None = None) -> None:
    """Record a refund of so much of the goods; without an amount, of everything that is left of the order."""

    def work(tx: Tx) -> None:
        now, refund_id = clock.now(), uuid4()
        left = tx.one(
            Left,
            """
            SELECT o.subtotal - coalesce(sum(r.goods), 0)::bigint AS goods,
                   o.shipping_cost - coalesce(sum(r.shipping), 0)::bigint AS shipping,
                   o.tax_amount - coalesce(sum(r.tax), 0)::bigint AS tax
            FROM orders o LEFT JOIN refunds r ON r.order_id = o.id WHERE o.id = :id GROUP BY o.id
            """,
            id=order.id,
        )
        given = left if goods is None else Left(goods, ZERO, ZERO)
        amount = given.goods + given.shipping + given.tax
        tx.run(
            """
            INSERT INTO payment_operations (id, payment_id, kind, amount, recorded_at, look_at)
            VALUES (:id, :payment_id, 'refund', :amount, :now, :now)
            """,
            id=refund_id, payment_id=order.payment_id, amount=amount, now=now,
        )  # fmt: skip
        tx.run(
            """
            INSERT INTO refunds (id, order_id, goods, shipping, tax, amount, reason, recorded_at)
            VALUES (:id, :order_id, :goods, :shipping, :tax, :amount, 'cancelled', :now)
            """,
            id=refund_id, order_id=order.id, **vars(given), amount=amount, now=now,
        )  # fmt: skip
        lines = {
            "turnover:shop": given.goods,
            "shipping:shop": given.shipping,
            "sales_tax:shop": given.tax,
            "owed:refunds": -amount,
        }
        journals.post(tx, f"refund:{refund_id}", lines, now)

    db.atomically(work)


def accrue(order_id: UUID) -> None:
    """Bring the pools to what the order gives, as a task does."""
    db.atomically(main.bring_up_to_date, order_id, clock.now())


def pools() -> Mapping[str, Usdt]:
    """The balances of the pools and of what they got of the shop's profit, those that are not zero."""

    def work(tx: Tx) -> Mapping[str, Usdt]:
        told = tx.scalar(
            str,
            """
            SELECT coalesce(json_object_agg(account, sum), '{}')::text FROM (
                SELECT account, sum(balance) FROM ledger_balances
                WHERE account LIKE 'pool:%' OR account = 'profit:shop' GROUP BY account HAVING sum(balance) <> 0) b
            """,
        )
        return {account: Usdt(int(amount)) for account, amount in json.loads(told).items()}

    return db.atomically(work)


def totals(order_id: UUID) -> list[tuple[int, Usdt, int, Usdt]]:
    """The rows of an order: sequence, turnover, tins, profit."""

    def work(tx: Tx) -> list[tuple[int, Usdt, int, Usdt]]:
        found = tx.all(
            _Total,
            "SELECT sequence, turnover, tins, profit FROM sale_accruals WHERE order_id = :id ORDER BY sequence",
            id=order_id,
        )
        return [(each.sequence, each.turnover, each.tins, each.profit) for each in found]

    return db.atomically(work)


def is_due(order_id: UUID) -> bool:
    """True if the pools have something else of the order than it gives, as the schema has noted."""
    return db.atomically(
        lambda tx: tx.scalar(bool, "SELECT accrual_due_at IS NOT NULL FROM orders WHERE id = :id", id=order_id)
    )


@dataclass(frozen=True)
class _Total:
    sequence: int
    turnover: Usdt
    tins: int
    profit: Usdt
