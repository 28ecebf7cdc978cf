"""Cents and tails add up: after any sequence of transfers, what came is charged, excess, sent back, or nobody's."""

from random import Random

import pytest

from tests.fakes.usdt_driver import EXCHANGE, MICRO, WALLET, UsdtDriver, micro, wanted

pytest_plugins = ["tests.fakes.usdt_plugin"]

TRANSFERS_MAX = 6


@pytest.mark.parametrize("seed", range(8))
def test_what_came_is_charged_kept_returned_or_nobodys(usdt: UsdtDriver, seed: int) -> None:
    dice = Random(seed)  # noqa: S311 - a test repeats its choices
    order = usdt.order(dice.randint(1, 12))
    asked, sent = wanted(order), 0
    amounts = (
        asked,
        asked - 1,
        asked + 1,
        asked - MICRO,
        asked + MICRO,
        1,
        asked // 2,
        asked * 2,
        micro(order["total"]),
    )
    for _ in range(dice.randint(1, TRANSFERS_MAX)):
        amount = dice.choice(amounts)
        usdt.send(amount, dice.choice((WALLET, WALLET, EXCHANGE)))
        sent += amount
        if dice.random() < 0.5:
            usdt.watch()
        if dice.random() < 0.15:
            usdt.buyer.cancel(order["id"])
            usdt.deliver()
        if dice.random() < 0.1:
            usdt.pass_minutes(130)
    usdt.pass_minutes(130)
    for _ in range(3):
        usdt.pay_out()

    assert usdt.seen(order)["status"] in ("confirmed", "cancelled")
    is_paid = usdt.seen(order)["status"] == "confirmed"
    charged = micro(order["total"]) if is_paid else 0
    excess = usdt.one("SELECT coalesce(sum(excess), 0) FROM usdt_requests")
    back = sum(amount for _, amount in usdt.paid())
    nobodys = usdt.one(
        "SELECT coalesce(sum(amount), 0) FROM usdt_deposits JOIN chain_transfers USING (transaction_hash, log_index, "
        "direction) WHERE usdt_deposits.payment_id IS NULL"
    )
    assert sent == charged + excess + back + nobodys
    books = usdt.books()
    assert books.get("treasury:shop", 0) == sent - back
    assert (books.get("external:shop", 0), books.get("excess:shop", 0)) == (-nobodys, -excess)
    assert books.keys().isdisjoint({"takings:usdt", "owed:refunds"})
    assert (books.get("paid:shop", 0), books.get("settled:shop", 0)) == (back, -back)
    assert books.get("turnover:shop", 0) == (-micro(order["subtotal"]) if is_paid else 0)
