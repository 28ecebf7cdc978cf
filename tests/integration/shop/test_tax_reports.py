"""Each sale and refund is reported to the tax service once, by our id, whatever happens on the way."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError

from emulators.tax import Transaction
from emulators.vendor import Fault
from emulators.vendors import Vendors
from functions.tax_report import main, store
from shared import clock, db
from shared.events import ReportTax
from shared.orders import rows, tasks
from shared.orders.states import CancelReason
from shared.ports import tax
from tests.fakes.crashes import Crash, crash
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import Placed, bought
from tests.fakes.shop_client import MINT

pytest_plugins = ["tests.fakes.order_jobs_plugin"]

AT_ONCE = 8
DONE, SENT, RECORDED = ("done", None), ("sent", None), ("recorded", None)


@pytest.fixture
def order(orders: OrderDriver) -> Placed:
    return bought(orders)


def sweep(orders: OrderDriver, *, minutes: int = 11) -> None:
    orders.advance_clock(minutes * 60)
    assert orders.invoker.schedule("tax_report", "sweep") == 204
    orders.deliver()


def refunded(orders: OrderDriver, order: Placed) -> UUID:
    """Cancel the order; returns the id of its refund."""
    db.atomically(rows.want_cancelled, order.id, CancelReason.MEMBER, clock.now())
    db.atomically(tasks.advance_soon, order.id, clock.now())
    orders.deliver()
    return db.atomically(lambda tx: tx.scalar(UUID, "SELECT id FROM refunds WHERE order_id = :id", id=order.id))


def standing(sql: Connection, transaction_id: UUID) -> tuple[str, str | None]:
    """Status and refusal of a report."""
    found = sql.execute_unnamed("SELECT status, refusal FROM tax_reports WHERE id = $1", (transaction_id,)).rows
    ((status, refusal),) = found
    return status, refusal


def reported(vendors: Vendors, transaction_id: UUID) -> Transaction:
    (made,) = vendors.tax.transactions(transaction_id)
    return made


def test_a_sale_is_reported_with_what_was_charged(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    sweep(orders)
    made = reported(shop_vendors, order.id)
    assert (made.type, made.total_amount, made.tax) == ("SALE", Decimal("13.78"), Decimal("0.81"))
    items: list[dict[str, Any]] = made.asked["transaction_items"]
    assert [(it["external_id"], it["quantity"], it["amount"], it["tax_amount_imported"]) for it in items] == [
        (MINT, "2", "9.98", "0.62"),
        ("SHIPPING", "1", "2.99", "0.19"),
    ]
    (address,) = made.asked["addresses"]
    assert (address["street_1"], address["street_2"], address["postal_code"]) == (
        "12 Main Street",
        "Apartment 4",
        "10001",
    )
    assert standing(sql, order.id) == DONE


def test_a_refund_is_reported_after_its_sale(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    refund = refunded(orders, order)
    main.report(ReportTax(transaction_id=refund), clock.now())
    assert (standing(sql, refund), shop_vendors.tax.transactions()) == (RECORDED, [])
    for _ in range(2):
        sweep(orders)
    made, sale = reported(shop_vendors, refund), reported(shop_vendors, order.id)
    assert (made.related_to, made.total_amount, made.tax) == (sale.id, Decimal("-13.78"), Decimal("-0.81"))
    assert (standing(sql, refund), standing(sql, order.id)) == (DONE, DONE)


def test_the_address_may_be_gone(orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection) -> None:
    sql.execute_simple("UPDATE orders SET address = NULL")
    sweep(orders)
    (address,) = reported(shop_vendors, order.id).asked["addresses"]
    assert (address["street_1"], address["state"], address["postal_code"]) == ("", "NY", "10001")


@pytest.mark.parametrize(
    "fault",
    [
        Fault.UNANSWERED,
        Fault.DONE_UNANSWERED,
        Fault.DONE_INTERNAL_ERROR,
        Fault.NONSENSE,
        Fault.FOREIGN_NOT_FOUND,
        Fault.TOO_MANY_REQUESTS,
    ],
)
@pytest.mark.parametrize("well", [0, 1], ids=["looked up", "sent"])
def test_whatever_is_not_answered_is_looked_up_and_reported_once(
    fault: Fault, well: int, orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    shop_vendors.tax.fail_next(1, fault, after=well)
    main.report(ReportTax(transaction_id=order.id), clock.now())
    assert standing(sql, order.id) == SENT
    sweep(orders)
    assert standing(sql, order.id) == DONE
    assert len(shop_vendors.tax.transactions()) == 1


def test_a_request_that_arrives_late_is_the_same_report(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    shop_vendors.tax.later_seconds = 3600.0
    shop_vendors.tax.fail_next(1, Fault.DONE_LATER, after=1)
    main.report(ReportTax(transaction_id=order.id), clock.now())
    sweep(orders)
    assert len(shop_vendors.tax.transactions(order.id)) == 1
    assert standing(sql, order.id) == DONE


def test_a_refusal_wakes_people_and_is_tried_each_day(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    shop_vendors.tax.fail_next(1, Fault.REFUSED)
    sweep(orders)
    assert standing(sql, order.id) == ("sent", "invalid")
    sweep(orders, minutes=60)
    assert shop_vendors.tax.transactions() == []
    sweep(orders, minutes=24 * 60)
    assert standing(sql, order.id) == DONE


def test_tasks_at_once_report_once(orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: main.report(ReportTax(transaction_id=order.id), clock.now()), range(AT_ONCE)))
    sweep(orders)
    assert reported(shop_vendors, order.id).type == "SALE"
    assert standing(sql, order.id) == DONE


@pytest.mark.parametrize(("owner", "name"), [(store, "mark_sent"), (tax, "report"), (store, "finish")])
@pytest.mark.parametrize("after", [False, True])
def test_a_job_that_dies_is_done_by_the_next(
    owner: object, name: str, after: bool, orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    with crash(owner, name, at=1, after=after) as crashed, pytest.raises(Crash):
        main.report(ReportTax(transaction_id=order.id), clock.now())
    assert crashed()
    assert standing(sql, order.id) == (RECORDED if name == "mark_sent" else SENT)
    sweep(orders)
    assert len(shop_vendors.tax.transactions()) == 1
    assert standing(sql, order.id) == DONE


def test_a_report_never_goes_back(orders: OrderDriver, order: Placed, sql: Connection) -> None:
    sweep(orders)
    for change in ("status = 'sent', look_at = now(), done_at = NULL, reference = NULL", "recorded_at = now()"):
        with pytest.raises(DatabaseError, match="tax_report_transition"):
            sql.execute_unnamed(f"UPDATE tax_reports SET {change} WHERE id = $1", (order.id,))


def test_an_unknown_id_is_hopeless(orders: OrderDriver) -> None:
    assert orders.invoker.task("tax_report", "tax-report", {"transaction_id": str(uuid4())}) == 204
