"""When every tail is taken, an order is paid by the transfer that we prepare and by no other."""

from itertools import count
from typing import Any
from uuid import UUID

import pytest
from eth_account.signers.local import LocalAccount
from pg8000.exceptions import DatabaseError

from functions.deposit_watch.rules import Arrival, Asked, Match, match
from functions.withdrawal_confirm import main as withdrawal_confirm
from shared.orders import usdt_requests
from shared.ports.polygon import wallets
from shared.values.money import Usdt
from tests.client import Answer, Client
from tests.fakes import wallet_driver
from tests.fakes.order_client import ADDRESS, OrderClient, order_client
from tests.fakes.shop_client import MINT
from tests.fakes.usdt_driver import EXCHANGE, UsdtDriver, micro, wanted
from tests.fakes.wallet_driver import FUNDS, new_wallet
from tests.fakes.wallets import FakeWallets

pytest_plugins = ["tests.fakes.usdt_plugin"]

TAILS = 2
_keys = count(1)


@pytest.fixture
def wallet(usdt: UsdtDriver, monkeypatch: pytest.MonkeyPatch) -> LocalAccount:
    """The buyer's wallet, with money; there are two tails."""
    made = new_wallet()
    for address in (None, made.address):  # a first wallet, which does not rest
        usdt.sql.execute_unnamed("UPDATE members SET wallet_address = $1 WHERE id = $2", (address, usdt.buyer.who.id))
    usdt.nodes.chain.mint(made.address, FUNDS)
    usdt.nodes.chain.gas[made.address.lower()] = 10**18
    seen = FakeWallets(usdt.nodes.chain)
    monkeypatch.setattr(wallets, "connect", lambda: seen)
    monkeypatch.setattr(usdt_requests, "TAILS", TAILS)
    return made


@pytest.fixture
def others(usdt: UsdtDriver, client: Client, wallet: LocalAccount) -> list[dict[str, Any]]:
    """Orders that have taken every tail."""
    assert wallet
    return [usdt.order(buyer=buyer(usdt, client, number)) for number in range(TAILS)]


def buyer(usdt: UsdtDriver, client: Client, number: int) -> OrderClient:
    made, address = order_client(client), "0x" + str(number + 3) * 40
    usdt.sql.execute_unnamed("UPDATE members SET wallet_address = $1 WHERE id = $2", (address, made.who.id))
    return made


def pay(usdt: UsdtDriver, order: dict[str, Any], wallet: LocalAccount) -> None:
    """Have the transfer prepared, sign it and send it."""
    made = prepare(usdt, order)
    assert made.status == 201, made.body
    raw = wallet_driver.sign(made.body["transaction"], wallet)
    usdt.buyer.member.post(
        f"/v1/wallet/withdrawals/{made.body['id']}/broadcast",
        {"signed_transaction": raw},
        **{"Idempotency-Key": f"sign-{next(_keys)}"},
    )
    withdrawal_confirm.observe(UUID(made.body["id"]), usdt.nodes.chain)
    usdt.nodes.chain.mine()


def prepare(usdt: UsdtDriver, order: dict[str, Any]) -> Answer:
    key = {"Idempotency-Key": f"pay-{next(_keys)}"}
    return usdt.buyer.member.post("/v1/wallet/order-payments", {"order_id": order["id"]}, **key)


def test_an_order_without_a_tail_asks_for_the_bare_total_and_says_how_it_is_paid(
    usdt: UsdtDriver, others: list[dict[str, Any]]
) -> None:
    assert [each["payment"]["usdt"]["prepared_only"] for each in others] == [False] * TAILS
    order = usdt.order()
    asked = order["payment"]["usdt"]
    assert (asked["prepared_only"], micro(asked["amount"])) == (True, micro(order["total"]))


def test_what_was_prepared_pays_it_by_its_hash(
    usdt: UsdtDriver, others: list[dict[str, Any]], wallet: LocalAccount
) -> None:
    order = usdt.order()
    pay(usdt, order, wallet)
    usdt.watch()
    assert usdt.seen(order)["status"] == "confirmed"
    assert usdt.one("SELECT string_agg(matched_by, ',') FROM usdt_deposits") == "hash"
    assert "takings:usdt" not in usdt.books()
    assert [usdt.one(f"SELECT state FROM orders WHERE id = '{each['id']}'") for each in others] == [
        "payment_processing"
    ] * TAILS


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("own", [True, False])
def test_whatever_else_comes_for_it_is_for_people(usdt: UsdtDriver, wallet: LocalAccount, own: bool) -> None:
    order = usdt.order()
    usdt.send(wanted(order), wallet.address if own else EXCHANGE)
    usdt.watch()
    assert usdt.seen(order)["status"] == "payment_processing"
    assert usdt.one("SELECT count(*) FROM usdt_deposits WHERE payment_id IS NULL") == 1


@pytest.mark.usefixtures("others")
def test_two_orders_of_one_total_may_wait_without_tails(usdt: UsdtDriver, wallet: LocalAccount) -> None:
    first, second = usdt.order(), usdt.order()
    assert wanted(first) == wanted(second)
    pay(usdt, second, wallet)
    usdt.watch()
    assert [usdt.seen(each)["status"] for each in (first, second)] == ["payment_processing", "confirmed"]


@pytest.mark.usefixtures("others")
def test_what_comes_too_late_goes_back_though_it_was_prepared(usdt: UsdtDriver, wallet: LocalAccount) -> None:
    order = usdt.order()
    pay(usdt, order, wallet)
    assert usdt.buyer.cancel(order["id"]).status == 200
    usdt.deliver()
    usdt.watch()
    assert usdt.one("SELECT string_agg(outcome, ',') FROM usdt_deposits") == "returned"
    assert usdt.one("SELECT amount FROM usdt_returns") == wanted(order)


@pytest.mark.usefixtures("others")
def test_an_order_after_a_declined_card_is_asked_for_the_bare_total_too(usdt: UsdtDriver) -> None:
    usdt.buyer.add(MINT, 3)
    order = usdt.buyer.create(card="declined").body
    usdt.deliver()
    key = {"Idempotency-Key": f"again-{next(_keys)}"}
    asked = usdt.buyer.member.post(f"/v1/orders/{order['id']}/pay", {"provider": "usdt"}, **key).body
    assert asked["payment"]["usdt"]["prepared_only"]


@pytest.mark.usefixtures("others")
def test_without_a_wallet_the_answer_is_that_one_is_required(client: Client) -> None:
    somebody = order_client(client)
    somebody.add(MINT, 3)
    body = {"shipping_address": dict(ADDRESS), "payment": {"provider": "usdt"}, "expected_total": somebody.total()}
    answer = somebody.send(body)
    assert (answer.status, answer.problem) == (409, "wallet-required")


def test_a_request_without_a_tail_is_matched_by_hash_alone() -> None:
    came = Arrival("0xaa", 0, "0x01", Usdt(7), block_number=10)
    bare = Asked(UUID(int=1), Usdt(7), "0x01", after_block=1, is_open=True, has_tail=False, is_named=False)
    tailed = Asked(UUID(int=2), Usdt(8), "0x01", after_block=1, is_open=True, has_tail=True, is_named=False)
    named = Asked(UUID(int=3), Usdt(9), "0x02", after_block=1, is_open=True, has_tail=False, is_named=True)
    assert match(came, [bare]) is None
    assert match(came, [bare, tailed]) is None  # which of both its sender means, nobody knows
    assert match(came, [tailed]) == Match(tailed.payment_id, "sender")
    assert match(came, [bare, tailed, named]) == Match(named.payment_id, "hash")


@pytest.mark.usefixtures("others")
def test_what_was_prepared_is_seen_before_it_is_final(usdt: UsdtDriver, wallet: LocalAccount) -> None:
    order = usdt.order()
    pay(usdt, order, wallet)
    usdt.sweep("deposit_watch")
    assert micro(usdt.seen(order)["payment"]["usdt"]["seen"]) == wanted(order)


@pytest.mark.usefixtures("others")
def test_the_schema_wants_a_bare_total_without_a_tail(usdt: UsdtDriver) -> None:
    usdt.order()
    with pytest.raises(DatabaseError, match="usdt_request_terms"):
        usdt.sql.execute_simple("UPDATE usdt_requests SET tail = NULL")
