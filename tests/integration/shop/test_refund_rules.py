"""The schema refuses a refund that the product would not make."""

from collections.abc import Callable
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from shared import clock, db
from shared.auth import Role
from shared.db import ConstraintViolated, Tx
from shared.orders import refund_shares, refunds, rows
from shared.orders.refunds import RefundReason
from shared.values.money import Usdt
from tests import factories
from tests.fakes import accrual_rows, order_views
from tests.fakes.accrual_rows import Paid
from tests.fakes.order_admins import OrderAdmin
from tests.fakes.order_driver import OrderDriver
from tests.fakes.paid_order_plugin import bought
from tests.fakes.shop_client import COFFEE, MINT

pytest_plugins = ["tests.fakes.paid_order_plugin"]


def spoil(paid: Paid, work: Callable[[Tx, UUID], object]) -> str:
    """The rule that refuses something more that is done in the transaction of a refund of a tin."""

    def record(tx: Tx) -> None:
        order = rows.lock(tx, paid.id)
        assert order is not None
        payment = rows.newest_payment(tx, paid.id)
        made = refunds.refund_tins(tx, order, payment, {MINT: 1}, RefundReason.SHORT, now=clock.now())
        work(tx, made)

    with pytest.raises(ConstraintViolated) as refused:
        db.atomically(record)
    return str(refused.value.constraint)


LINE = "INSERT INTO refund_lines (refund_id, sku, tins, goods, tax) VALUES (:id, :sku, :tins, :goods, 0)"


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ({"sku": COFFEE, "tins": 1, "goods": 0}, "refund_lines"),
        ({"sku": MINT, "tins": 1, "goods": 0}, "refund_lines_pkey"),
    ],
)
def test_a_line_more_than_the_refund_has_is_refused(paid: Paid, line: dict[str, object], rule: str) -> None:
    assert spoil(paid, lambda tx, made: tx.run(LINE, id=made, **line)) == rule


def test_a_line_that_is_added_later_is_refused(orders: OrderDriver) -> None:
    placed = order_views.bought(orders, tins={MINT: 1, COFFEE: 1})
    accrual_rows.give_back_tins(Paid(placed.id, placed.payment_id), 1)
    made = db.atomically(lambda tx: tx.scalar(UUID, "SELECT id FROM refunds"))
    with pytest.raises(ConstraintViolated) as refused:
        db.atomically(lambda tx: tx.run(LINE, id=made, sku=COFFEE, tins=1, goods=0))
    assert refused.value.constraint == "refund_lines"


def test_more_of_a_line_than_it_cost_is_refused(orders: OrderDriver) -> None:
    """The order has cost more, but not this line."""
    placed = order_views.bought(orders, tins={MINT: 1, COFFEE: 1})

    def work(tx: Tx) -> None:
        order = rows.lock(tx, placed.id)
        assert order is not None
        charge = refunds.charge(tx, placed.id)
        share = refund_shares.of_tins(charge, {MINT: 1})
        dear = refund_shares.RefundedLine(MINT, 1, Usdt.of("5.00"), share.tax)
        too_much = refund_shares.RefundShare([dear], share.shipping, share.shipping_tax)
        payment = rows.newest_payment(tx, placed.id)
        refunds.record(tx, order, payment, too_much, RefundReason.SHORT, now=clock.now())

    with pytest.raises(ConstraintViolated) as refused:
        db.atomically(work)
    assert refused.value.constraint == "refund_fits"


def test_tins_are_not_lost_before_they_are_sent(paid: Paid) -> None:
    def work(tx: Tx) -> None:
        order = rows.lock(tx, paid.id)
        assert order is not None
        payment = rows.newest_payment(tx, paid.id)
        refunds.refund_tins(tx, order, payment, {MINT: 1}, RefundReason.LOST, now=clock.now())

    with pytest.raises(ConstraintViolated) as refused:
        db.atomically(work)
    assert refused.value.constraint == "order_items_refunded_sent"


@pytest.mark.parametrize("reason", [RefundReason.FAULTY, RefundReason.RETURNED, RefundReason.GOODWILL])
def test_a_refund_for_which_nobody_asked_is_refused(paid: Paid, reason: RefundReason) -> None:
    def work(tx: Tx) -> None:
        order = rows.lock(tx, paid.id)
        assert order is not None
        share = refund_shares.of_shipping(refunds.charge(tx, paid.id))
        refunds.record(tx, order, rows.newest_payment(tx, paid.id), share, reason, now=clock.now())

    with pytest.raises(ConstraintViolated) as refused:
        db.atomically(work)
    assert refused.value.constraint == "refund_asked"


def test_the_schema_wants_the_second_person_too(admin: OrderAdmin, orders: OrderDriver, sql: Connection) -> None:
    order = bought(orders, tins=40)
    asked = UUID(admin.refund(order.id, amount=150).body["id"])
    support = factories.member(role=Role.SUPPORT)
    for decider, note in ((None, None), (admin.who.id, "I think so"), (support.id, "I think so")):

        def record(tx: Tx, decider: UUID | None = decider, note: str | None = note) -> None:
            locked = rows.lock(tx, order.id)
            assert locked is not None
            share = refund_shares.of_amount(refunds.charge(tx, order.id), Usdt.of(150))
            payment = rows.newest_payment(tx, order.id)
            refunds.record(tx, locked, payment, share, RefundReason.GOODWILL, now=clock.now(), refund_id=asked)
            tx.run(
                """
                UPDATE refund_requests SET status = 'recorded', decided_at = :now, decided_by = CAST(:by AS uuid),
                       decision_note = :note WHERE id = :id
                """,
                now=clock.now(), by=decider, note=note, id=asked,
            )  # fmt: skip

        with pytest.raises(ConstraintViolated) as refused:
            db.atomically(record)
        assert refused.value.constraint == "refund_second_person"
    assert sql.execute_simple("SELECT count(*) FROM refunds").rows == [[0]]
