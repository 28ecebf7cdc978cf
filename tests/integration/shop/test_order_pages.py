"""Members see their orders, pay again, and cancel."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from tests import factories
from tests.client import refusal
from tests.fakes import order_rows
from tests.fakes.accrual_rows import Paid, give_back_tins
from tests.fakes.order_client import OrderClient
from tests.fakes.shop_client import MINT

pytest_plugins = ["tests.fakes.order_plugin"]


def processing(buyer: OrderClient) -> UUID:
    """An order whose card is asked."""
    order_id = order_rows.placed(buyer.who, {MINT: 3})
    order_rows.taken_further(buyer.who, order_id)
    return order_id


def tasks(sql: Connection) -> int:
    return len(sql.execute_simple("SELECT 1 FROM outbox WHERE destination = 'order-advance'").rows)


def test_the_list_has_the_newest_first_page_by_page(buyer: OrderClient) -> None:
    begin = datetime.now(UTC)
    made = [order_rows.placed(buyer.who, {MINT: 1}, at=begin + timedelta(minutes=number)) for number in range(5)]
    order_rows.placed(factories.member(), {MINT: 1})
    page = buyer.member.get("/v1/users/me/orders?limit=3").body
    rest = buyer.member.get(f"/v1/users/me/orders?limit=3&cursor={page['next_cursor']}").body
    assert [item["id"] for item in page["items"] + rest["items"]] == [str(order_id) for order_id in reversed(made)]
    assert rest["next_cursor"] is None
    assert page["items"][0]["total"] == buyer.order(made[-1])["total"]


def test_a_check_that_waits_is_shown_with_its_page(buyer: OrderClient, sql: Connection) -> None:
    order_id = order_rows.placed(buyer.who, {MINT: 1})
    sql.execute_unnamed(
        "INSERT INTO age_checks (id, member_id, url, recorded_at) VALUES ($1, $2, 'https://age.example/1', now())",
        (uuid4(), buyer.who.id),
    )
    assert buyer.order(order_id)["age_check"] == {"status": "pending", "url": "https://age.example/1"}


def test_an_older_check_that_was_denied_is_not_of_this_order(buyer: OrderClient, sql: Connection) -> None:
    sql.execute_unnamed(
        """
        INSERT INTO age_checks (id, member_id, status, reference, recorded_at, decided_at)
        VALUES ($1, $2, 'denied', 'old', now() - interval '1 day', now() - interval '1 day')
        """,
        (uuid4(), buyer.who.id),
    )
    assert buyer.order(order_rows.placed(buyer.who, {MINT: 1}))["age_check"] is None
    assert buyer.order(processing(buyer))["age_check"]["status"] == "accepted"


def test_the_page_of_the_bank_is_shown_while_it_waits(buyer: OrderClient, sql: Connection) -> None:
    order_id = processing(buyer)
    sql.execute_simple("UPDATE payments SET action_url = 'https://bank.example/3ds'")
    assert buyer.order(order_id)["payment"]["action_url"] == "https://bank.example/3ds"
    order_rows.declined(order_id)
    sql.execute_simple("UPDATE payments SET reason = 'insufficient_funds'")
    payment = buyer.order(order_id)["payment"]
    assert (payment["status"], payment["reason"], payment["action_url"]) == ("failed", "insufficient_funds", None)


def test_another_card_pays_after_a_decline(buyer: OrderClient, sql: Connection) -> None:
    order_id = processing(buyer)
    order_rows.declined(order_id)
    before = tasks(sql)
    answer = buyer.pay(order_id, "another")
    assert answer.status == 200, answer.body
    assert answer.body["payment"]["status"] == "pending"
    assert tasks(sql) == before + 1
    assert sql.execute_simple("SELECT state FROM payments ORDER BY created_at").rows == [["failed"], ["pending"]]


def test_an_order_that_waits_for_no_card_takes_none(buyer: OrderClient, sql: Connection) -> None:
    pending, under_way, ended = order_rows.placed(buyer.who), processing(buyer), order_rows.placed(buyer.who)
    order_rows.ended(ended)
    wanted, late = processing(buyer), processing(buyer)
    for order_id in (wanted, late):
        order_rows.declined(order_id)
    buyer.cancel(wanted)
    sql.execute_unnamed("UPDATE orders SET expires_at = now() - interval '1 second' WHERE id = $1", (late,))
    for order_id in (pending, under_way, ended, wanted, late):
        assert refusal(buyer.pay(order_id)) == (409, "order-not-payable")


def test_three_cards_an_order(buyer: OrderClient) -> None:
    order_id = processing(buyer)
    for _ in range(2):
        order_rows.declined(order_id)
        assert buyer.pay(order_id).status == 200
    order_rows.declined(order_id)
    assert refusal(buyer.pay(order_id)) == (409, "order-not-payable")


def test_ten_declines_a_day_end_the_members_tries(buyer: OrderClient, sql: Connection) -> None:
    """Neither an order nor a new one takes another card that day."""
    orders = [processing(buyer) for _ in range(10)]
    for order_id in orders:
        order_rows.declined(order_id)
    answer = buyer.pay(orders[0])
    assert refusal(answer) == (429, "too-many-declines")
    assert 0 < int(answer.headers["Retry-After"]) <= 24 * 3600 + 1
    sql.execute_simple("UPDATE payment_operations SET answered_at = answered_at - interval '1 day'")
    assert buyer.pay(orders[0]).status == 200


def test_a_cancelled_order_that_was_never_sent_is_no_decline(buyer: OrderClient) -> None:
    for _ in range(10):
        order_rows.ended(order_rows.placed(buyer.who, {MINT: 1}, at=datetime.now(UTC) - timedelta(hours=2)))
    order_id = processing(buyer)
    order_rows.declined(order_id)
    assert buyer.pay(order_id).status == 200


def test_cancelling_is_a_wish_and_harmless_twice(buyer: OrderClient, sql: Connection) -> None:
    order_id = order_rows.placed(buyer.who)
    before = tasks(sql)
    first = buyer.cancel(order_id)
    assert (first.status, first.body["cancel_wanted"], first.body["status"]) == (200, True, "pending")
    assert buyer.cancel(order_id).body == first.body
    assert sql.execute_simple("SELECT cancel_reason FROM orders").rows == [["member"]]
    assert tasks(sql) == before + 1


def test_what_is_cancelled_cannot_be_cancelled(buyer: OrderClient) -> None:
    order_id = order_rows.placed(buyer.who)
    order_rows.ended(order_id)
    assert refusal(buyer.cancel(order_id)) == (409, "order-not-cancellable")
    shown = buyer.order(order_id)
    assert (shown["status"], shown["payment"]["status"]) == ("cancelled", "failed")
    assert [(step["status"], step["reason"]) for step in shown["history"]] == [
        ("pending", None),
        ("cancelled", "expired"),
    ]


def test_what_the_buyers_bank_disputes_is_not_cancelled(buyer: OrderClient, sql: Connection) -> None:
    order_id = order_rows.placed(buyer.who)
    payment_id = order_rows.paid(buyer.who, order_id)
    sql.execute_unnamed(
        """
        INSERT INTO disputes (id, payment_id, reference, state, reason, amount, opened_at, noticed_at, looked_at)
        VALUES ($1, $2, 'dp_1', 'open', 'fraudulent', 10000, now(), now(), now())
        """,
        (uuid4(), payment_id),
    )
    assert refusal(buyer.cancel(order_id)) == (409, "payment-disputed")
    assert not buyer.order(order_id)["cancel_wanted"]


def test_there_is_no_receipt_before_the_order_is_paid(buyer: OrderClient) -> None:
    order_id = processing(buyer)
    assert refusal(buyer.member.get(f"/v1/orders/{order_id}/receipt")) == (409, "order-not-confirmed")


def test_a_receipt_says_what_was_charged(buyer: OrderClient) -> None:
    order_id = order_rows.placed(buyer.who, {MINT: 3})
    order_rows.paid(buyer.who, order_id)
    receipt, order = buyer.member.get(f"/v1/orders/{order_id}/receipt").body, buyer.order(order_id)
    for name in ("order_number", "confirmed_at", "items", "subtotal", "shipping", "tax", "total", "shipping_address"):
        assert receipt[name] == order[name]
    assert (receipt["shipping_tax"], receipt["refunds"], order["payment"]["status"]) == (0.19, [], "captured")
    assert receipt["breakdown"] == [{"name": "New York", "rate": 0.08875, "amount": receipt["tax"]}]


@pytest.mark.parametrize("is_done", [False, True])
def test_a_refund_is_on_the_receipt_from_its_record_on(buyer: OrderClient, is_done: bool) -> None:
    order_id = order_rows.placed(buyer.who, {MINT: 3})
    order_rows.refunded(order_id, order_rows.paid(buyer.who, order_id), is_done=is_done)
    (refund,) = buyer.member.get(f"/v1/orders/{order_id}/receipt").body["refunds"]
    order = buyer.order(order_id)
    assert [refund[name] for name in ("goods", "shipping", "tax", "amount")] == [
        order[name] for name in ("subtotal", "shipping", "tax", "total")
    ]
    assert (refund["paid_at"] is not None, order["payment"]["status"], order["payment"]["refunded_amount"]) == (
        (True, "refunded", order["total"]) if is_done else (False, "captured", 0)
    )


def test_a_refund_that_leaves_less_than_fifty_dollars_of_goods_adds_no_shipping(buyer: OrderClient) -> None:
    buyer.add(MINT, 11)
    order_id = UUID(buyer.create().body["id"])
    payment_id = order_rows.paid(buyer.who, order_id)
    before = buyer.order(order_id)

    give_back_tins(Paid(order_id, payment_id), 2)

    after = buyer.order(order_id)
    (refund,) = buyer.member.get(f"/v1/orders/{order_id}/receipt").body["refunds"]
    assert (before["subtotal"], before["shipping"], refund["goods"], refund["shipping"]) == (54.89, 0, 9.98, 0)
    assert [after[name] for name in ("shipping", "total")] == [before[name] for name in ("shipping", "total")]
    assert refund["amount"] == round(refund["goods"] + refund["tax"], 2)


def test_a_paid_order_may_be_wanted_cancelled_but_takes_no_card(buyer: OrderClient) -> None:
    order_id = order_rows.placed(buyer.who, {MINT: 3})
    order_rows.paid(buyer.who, order_id)
    assert refusal(buyer.pay(order_id)) == (409, "order-not-payable")
    assert buyer.cancel(order_id).body["cancel_wanted"] is True


def test_an_order_whose_address_was_removed_is_shown_without_it(buyer: OrderClient, sql: Connection) -> None:
    order_id = order_rows.placed(buyer.who)
    sql.execute_simple("UPDATE orders SET address = NULL")
    assert buyer.order(order_id)["shipping_address"] is None


@pytest.mark.parametrize("path", ["", "/receipt"])
def test_an_order_that_is_not_there_is_not_found(buyer: OrderClient, path: str) -> None:
    assert refusal(buyer.member.get(f"/v1/orders/{uuid4()}{path}")) == (404, "not-found")
    assert refusal(buyer.member.get(f"/v1/orders/1{path}")) == (404, "not-found")
