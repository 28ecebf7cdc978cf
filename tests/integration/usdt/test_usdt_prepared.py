"""The wallet that is linked pays an order by a transfer that we prepare: its member copies no address and no amount."""

from itertools import count
from typing import Any
from uuid import UUID

import pytest
from eth_account.signers.local import LocalAccount

from functions.deposit_watch.rules import Arrival, Asked, Match, match
from functions.withdrawal_confirm import main as withdrawal_confirm
from shared.ports.polygon import wallets
from shared.values.money import Usdt
from tests import factories
from tests.client import Answer, Client, refusal
from tests.fakes import wallet_driver
from tests.fakes.usdt_driver import UsdtDriver, micro, wanted
from tests.fakes.wallet_driver import FUNDS, new_wallet
from tests.fakes.wallets import FakeWallets

pytest_plugins = ["tests.fakes.usdt_plugin"]

PATH = "/v1/wallet/order-payments"

_keys = count(1)


@pytest.fixture
def wallet(usdt: UsdtDriver, monkeypatch: pytest.MonkeyPatch) -> LocalAccount:
    """The buyer's wallet, with money, behind the port of who waits."""
    made = new_wallet()
    for address in (None, made.address):  # a first wallet, which does not rest
        usdt.sql.execute_unnamed("UPDATE members SET wallet_address = $1 WHERE id = $2", (address, usdt.buyer.who.id))
    usdt.nodes.chain.mint(made.address, FUNDS)
    usdt.nodes.chain.gas[made.address.lower()] = 10**18
    seen = FakeWallets(usdt.nodes.chain)
    monkeypatch.setattr(wallets, "connect", lambda: seen)
    return made


def prepare(usdt: UsdtDriver, order: dict[str, Any]) -> Answer:
    return usdt.buyer.member.post(PATH, {"order_id": order["id"]}, **{"Idempotency-Key": f"pay-{next(_keys)}"})


def test_what_is_signed_pays_the_order_and_is_known_by_its_hash(usdt: UsdtDriver, wallet: LocalAccount) -> None:
    order = usdt.order()
    made = prepare(usdt, order).body
    assert (made["to_address"], micro(made["amount"])) == (usdt.key(), wanted(order))
    raw = wallet_driver.sign(made["transaction"], wallet)
    usdt.buyer.member.post(
        f"/v1/wallet/withdrawals/{made['id']}/broadcast", {"signed_transaction": raw}, **{"Idempotency-Key": "sign"}
    )

    withdrawal_confirm.observe(UUID(made["id"]), usdt.nodes.chain)
    usdt.nodes.chain.mine()
    usdt.watch()

    paid = usdt.buyer.order(order["id"])
    assert (paid["status"], paid["payment"]["status"]) == ("confirmed", "captured")
    assert usdt.one("SELECT matched_by FROM usdt_deposits") == "hash"


def test_only_what_is_missing_is_prepared(usdt: UsdtDriver, wallet: LocalAccount) -> None:
    order = usdt.order()
    usdt.send(micro(1), wallet.address)
    usdt.watch()
    assert micro(prepare(usdt, order).body["amount"]) == wanted(order) - micro(1)


def test_nothing_is_prepared_for_an_order_that_awaits_no_usdt(
    usdt: UsdtDriver, wallet: LocalAccount, client: Client
) -> None:
    assert wallet
    order = usdt.order()
    usdt.send(wanted(order))
    usdt.watch()
    assert refusal(prepare(usdt, order)) == (409, "usdt-not-awaited")
    other = client(factories.member(wallet=new_wallet().address).token)
    asked = other.post(PATH, {"order_id": order["id"]}, **{"Idempotency-Key": "other"})
    assert refusal(asked) == (409, "usdt-not-awaited")
    assert usdt.one("SELECT count(*) FROM withdrawals") == 0


def test_a_wallet_that_holds_too_little_prepares_nothing(usdt: UsdtDriver, wallet: LocalAccount) -> None:
    usdt.nodes.chain.minted[wallet.address.lower()] = 0
    usdt.nodes.chain.minted[wallet.address] = 0
    order = usdt.order()
    assert refusal(prepare(usdt, order)) == (409, "balance-too-low")


def test_one_transfer_at_a_time_is_prepared(usdt: UsdtDriver, wallet: LocalAccount) -> None:
    assert wallet
    order = usdt.order()
    assert prepare(usdt, order).status == 201
    assert refusal(prepare(usdt, order)) == (409, "withdrawal-under-way")


def test_what_was_prepared_for_a_request_is_for_it_whatever_the_amount() -> None:
    came = Arrival("0xaa", 0, "0x01", Usdt(7), block_number=10)
    exact, named = UUID(int=1), UUID(int=2)
    asked = [
        Asked(exact, Usdt(7), "0x02", after_block=1, is_open=True, has_tail=True, is_named=False),
        Asked(named, Usdt(9), "0x01", after_block=1, is_open=False, has_tail=True, is_named=True),
    ]
    assert match(came, asked) == Match(named, "hash")
    assert match(came, asked[:1]) == Match(exact, "amount")
