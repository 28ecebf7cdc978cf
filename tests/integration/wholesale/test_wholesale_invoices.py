"""An invoice waits for a transfer until it is due; a treasury admin books it, or the one that pays it back, once."""

import base64
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from functions.wholesale import printing
from functions.wholesale.documents import Billed
from functions.wholesale.order_models import InvoiceReference
from shared import clock, db, settings
from shared.orders import rows
from shared.orders.states import CancelReason
from shared.orders.views import OrderLine
from shared.values.money import ZERO, Usdt
from tests import factories
from tests.client import Client, refusal
from tests.factories import NOW
from tests.fakes import order_views
from tests.fakes.order_admins import order_admin
from tests.fakes.order_driver import OrderDriver
from tests.fakes.wholesale_buyer import ORDERS, WholesaleBuyer, wholesale_buyer

pytest_plugins = ["tests.fakes.wholesale_order_plugin"]

DAYS = 7
WAITS = (409, "transfer-not-awaited")


def balances() -> dict[str, str]:
    return {name: str(amount) for name, amount in order_views.balances().items()}


def invoiced(trade: WholesaleBuyer, orders: OrderDriver) -> UUID:
    """An order over 210 dollars that waits for a transfer."""
    trade.certify()
    order_id = trade.ordered()
    orders.deliver()
    return order_id


def refund_of(sql: Connection) -> UUID:
    ((found,),) = sql.execute_simple("SELECT id FROM refunds").rows
    return UUID(str(found))


def test_an_order_is_refunded_only_once_it_is_confirmed(
    trade: WholesaleBuyer, orders: OrderDriver, client: Client
) -> None:
    order_id, admin = invoiced(trade, orders), order_admin(client)
    assert trade.book(order_id).status == 200

    refused = admin.refund(order_id, amount=1)
    orders.deliver()

    assert refusal(refused) == (409, "refund-exceeds-payment")
    assert trade.shown(order_id)["status"] == "confirmed"
    assert admin.refund(order_id, amount=1).status == 201


def want_cancelled(order_id: UUID) -> None:
    db.atomically(rows.want_cancelled, order_id, CancelReason.PEOPLE, clock.now())


def test_a_booked_transfer_confirms_the_order(trade: WholesaleBuyer, orders: OrderDriver, sql: Connection) -> None:
    order_id = invoiced(trade, orders)
    answer = trade.book(order_id, bank_reference=" ft 26327-99812 ")
    assert answer.status == 200, answer.body
    assert (answer.body["bank_reference"], answer.body["amount"]) == ("FT26327-99812", 210)

    orders.deliver()

    assert trade.shown(order_id)["status"] == "confirmed"
    assert trade.shown(order_id)["payment"]["status"] == "captured"
    assert balances() == {"takings:bank": "210.00", "turnover:shop": "-210.00"}
    assert sql.execute_simple("SELECT evidence, reference FROM payment_operations").rows == [
        ["bank", "bank:FT26327-99812"]
    ]
    assert sql.execute_simple("SELECT turnover, tins, profit FROM sale_accruals").rows == [
        [210_000_000, 100, 10_000_000]
    ]
    ((actor, changes),) = sql.execute_simple(
        "SELECT actor_id, changes FROM audit_logs WHERE action = 'invoice.paid'"
    ).rows
    assert actor == trade.treasurer.somebody.id
    assert changes == {"bank_reference": "FT26327-99812", "amount": "210.00", "reason": "On today's statement"}


def test_the_invoice_is_a_document_to_print(trade: WholesaleBuyer, orders: OrderDriver) -> None:
    order_id = invoiced(trade, orders)
    found = trade.member.get(f"{ORDERS}/{order_id}/invoice").body
    assert (found["total"], found["status"], found["number"][:4]) == (210, "pending", "INV-")
    for said in (found["number"], found["order_number"], "Lovelace Tobacco LLC", "100 x BlakJaks Mint Ice", "210.00",
                 "bought for resale"):  # fmt: skip
        assert said in found["document"]
    assert base64.b64decode(found["pdf"]).startswith(b"%PDF-1.")
    assert trade.member.get(f"{ORDERS}/{order_id}/invoice").body == found
    assert refusal(trade.member.get(f"{ORDERS}/{trade.ordered(card='ok')}/invoice")) == (409, "order-without-invoice")


def test_an_invoice_says_to_which_account_it_is_paid(
    trade: WholesaleBuyer, orders: OrderDriver, sql: Connection
) -> None:
    order_id = invoiced(trade, orders)
    asked = trade.member.get(f"{ORDERS}/{order_id}/invoice").body["document"]
    assert "Ask concierge@blakjaks.com for the account to which it is paid." in asked
    sql.execute_simple(
        """UPDATE settings SET value = '{"sender": ["BlakJaks", "1 Dock St"], "bank": ["First Bank", "Account 42"]}'
        WHERE name = 'invoice_details'"""
    )
    settings.forget()
    said = trade.member.get(f"{ORDERS}/{order_id}/invoice").body["document"]
    assert all(line in said for line in ("1 Dock St", "First Bank", "Account 42"))
    assert "Ask" not in said


def test_a_long_invoice_with_strange_letters_is_printed() -> None:
    line = OrderLine(sku="MINTICE-6", product_name="Mint <Ice> & \u0416\u6f22", quantity=100,
                     unit_price=Usdt.of("2.1"), line_total=Usdt.of(210), tax=ZERO)  # fmt: skip
    billed = Billed(
        invoice=InvoiceReference(number="INV-2026-0007", issued_at=NOW, due_at=NOW),
        order_number="WO-2026-0042",
        lines=[line] * 200,
        subtotal=Usdt.of(42_000),
        tax=ZERO,
        total=Usdt.of(42_000),
        is_exempt=True,
        to=None,
        sender=["BlakJaks"],
        bank=["First Bank"],
        asked="concierge@blakjaks.com",
    )
    made = printing.pdf(billed)
    assert made == printing.pdf(billed)
    assert made.count(b"/Type /Page\n") > 3


def test_what_is_not_paid_until_it_is_due_is_cancelled(trade: WholesaleBuyer, orders: OrderDriver) -> None:
    order_id = invoiced(trade, orders)
    orders.advance_clock(DAYS * 86_400 - 60)
    orders.sweep()
    assert order_views.standing(order_id).state == "payment_processing"
    assert order_views.stock() == (1000, 100)
    orders.advance_clock(120)
    orders.sweep()
    assert order_views.standing(order_id).state == "cancelled"
    assert order_views.standing(order_id).operations == ["capture failed"]
    assert order_views.stock() == (1000, 0)


def test_what_comes_for_a_cancelled_order_is_sent_back_at_the_bank(trade: WholesaleBuyer, orders: OrderDriver) -> None:
    order_id = invoiced(trade, orders)
    trade.cancel(order_id)
    orders.deliver()
    assert refusal(trade.book(order_id)) == WAITS
    assert balances() == {}


def test_nobody_asks_a_provider_for_an_invoice(trade: WholesaleBuyer, orders: OrderDriver) -> None:
    order_id = invoiced(trade, orders)
    orders.pass_time(10)
    assert order_views.standing(order_id).operations == ["capture recorded"]


@pytest.mark.parametrize("amount", [0, 209.99, 210.01, -210])
def test_a_transfer_of_another_amount_pays_nothing(trade: WholesaleBuyer, orders: OrderDriver, amount: float) -> None:
    order_id = invoiced(trade, orders)
    answer = trade.book(order_id, amount=amount)
    assert refusal(answer) == (409, "transfer-amount-differs")
    assert answer.body["awaited"] == 210
    orders.deliver()
    assert trade.shown(order_id)["status"] == "payment_processing"


@pytest.mark.parametrize("reference", ["", "F", "FT 1; DROP", "é" * 5, "-FT-1", "x" * 65])
def test_what_is_no_bank_reference_is_refused(trade: WholesaleBuyer, orders: OrderDriver, reference: str) -> None:
    answer = trade.book(invoiced(trade, orders), bank_reference=reference)
    assert answer.status == 422
    assert answer.body["errors"][0]["field"] == "/bank_reference"


def test_a_bank_reference_pays_one_invoice(trade: WholesaleBuyer, orders: OrderDriver) -> None:
    first, second = invoiced(trade, orders), invoiced(trade, orders)
    assert trade.book(first, bank_reference="FT-1").status == 200
    assert refusal(trade.book(second, bank_reference="ft-1")) == (409, "bank-reference-used")
    assert refusal(trade.book(first, bank_reference="FT-2")) == WAITS


def test_a_card_order_waits_for_no_transfer(trade: WholesaleBuyer, orders: OrderDriver) -> None:
    trade.certify()
    order_id = trade.ordered(card="declined")
    orders.deliver()
    assert refusal(trade.book(order_id)) == WAITS
    assert refusal(trade.book(uuid4())) == (404, "not-found")


def test_a_wrong_code_books_nothing(trade: WholesaleBuyer, orders: OrderDriver, sql: Connection) -> None:
    order_id = invoiced(trade, orders)
    assert refusal(trade.book(order_id, totp="000000")) == (403, "second-factor-wrong")
    assert sql.execute_simple("SELECT count(*) FROM bank_transfers").rows == [[0]]


def test_nobody_books_the_invoice_of_somebody_whom_they_referred(
    client: Client, orders: OrderDriver, trade: WholesaleBuyer, sql: Connection
) -> None:
    referrer = trade.treasurer
    referred = wholesale_buyer(client, sql, somebody=factories.member(referred_by=referrer.somebody))
    order_id = invoiced(replace(referred, treasurer=referrer), orders)
    assert refusal(replace(referred, treasurer=referrer).book(order_id)) == (403, "own-interest")
    assert referred.book(order_id).status == 200


def test_a_paid_order_that_is_cancelled_is_paid_back_at_the_bank(
    trade: WholesaleBuyer, orders: OrderDriver, sql: Connection
) -> None:
    order_id = invoiced(trade, orders)
    trade.book(order_id, bank_reference="FT-PAID")
    orders.deliver()
    want_cancelled(order_id)
    orders.begin(order_id)
    assert trade.shown(order_id)["status"] == "confirmed", "it holds money"
    assert balances() == {"takings:bank": "210.00", "owed:refunds": "-210.00"}
    orders.pass_time(10)
    (waiting,) = trade.treasurer.client.get("/v1/admin/treasury/invoices").body["items"]
    assert (waiting["kind"], waiting["operation_id"]) == ("refund", str(refund_of(sql)))

    assert refusal(trade.book(order_id)) == WAITS
    used = refusal(trade.book_refund(refund_of(sql), bank_reference="FT-PAID"))
    assert used == (409, "bank-reference-used")
    assert trade.book_refund(refund_of(sql)).status == 200
    assert refusal(trade.book_refund(refund_of(sql))) == WAITS
    assert refusal(trade.book_refund(uuid4())) == (404, "not-found")
    orders.deliver()

    assert trade.shown(order_id)["status"] == "cancelled"
    assert trade.shown(order_id)["payment"]["status"] == "refunded"
    assert balances() == {}
    assert order_views.stock() == (1000, 0)
    assert trade.treasurer.client.get("/v1/admin/treasury/invoices").body["items"] == []


def test_a_transfer_that_is_booked_while_the_order_is_leaving_is_booked_and_owed(
    trade: WholesaleBuyer, orders: OrderDriver
) -> None:
    order_id = invoiced(trade, orders)
    want_cancelled(order_id)
    assert trade.book(order_id).status == 200
    orders.deliver()
    assert balances() == {"takings:bank": "210.00", "owed:refunds": "-210.00"}


def test_a_treasury_admin_alone_books(client: Client, trade: WholesaleBuyer, orders: OrderDriver) -> None:
    order_id = invoiced(trade, orders)
    body = {"bank_reference": "FT-1", "amount": 210, "reason": "On the statement", "totp": "123456"}
    for who in (trade.staff, client(factories.member().token)):
        answer = who.post(f"/v1/admin/wholesale/orders/{order_id}/paid", body, **{"Idempotency-Key": "1"})
        assert answer.status == 403
