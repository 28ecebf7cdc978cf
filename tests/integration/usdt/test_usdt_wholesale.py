"""A wholesale account pays in USDT by the same rules as members do."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from shared import clock
from tests.client import Client, refusal
from tests.fakes import order_rows
from tests.fakes.usdt_driver import WALLET, UsdtDriver, micro, wanted
from tests.fakes.wholesale_buyer import WholesaleBuyer, wholesale_buyer

pytest_plugins = ["tests.fakes.usdt_plugin"]

USDT = {"provider": "usdt"}


@pytest.fixture
def trade(client: Client, sql: Connection, usdt: UsdtDriver) -> WholesaleBuyer:
    order_rows.counted(1000, at=clock.now() + timedelta(seconds=1))
    made = wholesale_buyer(client, sql, somebody=usdt.buyer.who)
    made.certify()
    return made


def test_an_order_in_usdt_is_confirmed_by_its_transfer(trade: WholesaleBuyer, usdt: UsdtDriver) -> None:
    answer = trade.order(payment=USDT)
    assert answer.status == 201, answer.body
    usdt.deliver()
    order = trade.shown(UUID(answer.body["id"]))
    asked = order["payment"]["usdt"]
    assert 1 <= micro(asked["amount"]) - micro(order["total"]) <= 9_999
    assert (asked["address"], asked["refund_to"], order["invoice"]) == (usdt.key(), WALLET, None)
    life = datetime.fromisoformat(order["expires_at"]) - datetime.fromisoformat(order["placed_at"])
    assert life >= timedelta(hours=2)

    usdt.send(wanted(order))
    usdt.watch()

    paid = trade.shown(UUID(order["id"]))
    assert (paid["status"], paid["payment"]["status"], paid["payment"]["usdt"]) == ("confirmed", "captured", None)
    assert usdt.books()["turnover:shop"] == -micro(order["subtotal"])


def test_what_is_too_little_goes_back_when_the_order_ends(trade: WholesaleBuyer, usdt: UsdtDriver) -> None:
    trade.ordered(payment=USDT)
    usdt.deliver()
    usdt.send(micro(1))
    usdt.watch()
    usdt.pass_minutes(125)
    assert usdt.pay_out() == [(WALLET, micro(1))]
    assert usdt.one("SELECT state FROM orders") == "cancelled"


def test_usdt_may_follow_a_declined_card(trade: WholesaleBuyer, usdt: UsdtDriver) -> None:
    order_id = trade.ordered(card="declined")
    usdt.deliver()
    assert trade.pay(order_id, None).status == 200
    usdt.send(wanted(trade.shown(order_id)))
    usdt.watch()
    assert trade.shown(order_id)["status"] == "confirmed"


def test_without_a_wallet_nothing_is_ordered(trade: WholesaleBuyer, usdt: UsdtDriver) -> None:
    usdt.sql.execute_simple("UPDATE members SET wallet_address = NULL")
    assert refusal(trade.order(payment=USDT)) == (409, "wallet-required")
    assert usdt.one("SELECT count(*) FROM orders") == 0


@pytest.mark.parametrize(
    "payment", [{"provider": "usdt", "token": "ok"}, {"provider": "invoice", "token": "ok"}, {"provider": "card"}]
)
def test_only_a_card_has_a_token(trade: WholesaleBuyer, payment: dict[str, str]) -> None:
    answer = trade.order(payment=payment)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "/payment/token")
