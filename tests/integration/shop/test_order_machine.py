"""An order goes on by what its rows say: age, payment, time, and somebody's wish to cancel it."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from shared import clock, db
from shared.orders import books, machine, operations, rows
from shared.orders.machine import OrderUnknown
from shared.orders.states import CancelReason
from shared.values.money import Usdt
from tests import factories
from tests.fakes import order_rows, order_views
from tests.fakes.order_views import Placed, Standing, standing
from tests.fakes.shop_client import MINT

pytest_plugins = ["tests.fakes.clock_plugin"]


@pytest.fixture(autouse=True)
def counted(database: str) -> None:
    assert database
    order_rows.counted(100)


def advance(order: UUID) -> None:
    db.atomically(lambda tx: machine.advance(tx, order, clock.now()))


def leave(order: UUID, reason: CancelReason = CancelReason.MEMBER) -> None:
    db.atomically(lambda tx: rows.want_cancelled(tx, order, reason, clock.now()))
    advance(order)


def answered(sql: Connection, order: Placed, status: str, reference: str = "ref") -> None:
    """Send the order's open operation, and end it so."""
    now = clock.now()
    (operation, kind), = sql.execute_unnamed(
        "SELECT o.id, kind FROM payment_operations o JOIN payments p ON p.id = payment_id "
        "WHERE order_id = $1 AND status = 'recorded'", (order.id,)
    ).rows  # fmt: skip
    sql.execute_unnamed(
        "UPDATE payment_operations SET status = 'sent', sent_at = $2, look_at = $2 WHERE id = $1", (operation, now)
    )
    sql.execute_unnamed(
        "UPDATE payment_operations SET status = $2, evidence = 'reply', answered_at = $3, look_at = NULL, "
        "reference = $4 WHERE id = $1",
        (operation, status, now, f"{reference}-{operation}" if status == "succeeded" else None),
    )
    if (kind, status) == ("refund", "succeeded"):
        db.atomically(lambda tx: books.book_refunded(tx, operation, order.total, now))
    advance(order.id)


def paid(sql: Connection) -> Placed:
    """Place an order, and have it paid and confirmed."""
    order = order_views.place()
    order_views.accept_age(order.member_id)
    advance(order.id)
    answered(sql, order, "succeeded")
    answered(sql, order, "succeeded")
    return order


def notices(sql: Connection) -> list[str]:
    return [code for (code,) in sql.execute_simple("SELECT code FROM notifications ORDER BY created_at, code").rows]


def test_an_order_with_an_accepted_age_is_paid_and_confirmed(sql: Connection) -> None:
    order = order_views.place()
    order_views.accept_age(order.member_id)

    advance(order.id)
    assert standing(order.id) == Standing("payment_processing", "pending", ["authorize recorded"])
    answered(sql, order, "succeeded")
    assert standing(order.id) == Standing(
        "payment_processing", "authorized", ["authorize succeeded", "capture recorded"]
    )
    answered(sql, order, "succeeded")

    assert standing(order.id) == Standing("confirmed", "captured", ["authorize succeeded", "capture succeeded"])
    assert order_views.balances() == {
        "takings:card": Usdt.of("13.78"),
        "turnover:shop": Usdt.of("-9.98"),
        "shipping:shop": Usdt.of("-2.99"),
        "sales_tax:shop": Usdt.of("-0.81"),
    }
    assert order_views.stock() == (100, 2)
    assert notices(sql) == ["order_confirmed"]
    mailed = "SELECT template, parameters ->> 'items', parameters ->> 'total', parameters ->> 'order_number' FROM mails"
    number = sql.execute_simple("SELECT number FROM orders").rows[0][0]
    assert sql.execute_simple(mailed).rows == [
        ["order_receipt", "2 x BlakJaks Mint Ice 6 mg", "13.78", f"SO-{number:06d}"]
    ]


def test_advancing_again_changes_nothing(sql: Connection) -> None:
    order = paid(sql)
    before = standing(order.id)

    for _ in range(3):
        advance(order.id)

    assert standing(order.id) == before
    assert sql.execute_simple("SELECT count(*) FROM mails").rows == [[1]]
    assert order_views.balances()["takings:card"] == order.total


def test_without_a_check_of_the_age_one_is_recorded_once_for_all_orders_of_the_member(sql: Connection) -> None:
    member = factories.member()
    orders = [order_views.place(member), order_views.place(member)]

    for order in orders * 2:
        advance(order.id)

    assert [standing(order.id).state for order in orders] == ["age_verification"] * 2
    assert sql.execute_simple("SELECT status, count(*) FROM age_checks GROUP BY status").rows == [["pending", 1]]
    assert [standing(order.id).operations for order in orders] == [[], []]


def test_a_check_of_yesterday_or_of_somebody_else_does_not_serve(sql: Connection) -> None:
    order = order_views.place()
    order_views.accept_age(order.member_id, for_hours=0)
    order_views.accept_age(factories.member().id)

    advance(order.id)

    assert standing(order.id).state == "age_verification"
    assert sql.execute_simple("SELECT count(*) FROM age_checks WHERE status = 'pending'").rows == [[1]]


def test_a_denied_age_cancels_the_order_that_waited_and_tries_no_payment(sql: Connection) -> None:
    order = order_views.place()
    advance(order.id)
    sql.execute_unnamed("UPDATE age_checks SET status = 'denied', reference = 'r', decided_at = $1", (clock.now(),))

    advance(order.id)

    assert standing(order.id) == Standing("cancelled", "failed", ["authorize failed"])
    assert order_views.stock() == (100, 0)
    assert order_views.balances() == {}
    assert notices(sql) == ["order_age_denied"]
    assert sql.execute_simple("SELECT evidence, sent_at FROM payment_operations").rows == [["never_sent", None]]


def test_a_denial_of_before_does_not_cancel_the_next_order_which_has_a_check_of_its_own(
    sql: Connection, advance_clock: Callable[[float], None]
) -> None:
    member = factories.member()
    order_views.accept_age(member.id, status="denied")
    advance_clock(1)
    order = order_views.place(member)

    advance(order.id)

    assert standing(order.id).state == "age_verification"
    assert sql.execute_simple("SELECT status FROM age_checks ORDER BY recorded_at").rows == [["denied"], ["pending"]]


def test_what_is_not_paid_in_time_is_cancelled_and_the_cart_is_filled_again(
    sql: Connection, advance_clock: Callable[[float], None]
) -> None:
    order = order_views.place(tins={MINT: 3})
    order_views.accept_age(order.member_id)
    advance(order.id)
    advance_clock(31 * 60)

    advance(order.id)

    assert standing(order.id) == Standing("cancelled", "failed", ["authorize failed"])
    assert order_views.stock() == (100, 0)
    items = "SELECT sku, quantity FROM cart_items JOIN carts ON carts.id = cart_id WHERE status = 'open'"
    assert sql.execute_simple(items).rows == [[MINT, 3]]
    assert notices(sql) == ["order_expired"]


def test_a_declined_card_leaves_the_order_open_for_another_payment(sql: Connection) -> None:
    order = order_views.place()
    order_views.accept_age(order.member_id)
    advance(order.id)

    answered(sql, order, "failed")

    assert standing(order.id) == Standing("payment_processing", "failed", ["authorize failed"])
    advance(order.id)
    assert standing(order.id).operations == ["authorize failed"]
    assert order_views.stock() == (100, 2)


def test_an_order_that_is_to_be_cancelled_waits_for_the_answer_to_what_was_sent(sql: Connection) -> None:
    order = order_views.place()
    order_views.accept_age(order.member_id)
    advance(order.id)
    now = clock.now()
    sql.execute_unnamed("UPDATE payment_operations SET status = 'sent', sent_at = $1, look_at = $1", (now,))

    leave(order.id)
    assert standing(order.id) == Standing("payment_processing", "pending", ["authorize sent"])
    sql.execute_unnamed(
        "UPDATE payment_operations SET status = 'succeeded', evidence = 'reply', answered_at = $1, look_at = NULL, "
        "reference = 'a'", (now,)
    )  # fmt: skip
    advance(order.id)

    assert standing(order.id) == Standing("payment_processing", "authorized", ["authorize succeeded", "void recorded"])
    answered(sql, order, "succeeded")
    assert standing(order.id) == Standing("cancelled", "voided", ["authorize succeeded", "void succeeded"])
    assert order_views.balances() == {}
    assert notices(sql) == ["order_cancelled"]


def test_money_that_was_taken_for_an_order_that_leaves_is_booked_and_paid_back(sql: Connection) -> None:
    order = order_views.place()
    order_views.accept_age(order.member_id)
    advance(order.id)
    answered(sql, order, "succeeded")
    now = clock.now()
    sql.execute_unnamed(
        "UPDATE payment_operations SET status = 'sent', sent_at = $1, look_at = $1 WHERE kind = 'capture'", (now,)
    )
    leave(order.id)
    sql.execute_unnamed(
        "UPDATE payment_operations SET status = 'succeeded', evidence = 'lookup', answered_at = $1, look_at = NULL, "
        "reference = 'c' WHERE kind = 'capture'", (now,)
    )  # fmt: skip
    advance(order.id)

    assert standing(order.id).state == "payment_processing"
    assert order_views.balances() == {"takings:card": order.total, "owed:refunds": -order.total}
    answered(sql, order, "succeeded")
    assert standing(order.id).state == "cancelled"
    assert order_views.balances() == {}
    assert notices(sql) == ["order_refunded"]
    assert order_views.stock() == (100, 0)


def test_a_confirmed_order_is_cancelled_once_all_its_money_was_paid_back(sql: Connection) -> None:
    order = paid(sql)

    leave(order.id)
    assert standing(order.id).state == "confirmed"
    assert order_views.balances() == {"takings:card": order.total, "owed:refunds": -order.total}
    assert order_views.stock() == (100, 2)
    advance(order.id)
    answered(sql, order, "succeeded")

    assert standing(order.id).state == "cancelled"
    assert order_views.balances() == {}
    assert order_views.stock() == (100, 0)
    assert sql.execute_simple("SELECT count(*) FROM refunds").rows == [[1]]
    assert sql.execute_simple("SELECT count(*) FROM carts WHERE status = 'open'").rows == [[0]]


def test_a_refused_refund_stays_a_debt_that_people_see(sql: Connection) -> None:
    order = paid(sql)
    leave(order.id)

    answered(sql, order, "failed")
    advance(order.id)

    assert standing(order.id).state == "confirmed"
    assert standing(order.id).operations[-1] == "refund failed"
    assert order_views.balances() == {"takings:card": order.total, "owed:refunds": -order.total}


def test_a_capture_that_is_refused_lets_go_of_the_money_and_waits_for_another_payment(sql: Connection) -> None:
    order = order_views.place()
    order_views.accept_age(order.member_id)
    advance(order.id)
    answered(sql, order, "succeeded")

    answered(sql, order, "failed")
    assert standing(order.id).operations == ["authorize succeeded", "capture failed", "void recorded"]
    answered(sql, order, "succeeded")

    assert standing(order.id) == Standing(
        "payment_processing", "voided", ["authorize succeeded", "capture failed", "void succeeded"]
    )


def test_a_void_that_is_refused_is_not_asked_for_again(sql: Connection) -> None:
    order = order_views.place()
    order_views.accept_age(order.member_id)
    advance(order.id)
    answered(sql, order, "succeeded")
    leave(order.id)
    answered(sql, order, "failed")

    advance(order.id)

    assert standing(order.id).operations == ["authorize succeeded", "capture failed", "void failed"]
    assert standing(order.id).state == "payment_processing"


def test_the_first_reason_to_cancel_stays(sql: Connection) -> None:
    order = paid(sql)
    leave(order.id)
    leave(order.id, CancelReason.PEOPLE)
    assert sql.execute_simple("SELECT cancel_reason FROM orders").rows == [["member"]]


def test_an_unknown_order_is_named(database: str) -> None:
    assert database
    with pytest.raises(OrderUnknown):
        advance(uuid4())


def test_an_operation_that_was_sent_cannot_be_declared_unsent(sql: Connection) -> None:
    order = order_views.place()
    order_views.accept_age(order.member_id)
    advance(order.id)
    ((operation,),) = sql.execute_simple("SELECT id FROM payment_operations").rows
    now = clock.now() + timedelta(seconds=1)
    sql.execute_unnamed("UPDATE payment_operations SET status = 'sent', sent_at = $1, look_at = $1", (now,))

    assert not db.atomically(lambda tx: operations.never_send(tx, operation, clock.now()))
    assert standing(order.id).operations == ["authorize sent"]
