"""Other amounts than the one that was asked for, other moments and senders: nothing is lost or counted twice."""

from typing import Any

import pytest

from tests.client import Client
from tests.fakes.order_client import OrderClient, order_client
from tests.fakes.usdt_driver import EXCHANGE, MICRO, WALLET, UsdtDriver, micro, wanted

pytest_plugins = ["tests.fakes.usdt_plugin"]

OTHER_WALLET = "0x27B1FDB04752BBC536007A920D24ACB045561C26"


@pytest.fixture
def other(client: Client, usdt: UsdtDriver) -> OrderClient:
    """Another buyer, with another wallet."""
    made = order_client(client)
    usdt.sql.execute_unnamed("UPDATE members SET wallet_address = $1 WHERE id = $2", (OTHER_WALLET, made.who.id))
    return made


def status(usdt: UsdtDriver, order: dict[str, Any]) -> str:
    return str(usdt.seen(order)["status"])


def notices(usdt: UsdtDriver) -> list[str]:
    return [str(code) for (code,) in usdt.sql.execute_simple("SELECT code FROM notifications ORDER BY created_at").rows]


def test_a_surplus_from_one_usdt_on_goes_back_to_the_wallet(usdt: UsdtDriver) -> None:
    order = usdt.order()
    tail = wanted(order) - micro(order["total"])

    usdt.send(wanted(order) + MICRO)
    usdt.watch()

    assert status(usdt, order) == "confirmed"
    assert usdt.pay_out() == [(WALLET, MICRO)]
    assert usdt.books()["excess:shop"] == -tail
    assert usdt.books().keys().isdisjoint({"owed:refunds", "takings:usdt"})
    assert "order_usdt_returned" in notices(usdt)


def test_a_smaller_surplus_is_booked_as_excess(usdt: UsdtDriver) -> None:
    order = usdt.order()

    usdt.send(wanted(order) + MICRO - 1)
    usdt.watch()

    assert (status(usdt, order), usdt.pay_out()) == ("confirmed", [])
    assert usdt.books()["excess:shop"] == micro(order["total"]) - wanted(order) - MICRO + 1


def test_parts_add_up_until_they_are_enough(usdt: UsdtDriver) -> None:
    order = usdt.order()

    usdt.send(5 * MICRO)
    usdt.watch()
    waits = usdt.seen(order)
    usdt.send(wanted(order) - 5 * MICRO)
    usdt.watch()

    assert (waits["status"], waits["payment"]["usdt"]["received"]) == ("payment_processing", 5)
    assert status(usdt, order) == "confirmed"
    assert usdt.books()["treasury:shop"] == wanted(order)


def test_the_total_without_its_tail_is_enough_from_the_wallet(usdt: UsdtDriver) -> None:
    order = usdt.order()

    usdt.send(micro(order["total"]))
    usdt.watch()

    assert status(usdt, order) == "confirmed"
    assert "excess:shop" not in usdt.books()


def test_too_little_goes_back_when_the_time_is_over_and_then_the_order_is_cancelled(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(wanted(order) - MICRO)
    usdt.watch()

    usdt.pass_minutes(121)
    leaving = usdt.seen(order)
    paid = usdt.pay_out()

    assert (leaving["status"], leaving["cancel_wanted"]) == ("payment_processing", True)
    assert paid == [(WALLET, wanted(order) - MICRO)]
    assert status(usdt, order) == "cancelled"
    assert usdt.one("SELECT sum(promised) FROM stock") == 0
    assert usdt.books() == {"paid:shop": wanted(order) - MICRO, "settled:shop": MICRO - wanted(order)}


def test_an_order_that_nobody_pays_expires(usdt: UsdtDriver) -> None:
    order = usdt.order()

    usdt.pass_minutes(119)
    before = status(usdt, order)
    usdt.pass_minutes(2)

    assert (before, status(usdt, order)) == ("payment_processing", "cancelled")
    assert usdt.seen(order)["payment"]["status"] == "failed"
    assert usdt.books() == {}


def test_what_comes_too_late_goes_back_and_the_buyer_is_told(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.pass_minutes(121)

    usdt.send(wanted(order), EXCHANGE)
    usdt.watch()

    assert usdt.pay_out() == [(WALLET, wanted(order))]  # never to the sender, who may be an exchange
    assert status(usdt, order) == "cancelled"
    assert usdt.one("SELECT reason FROM usdt_returns") == "late"
    assert notices(usdt)[-1] == "order_usdt_returned"


def test_a_second_payment_goes_back(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(wanted(order))
    usdt.watch()

    usdt.send(wanted(order))
    usdt.watch()

    assert (status(usdt, order), usdt.pay_out()) == ("confirmed", [(WALLET, wanted(order))])
    assert usdt.one("SELECT reason FROM usdt_returns") == "duplicate"


def test_two_transfers_of_the_whole_at_once_pay_once(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(wanted(order))
    usdt.send(wanted(order))
    usdt.watch()

    assert (status(usdt, order), usdt.pay_out()) == ("confirmed", [(WALLET, wanted(order))])


def test_while_finality_stalls_an_order_does_not_expire_and_a_payment_in_time_counts(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.nodes.chain.finalized = len(usdt.nodes.chain.blocks) - 1
    usdt.send(wanted(order))

    usdt.pass_minutes(180)
    waits = usdt.seen(order)
    usdt.nodes.chain.finalized = None
    usdt.watch()

    assert (waits["status"], waits["cancel_wanted"]) == ("payment_processing", False)
    assert waits["payment"]["usdt"]["seen"] == wanted(order) / MICRO
    assert status(usdt, order) == "confirmed"


def test_zero_and_other_tokens_are_not_read(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(0)
    usdt.watch()
    usdt.nodes.one.strays = usdt.nodes.other.strays = True
    usdt.send(wanted(order))
    usdt.watch()

    assert usdt.one("SELECT count(*) FROM chain_transfers WHERE treasury = 'shop'") == 0
    assert status(usdt, order) == "payment_processing"


def test_an_amount_that_nobody_was_asked_for_is_for_people(usdt: UsdtDriver) -> None:
    order = usdt.order()

    usdt.send(wanted(order) + 1, EXCHANGE)
    usdt.watch()

    assert status(usdt, order) == "payment_processing"
    assert usdt.one("SELECT count(*) FROM usdt_deposits WHERE payment_id IS NULL") == 1
    assert usdt.books() == {"treasury:shop": wanted(order) + 1, "external:shop": -wanted(order) - 1}


def test_a_wallet_with_two_open_orders_says_by_the_amount_which_one_it_pays(usdt: UsdtDriver) -> None:
    first, second = usdt.order(), usdt.order()

    usdt.send(5 * MICRO)
    usdt.send(wanted(second))
    usdt.watch()

    assert (status(usdt, first), status(usdt, second)) == ("payment_processing", "confirmed")
    assert usdt.one("SELECT count(*) FROM usdt_deposits WHERE payment_id IS NULL") == 1


def test_buyers_of_one_total_are_told_apart(usdt: UsdtDriver, other: OrderClient) -> None:
    mine, theirs = usdt.order(), usdt.order(buyer=other)
    assert wanted(mine) != wanted(theirs)

    usdt.send(wanted(theirs), EXCHANGE)
    usdt.watch()

    assert other.order(theirs["id"])["status"] == "confirmed"
    assert status(usdt, mine) == "payment_processing"


def test_a_transfer_from_before_the_request_does_not_count(usdt: UsdtDriver) -> None:
    usdt.send(3 * MICRO)
    usdt.nodes.chain.mine()
    usdt.sweep("deposit_watch")  # it has seen the block, which is not final yet
    order = usdt.order()

    usdt.watch()

    assert usdt.seen(order)["payment"]["usdt"]["received"] == 0


def test_an_order_that_its_member_cancels_gives_back_what_has_come(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(4 * MICRO)
    usdt.watch()

    assert usdt.buyer.cancel(order["id"]).status == 200
    usdt.deliver()

    assert usdt.pay_out() == [(WALLET, 4 * MICRO)]
    assert status(usdt, order) == "cancelled"


def test_a_paid_order_that_is_cancelled_is_refunded_by_a_payout_before_it_ends(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(wanted(order))
    usdt.watch()

    usdt.buyer.cancel(order["id"])
    usdt.deliver()
    leaving = usdt.seen(order)
    paid = usdt.pay_out()

    assert (leaving["status"], leaving["payment"]["refunded_amount"]) == ("confirmed", 0)
    assert paid == [(WALLET, micro(order["total"]))]
    ended = usdt.seen(order)
    assert (ended["status"], ended["payment"]["status"]) == ("cancelled", "refunded")
    assert ended["payment"]["refunded_amount"] == order["total"]
    assert usdt.books().keys() == {"treasury:shop", "excess:shop", "paid:shop", "settled:shop"}


def test_a_refund_to_a_blocked_wallet_is_held_until_it_is_not(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(wanted(order))
    usdt.watch()
    usdt.nodes.chain.blocked_addresses.add(WALLET.lower())
    usdt.buyer.cancel(order["id"])
    usdt.deliver()

    assert usdt.one("SELECT hold_reason FROM payouts WHERE treasury = 'shop'") == "blocked"
    assert status(usdt, order) == "confirmed"


def test_money_at_a_former_key_counts(usdt: UsdtDriver) -> None:
    order, former = usdt.order(), usdt.key()
    usdt.sql.execute_simple("UPDATE signers SET status = 'draining' WHERE treasury = 'shop'")
    usdt.sql.execute_simple("UPDATE signers SET status = 'retired' WHERE treasury = 'shop'")

    usdt.send(wanted(order), EXCHANGE, to=former)
    usdt.watch()

    assert status(usdt, order) == "confirmed"
