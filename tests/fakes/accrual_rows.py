"""Orders that are paid and paid back in parts, and what the pools have of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from functions.sale_accrue import main
from shared import clock, db
from shared.db import Tx
from shared.orders import refund_shares, refunds, rows
from shared.orders.refunds import RefundReason
from shared.values.money import Usdt
from tests import factories
from tests.fakes import order_rows
from tests.fakes.shop_client import MINT


@dataclass(frozen=True)
class Paid:
    """A paid order with its payment."""

    id: UUID
    payment_id: UUID


def paid(tins: int = 2, cost: Usdt = order_rows.COST_PER_TIN) -> Paid:
    """A paid order of a new member; its sale is booked, and nothing has accrued."""
    who = factories.member()
    order_id = order_rows.placed(who, {MINT: tins}, cost=cost, at=clock.now())
    return Paid(order_id, order_rows.paid(who, order_id))


def give_back(order: Paid, amount: Usdt | None = None) -> None:
    """Record a refund of that amount; without one, of everything that is left of the order."""

    def work(tx: Tx) -> None:
        now, held = clock.now(), rows.lock(tx, order.id)
        assert held is not None
        payment = rows.newest_payment(tx, order.id)
        if amount is None:
            refunds.refund_rest(tx, held, payment, RefundReason.CANCELLED, now)
        else:
            share = refund_shares.of_amount(refunds.charge(tx, order.id), amount)
            refunds.record(tx, held, payment, share, RefundReason.LOST, now=now)

    db.atomically(work)


def give_back_tins(order: Paid, tins: int) -> None:
    """Record a refund of so many tins."""

    def work(tx: Tx) -> None:
        held = rows.lock(tx, order.id)
        assert held is not None
        payment = rows.newest_payment(tx, order.id)
        refunds.refund_tins(tx, held, payment, {MINT: tins}, RefundReason.SHORT, now=clock.now())

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
