"""After a dispute is lost the buyer is paid back once what the bank has not taken; what must wait, people decide."""

import io
from collections.abc import Callable
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from emulators.card_books import CardDispute
from emulators.vendors import Vendors
from shared import clock, db
from shared.orders import rows, tasks
from shared.orders.states import CancelReason
from shared.values.money import ZERO, Usdt
from tests.client import FunctionClient, refusal
from tests.fakes import order_views, parcel_views
from tests.fakes.accrual_rows import Paid, give_back, pools
from tests.fakes.dispute_rows import capture_of, dispute, heard
from tests.fakes.order_admins import OrderAdmin, order_admin, signed_in_again
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import Placed, balances, bought, standing
from tests.fakes.shop_client import MINT
from tests.logs import log_lines

pytest_plugins = ["tests.fakes.order_jobs_plugin", "tests.fakes.log_plugin"]

PART, REST = 1001, 377  # cents: what the bank takes of 13.78, and what it leaves
SOON, HOUR = 3, 62  # minutes
Client = Callable[..., FunctionClient]


@pytest.fixture
def order(orders: OrderDriver) -> Placed:
    return bought(orders)


@pytest.fixture
def two(client: Client) -> tuple[OrderAdmin, OrderAdmin]:
    return order_admin(client), order_admin(client)


def opened(orders: OrderDriver, vendors: Vendors, order: Placed, cents: int | None = PART) -> CardDispute:
    """A dispute of a part of the order, which we have looked at."""
    made = vendors.card.open_dispute(capture_of(order.id), cents)
    heard(orders, made.id)
    return made


def decided(orders: OrderDriver, vendors: Vendors, made: CardDispute, state: str) -> None:
    vendors.card.change_dispute(made.id, state)
    heard(orders, made.id)


def leave(order_id: UUID) -> None:
    db.atomically(rows.want_cancelled, order_id, CancelReason.PEOPLE, clock.now())
    db.atomically(tasks.advance_soon, order_id, clock.now())


def refund_of(sql: Connection, order: Placed) -> UUID:
    found = sql.execute_unnamed("SELECT id FROM refunds WHERE order_id = $1", (order.id,)).rows
    ((refund_id,),) = found
    return UUID(str(refund_id))


def balance(account: str) -> Usdt:
    def work(tx: db.Tx) -> Usdt:
        return tx.scalar(
            Usdt,
            "SELECT CAST(coalesce(sum(balance), 0) AS bigint) FROM ledger_balances WHERE account = :account",
            account=account,
        )

    return db.atomically(work)


# An order that is to be cancelled


@pytest.mark.parametrize(("state", "refunded"), [("lost", REST), ("won", 1378)])
def test_an_order_that_is_to_be_cancelled_gives_back_what_the_bank_does_not_have(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, state: str, refunded: int
) -> None:
    made = opened(orders, shop_vendors, order)
    leave(order.id)
    orders.pass_time(SOON)
    assert (standing(order.id).state, shop_vendors.card.total("refund")) == ("confirmed", 0)
    decided(orders, shop_vendors, made, state)
    orders.pass_time(SOON)
    assert (standing(order.id).state, order_views.stock()) == ("cancelled", (100, 0))
    assert (shop_vendors.card.total("refund"), balances(), pools()) == (refunded, {}, {})
    heard(orders, made.id)
    orders.pass_time(HOUR)
    assert shop_vendors.card.total("refund") == refunded  # once


def test_people_cancel_what_was_not_sent_and_the_rest_is_given_back(
    client: Client, orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    admin = order_admin(client)
    decided(orders, shop_vendors, opened(orders, shop_vendors, order), "lost")
    orders.pass_time(SOON)
    assert standing(order.id).state == "confirmed"
    assert admin.order(order.id)["left"] == 3.77
    assert admin.cancel(order.id).status == 200
    orders.pass_time(SOON)
    assert (standing(order.id).state, order_views.stock()) == ("cancelled", (100, 0))
    assert (shop_vendors.card.total("refund"), balances()) == (REST, {})


# Tins that never left, and what people refund


def test_tins_that_do_not_come_give_back_the_share_that_the_bank_has_left_of_them(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    (asked,) = shop_vendors.warehouse.orders()
    shop_vendors.warehouse.ship(asked.external_id, {MINT: 1})
    made = opened(orders, shop_vendors, order)
    orders.pass_time(SOON)
    assert parcel_views.refunds(order.id) == []
    decided(orders, shop_vendors, made, "lost")
    orders.pass_time(SOON)
    assert (parcel_views.refunds(order.id), order_views.stock()) == (["short 1"], (99, 0))
    assert standing(order.id).state == "shipped"
    # Of 9.98 goods and 0.59 of their tax the bank has left 2.73 and 0.16: the half of each, rounded down.
    assert shop_vendors.card.total("refund") == 136 + 8


def test_people_refund_what_the_bank_has_left_and_not_a_cent_more(
    client: Client, orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    parcel_views.sent(orders, shop_vendors.warehouse, order.id)
    admin = order_admin(client)
    made = opened(orders, shop_vendors, order)
    assert refusal(admin.refund(order.id, amount=1.00)) == (409, "payment-disputed")
    decided(orders, shop_vendors, made, "lost")
    assert refusal(admin.refund(order.id, amount=3.78)) == (409, "refund-exceeds-payment")
    assert admin.refund(order.id, amount=3.77).status == 201
    orders.deliver()
    assert (shop_vendors.card.total("refund"), balances()) == (REST, {})
    assert refusal(admin.refund(order.id, amount=0.01)) == (409, "refund-exceeds-payment")


def test_a_refund_that_has_waited_is_sent_when_the_bank_has_left_so_much(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    give_back(Paid(order.id, order.payment_id), Usdt.of("3.77"))
    made = shop_vendors.card.open_dispute(capture_of(order.id), PART)
    heard(orders, made.id)
    orders.pass_time(HOUR)
    assert standing(order.id).operations[-1] == "refund recorded"
    decided(orders, shop_vendors, made, "lost")
    orders.pass_time(HOUR)
    assert standing(order.id).operations[-1] == "refund succeeded"
    assert (shop_vendors.card.total("refund"), balances()) == (REST, {})


# What people decide


def test_a_provider_that_refuses_the_rest_of_a_lost_payment_leaves_it_to_two_people(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, two: tuple[OrderAdmin, OrderAdmin], sql: Connection
) -> None:
    decided(orders, shop_vendors, opened(orders, shop_vendors, order), "lost")
    other = shop_vendors.card.books.open(str(capture_of(order.id)), 1, inquiry=False, withdraw=False)
    leave(order.id)
    orders.pass_time(SOON)  # the provider refuses for a second dispute, of which we have heard nothing
    assert (standing(order.id).state, standing(order.id).operations[-1]) == ("confirmed", "refund failed")
    other.status = "won"
    for admin in two:
        answer = admin.resolve(order.id, refund_of(sql, order), "paid_elsewhere", "Check 1042")
        assert answer.status == 200
    orders.deliver()
    assert (standing(order.id).state, balance("bank:operating")) == ("cancelled", -Usdt.of("3.77"))


def test_a_refund_whose_money_the_bank_has_ends_by_two_people_once_the_dispute_is_lost(
    orders: OrderDriver,
    order: Placed,
    shop_vendors: Vendors,
    two: tuple[OrderAdmin, OrderAdmin],
    client: Client,
    sql: Connection,
    log_output: io.StringIO,
) -> None:
    give_back(Paid(order.id, order.payment_id))
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    heard(orders, made.id)
    leave(order.id)
    orders.pass_time(SOON)
    refund = refund_of(sql, order)
    early = two[0].resolve(order.id, refund, "paid_elsewhere", made.id)
    assert refusal(early) == (409, "operation-not-in-question")
    decided(orders, shop_vendors, made, "lost")
    orders.pass_time(HOUR)
    assert (standing(order.id).state, standing(order.id).operations[-1]) == ("confirmed", "refund recorded")
    told = [line["message"] for line in log_lines(log_output)]
    assert "a bank has taken what a refund had promised: people must decide" in told
    two = signed_in_again(two[0], client), signed_in_again(two[1], client)
    for outcome in ("done", "not_done"):
        wrong = two[0].resolve(order.id, refund, outcome, "re_1" if outcome == "done" else None)
        assert refusal(wrong) == (409, "operation-not-in-question")
    for admin in two:
        assert admin.resolve(order.id, refund, "paid_elsewhere", made.id).status == 200
    orders.pass_time(HOUR)
    assert (standing(order.id).state, order_views.stock()) == ("cancelled", (100, 0))
    assert shop_vendors.card.total("refund") == 0
    assert (balances(), balance("excess:disputes"), balance("bank:operating")) == ({}, ZERO, ZERO)


def test_what_the_bank_has_not_taken_of_such_a_refund_is_paid_by_people(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, two: tuple[OrderAdmin, OrderAdmin], sql: Connection
) -> None:
    give_back(Paid(order.id, order.payment_id), Usdt.of("5.00"))
    made = shop_vendors.card.open_dispute(capture_of(order.id), PART)
    decided(orders, shop_vendors, made, "lost")
    found = dispute(made.id)
    assert found is not None
    assert found.excess == Usdt.of("1.23")
    for admin in two:
        assert admin.resolve(order.id, refund_of(sql, order), "paid_elsewhere", "Check 1042").status == 200
    assert (balance("excess:disputes"), balance("bank:operating")) == (ZERO, -Usdt.of("3.77"))
    assert balances() == {"takings:card": Usdt.of("3.77")}  # the provider has kept it
