"""Many at once, and lost tasks: the last tins are sold once, an invoice is paid once, and no order is forgotten."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from pg8000.dbapi import Connection

from shared import clock, settings
from tests.client import Answer, Client, refusal
from tests.fakes import order_rows, order_views
from tests.fakes.order_driver import OrderDriver
from tests.fakes.shop_client import MINT
from tests.fakes.treasury_admins import treasury_admin
from tests.fakes.wholesale_buyer import WholesaleBuyer, wholesale_buyer

pytest_plugins = ["tests.fakes.wholesale_order_plugin"]

AT_ONCE = 64
ACCOUNTS = 8


def told(answers: list[Answer]) -> Counter[tuple[int, str]]:
    return Counter(refusal(answer) for answer in answers)


def lose_tasks(sql: Connection) -> None:
    sql.execute_simple("DELETE FROM outbox")


def test_the_last_hundred_tins_are_sold_once(client: Client, trade: WholesaleBuyer, sql: Connection) -> None:
    order_rows.counted(100, MINT, at=clock.now() + timedelta(seconds=2))
    buyers = [trade, *(wholesale_buyer(client, sql) for _ in range(ACCOUNTS - 1))]
    for buyer in buyers:
        buyer.certify()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda n: buyers[n % ACCOUNTS].order(100, expected_total=210), range(AT_ONCE)))
    assert told(answers) == {(201, ""): 1, (409, "stock-short"): AT_ONCE - 1}
    assert order_views.stock() == (100, 100)


def test_one_request_that_is_sent_many_times_is_one_order(trade: WholesaleBuyer, sql: Connection) -> None:
    trade.certify()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda _: trade.order(100, expected_total=210, key="once"), range(AT_ONCE)))
    assert told(answers) == {(201, ""): AT_ONCE}
    assert len({answer.body["id"] for answer in answers}) == 1
    assert sql.execute_simple("SELECT count(*) FROM orders").rows == [[1]]
    assert order_views.stock() == (1000, 100)


def test_orders_that_come_together_do_not_pass_the_cap(trade: WholesaleBuyer, sql: Connection) -> None:
    trade.certify()
    sql.execute_simple(
        """UPDATE settings SET value = '{"invoice_days": 7, "unpaid_max": 500}' WHERE name = 'wholesale_orders'"""
    )
    settings.forget()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: trade.order(100, expected_total=210), range(8)))
    assert told(answers) == {(201, ""): 2, (409, "limit-reached"): 6}


def test_one_bank_reference_pays_one_of_two_invoices(
    client: Client, trade: WholesaleBuyer, orders: OrderDriver
) -> None:
    trade.certify()
    both = [trade.ordered() for _ in range(2)]
    orders.deliver()
    tellers = [trade, replace(trade, treasurer=treasury_admin(client))]
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda n: tellers[n].book(both[n], bank_reference="FT-1"), range(2)))
    assert told(answers) == {(200, ""): 1, (409, "bank-reference-used"): 1}
    orders.deliver()
    assert Counter(trade.shown(order_id)["status"] for order_id in both) == {"confirmed": 1, "payment_processing": 1}


def test_an_invoice_that_several_people_book_at_once_is_paid_once(
    client: Client, trade: WholesaleBuyer, orders: OrderDriver
) -> None:
    trade.certify()
    order_id = trade.ordered()
    orders.deliver()
    tellers = [replace(trade, treasurer=treasury_admin(client)) for _ in range(8)]
    with ThreadPoolExecutor(len(tellers)) as threads:
        answers = list(threads.map(lambda teller: teller.book(order_id), tellers))
    assert told(answers) == {(200, ""): 1, (409, "transfer-not-awaited"): 7}
    orders.deliver()
    assert {name: str(amount) for name, amount in order_views.balances().items()} == {
        "takings:bank": "210.00", "turnover:shop": "-210.00",
    }  # fmt: skip


def test_an_order_whose_task_is_lost_goes_on_by_the_sweep(
    trade: WholesaleBuyer, orders: OrderDriver, sql: Connection
) -> None:
    trade.certify()
    order_id = trade.ordered()
    lose_tasks(sql)
    orders.pass_time(2)
    assert order_views.standing(order_id).operations == ["capture recorded"]


def test_a_booked_transfer_whose_task_is_lost_confirms_the_order_by_the_sweep(
    trade: WholesaleBuyer, orders: OrderDriver, sql: Connection
) -> None:
    trade.certify()
    order_id = trade.ordered()
    orders.deliver()
    trade.book(order_id)
    lose_tasks(sql)
    orders.pass_time(2)
    assert order_views.standing(order_id).state == "confirmed"


def test_a_refund_that_was_paid_back_ends_the_order_by_the_sweep(
    trade: WholesaleBuyer, orders: OrderDriver, sql: Connection
) -> None:
    trade.certify()
    order_id = trade.ordered()
    orders.deliver()
    trade.book(order_id)
    trade.cancel(order_id)
    orders.deliver()
    ((refund_id,),) = sql.execute_simple("SELECT id FROM refunds").rows
    assert trade.book_refund(UUID(str(refund_id))).status == 200
    lose_tasks(sql)
    orders.pass_time(2)
    assert order_views.standing(order_id).state == "cancelled"
    assert order_views.balances() == {}
