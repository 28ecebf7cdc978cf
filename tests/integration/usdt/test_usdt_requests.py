"""A buyer needs a wallet to pay in USDT, and no two are asked for one amount."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from functions.orders.birth_records import Born
from shared import clock
from shared.db import Tx
from tests.client import Client
from tests.fakes.order_client import ADDRESS, order_client
from tests.fakes.order_groups import Wish, order_together
from tests.fakes.shop_client import MINT
from tests.fakes.usdt_driver import UsdtDriver, micro, wanted

pytest_plugins = ["tests.fakes.usdt_plugin"]

TAILS = 9_999
WALLETS = tuple("0x" + digit * 40 for digit in "345")


def without_checks(sql: Connection, statement: str) -> None:
    sql.execute_simple(f"SET session_replication_role = replica; {statement}; SET session_replication_role = origin")


def used(sql: Connection, total: int, first: int, *, open_: bool, at: str = "now()") -> None:
    """Requests of a total with every tail from the first one on."""
    without_checks(
        sql,
        "INSERT INTO usdt_requests (payment_id, address, chain_id, token_address, tail, amount, refund_to, "
        "after_block, opened_at, closed_at) SELECT gen_random_uuid(), address, 137, '0x' || repeat('1', 40), tail, "
        f"{total} + tail, '0x' || repeat('2', 40), 1, {at}, {'NULL' if open_ else at} "
        f"FROM signers, generate_series({first}, {TAILS}) AS tail WHERE treasury = 'shop'",
    )


def test_without_a_wallet_nothing_is_ordered(usdt: UsdtDriver) -> None:
    usdt.sql.execute_simple("UPDATE members SET wallet_address = NULL")

    answer = usdt.ask()

    assert (answer.status, answer.problem, answer.body["rests_until"]) == (409, "wallet-required", None)
    assert usdt.one("SELECT count(*) FROM orders") == 0


def test_a_wallet_that_has_just_taken_another_ones_place_must_rest(usdt: UsdtDriver) -> None:
    until = clock.now() + timedelta(hours=1)
    usdt.sql.execute_unnamed("UPDATE members SET wallet_rests_until = $1 WHERE id = $2", (until, usdt.buyer.who.id))

    answer = usdt.ask()

    assert (answer.problem, answer.body["rests_until"][:16]) == ("wallet-required", until.isoformat()[:16])


def test_a_card_needs_a_token_and_usdt_has_none(usdt: UsdtDriver) -> None:
    usdt.buyer.add(MINT, 3)
    body = {"shipping_address": dict(ADDRESS), "expected_total": usdt.buyer.total()}

    for payment in ({"provider": "card"}, {"provider": "usdt", "token": "ok"}):
        answer = usdt.buyer.send({**body, "payment": payment})
        assert (answer.status, answer.body["errors"][0]["field"]) == (422, "/payment/token")


def test_before_the_chain_was_read_the_order_is_refused_and_the_same_request_may_come_again(usdt: UsdtDriver) -> None:
    usdt.buyer.add(MINT, 3)
    body = {
        "shipping_address": dict(ADDRESS), "payment": {"provider": "usdt"}, "expected_total": usdt.buyer.total(),
    }  # fmt: skip
    key = str(uuid4())
    head = usdt.one("SELECT max(head) FROM chain_scans")
    without_checks(usdt.sql, "UPDATE chain_scans SET head = NULL")

    refused = usdt.buyer.send(body, key)
    without_checks(usdt.sql, f"UPDATE chain_scans SET head = {head}")
    taken = usdt.buyer.send(body, key)

    assert (refused.status, refused.problem) == (409, "usdt-not-available")
    assert (taken.status, taken.body["payment"]["usdt"]["prepared_only"]) == (201, False)


def test_an_amount_rests_for_180_days_and_the_one_that_was_freed_first_is_taken_first(usdt: UsdtDriver) -> None:
    usdt.buyer.add(MINT, 3)
    total = micro(usdt.buyer.total())
    usdt.buyer.member.delete(f"/v1/cart/remove?item_id={usdt.one('SELECT id FROM cart_items')}")
    used(usdt.sql, total, 1, open_=False, at="now() - interval '179 days'")
    without_checks(
        usdt.sql,
        "UPDATE usdt_requests SET closed_at = now() - interval '181 days' - tail * interval '1 minute' "
        "WHERE tail IN (500, 600)",
    )

    order = usdt.order()

    assert wanted(order) == total + 600


def noted(query: Callable[..., object], asked: list[str]) -> Callable[..., object]:
    """The query, which notes the SQL that it runs."""

    def run(tx: Tx, *said: Any, **values: object) -> object:
        asked.append(str(said[-1]))
        return query(tx, *said, **values)

    return run


def test_a_group_chooses_its_amounts_under_one_lock(
    usdt: UsdtDriver, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All who choose an amount wait for it, so that it is taken once and late."""
    wishes = []
    for number in range(3):
        buyer = order_client(client)
        usdt.sql.execute_unnamed(
            "UPDATE members SET wallet_address = $1 WHERE id = $2", (WALLETS[number], buyer.who.id)
        )
        buyer.add(MINT, 1)
        door = {"line1": f"{number} Main Street"}
        wishes.append(Wish(buyer.who, buyer.total(**door), address=door, in_usdt=True))
    asked: list[str] = []
    for name in ("run", "first"):
        monkeypatch.setattr(Tx, name, noted(getattr(Tx, name), asked))

    born = [each for each in order_together(wishes) if isinstance(each, Born)]

    amounts = {each.usdt.amount for each in born if each.usdt}
    assert (len(born), len(amounts)) == (3, 3)
    assert [each.usdt.refund_to for each in born if each.usdt] == list(WALLETS)
    assert [sum(word in sql for sql in asked) for word in ("pg_advisory_xact_lock(:lock)", "FROM treasuries")] == [1, 1]


def test_after_a_declined_card_the_order_may_be_paid_in_usdt(usdt: UsdtDriver) -> None:
    usdt.buyer.add(MINT, 3)
    order = usdt.buyer.create(card="declined").body
    usdt.deliver()

    body, key = {"provider": "usdt"}, {"Idempotency-Key": str(uuid4())}
    asked = usdt.buyer.member.post(f"/v1/orders/{order['id']}/pay", body, **key).body
    usdt.send(wanted(asked))
    usdt.watch()

    assert asked["expires_at"] > order["expires_at"]
    assert usdt.seen(order)["status"] == "confirmed"
