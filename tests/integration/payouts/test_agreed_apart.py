"""Payouts that people approve are counted apart from automatic ones; one held by the day's limit goes on by itself."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from shared import clock, db
from shared.payouts import machine
from tests.client import FunctionClient
from tests.fakes.nodes import FakeNodes
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, PayoutRows
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin
from tests.fakes.treasury_rows import held_for_review, set_limits

pytest_plugins = ["tests.fakes.treasury_plugin"]

USDT = 1_000_000
BULK = "/v1/admin/treasury/payouts/approve"


@pytest.fixture
def people(client: Callable[..., FunctionClient], two_nodes: FakeNodes) -> list[TreasuryAdmin]:
    """One who asks, and two who approve."""
    assert two_nodes
    return [treasury_admin(client) for _ in range(3)]


def hold(payout_driver: PayoutDriver, payout: UUID) -> str:
    row = payout_driver.row(payout)
    return f"{row.state.value} {row.hold_reason.value}" if row.hold_reason else row.state.value


def transfer(people: list[TreasuryAdmin], amount: float) -> UUID:
    """One that two people have approved."""
    asks, *others = people
    made = asks.send(amount=amount).body["id"]
    for other in others:
        other.approve(made)
    return UUID(made)


def counted(sql: Connection, table: str) -> list[list[int]]:
    return list(sql.execute_simple(f"SELECT coalesce(sum(amount), 0)::bigint FROM {table}").rows)


def minted(payout_driver: PayoutDriver, rows: PayoutRows) -> None:
    payout_driver.chain.mint(rows.signer(), 10**13)
    payout_driver.chain.mine(20)


def test_approved_transfers_use_up_nothing_of_the_automatic_day(
    people: list[TreasuryAdmin], payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    minted(payout_driver, rows)
    set_limits(sql, day=10)
    payout_driver.send(transfer(people, 400))
    assert counted(sql, "treasury_days") == [[0]]

    payout = payout_driver.request(AMOUNT)
    payout_driver.send(payout)
    assert payout_driver.state(payout) == "IN_FLIGHT"
    assert counted(sql, "treasury_days") == [[AMOUNT]]


def test_two_approved_transfers_pause_nobody(
    people: list[TreasuryAdmin],
    payout_driver: PayoutDriver,
    rows: PayoutRows,
    sql: Connection,
    advance_clock: Callable[[float], None],
) -> None:
    minted(payout_driver, rows)
    set_limits(sql, hour=500)
    first, second = transfer(people, 400), transfer(people, 400)
    payout_driver.send(first)
    payout_driver.send(second)
    assert [hold(payout_driver, it) for it in (first, second)] == ["IN_FLIGHT", "HELD limit"]
    assert sql.execute_simple("SELECT count(*) FROM treasuries WHERE paused_at IS NOT NULL").rows == [[0]]
    payout = payout_driver.request(AMOUNT)
    payout_driver.send(payout)
    assert payout_driver.state(payout) == "IN_FLIGHT"

    assert second not in payout_driver.sweep()
    advance_clock(3_700)
    assert second in payout_driver.sweep()
    payout_driver.send(second)
    assert payout_driver.state(second) == "IN_FLIGHT"


def test_the_hour_of_what_needs_no_people_still_pauses(
    people: list[TreasuryAdmin], payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    minted(payout_driver, rows)
    set_limits(sql, hour=9)
    payout_driver.send(transfer(people, 8))
    first, second = payout_driver.request(AMOUNT), payout_driver.request(AMOUNT)
    payout_driver.send(first)
    payout_driver.send(second)
    assert [hold(payout_driver, it) for it in (first, second)] == ["IN_FLIGHT", "HELD limit"]
    assert sql.execute_simple("SELECT name FROM treasuries WHERE paused_at IS NOT NULL").rows == [["member"]]


def test_what_only_the_days_limit_holds_goes_on_at_midnight_first_asked_first(
    payout_driver: PayoutDriver, sql: Connection, advance_clock: Callable[[float], None]
) -> None:
    set_limits(sql, day=12)
    asked = [payout_driver.request(AMOUNT) for _ in range(5)]
    for payout in asked:
        payout_driver.send(payout)
    assert [hold(payout_driver, it) for it in asked] == ["IN_FLIGHT"] * 2 + ["HELD limit"] * 3
    assert payout_driver.sweep() == []

    advance_clock(86_400)
    held = asked[2:]
    assert [it for it in payout_driver.sweep() if it in held] == held[:2]  # as many as the new day has room for
    for payout in asked[2:]:
        payout_driver.send(payout)
    assert [hold(payout_driver, it) for it in asked[2:]] == ["IN_FLIGHT", "IN_FLIGHT", "HELD limit"]


def test_one_approval_neither_lets_it_go_earlier_nor_keeps_it_out_of_the_count(
    people: list[TreasuryAdmin], payout_driver: PayoutDriver, sql: Connection, advance_clock: Callable[[float], None]
) -> None:
    set_limits(sql, day=6)
    payout_driver.send(payout_driver.request(AMOUNT))
    payout = payout_driver.request(AMOUNT)
    payout_driver.send(payout)
    one = people[0]
    path = f"/v1/admin/treasury/payouts/{payout}/approve"
    assert one.client.post(path, {"totp": one.code(), "note": "in a hurry"}).body["state"] == "HELD"
    payout_driver.send(payout)
    assert hold(payout_driver, payout) == "HELD limit"

    advance_clock(86_400)
    payout_driver.send(payout)
    assert payout_driver.state(payout) == "IN_FLIGHT"
    assert counted(sql, "treasury_days") == [[2 * AMOUNT]]


def test_two_people_let_it_go_earlier(
    people: list[TreasuryAdmin], payout_driver: PayoutDriver, sql: Connection
) -> None:
    set_limits(sql, day=6)
    payout_driver.send(payout_driver.request(AMOUNT))
    payout = payout_driver.request(AMOUNT)
    payout_driver.send(payout)
    for one in people[:2]:
        body = {"totp": one.code(), "note": "in a hurry"}
        one.client.post(f"/v1/admin/treasury/payouts/{payout}/approve", body)
    payout_driver.send(payout)

    assert payout_driver.state(payout) == "IN_FLIGHT"
    assert counted(sql, "treasury_days") == [[AMOUNT]]


def test_many_are_approved_with_one_code_each_judged_on_its_own(
    people: list[TreasuryAdmin], rows: PayoutRows, sql: Connection
) -> None:
    _, second, third = people
    first, other = held_for_review(rows, 2), held_for_review(rows, 1)
    own = UUID(second.send().body["id"])
    mine = held_for_review(rows, 2, member_id=second.somebody.id)
    cancelled, paid, nobody = rows.payout("CANCELLED"), rows.payout("PAID"), uuid4()
    approved = held_for_review(rows, 2)
    rows.sign_off(approved, second.somebody.id)
    wanted = [first, other, own, mine, cancelled, paid, nobody, approved]

    answer = second.client.post(BULK, bulk(second, wanted))
    assert [(UUID(it["payout_id"]), it["outcome"]) for it in answer.body["items"]] == list(
        zip(
            wanted,
            ["approved", "released", "own", "own", "cancelled", "not_held", "not_found", "approved_before"],
            strict=True,
        )
    )
    assert (answer.body["items"][0]["approvals_given"], answer.body["items"][0]["state"]) == (1, "HELD")
    assert answer.body["items"][6]["state"] is None

    answer = third.client.post(BULK, bulk(third, [approved, first]))
    assert [it["outcome"] for it in answer.body["items"]] == ["released", "released"]
    audited = "SELECT count(*) FROM audit_logs WHERE action = 'payout.approve'"
    assert sql.execute_simple(audited).rows == [[4]]


def test_a_wrong_or_used_code_approves_none_of_many(
    people: list[TreasuryAdmin], rows: PayoutRows, sql: Connection
) -> None:
    payout, one = held_for_review(rows, 1), people[0]
    assert one.client.post(BULK, bulk(one, [payout]) | {"totp": "000000"}).problem == "second-factor-wrong"
    said = bulk(one, [payout])
    assert one.client.post(BULK, said).status == 200
    assert one.client.post(BULK, said).problem == "second-factor-used"
    assert one.client.post(BULK, bulk(one, [payout, payout])).problem == "not-valid"
    assert sql.execute_simple("SELECT count(*) FROM payout_approvals").rows == [[1]]


def bulk(who: TreasuryAdmin, wanted: list[UUID]) -> dict[str, object]:
    return {"totp": who.code(), "note": "the list of ticket 7", "payout_ids": [str(payout) for payout in wanted]}


def test_what_was_let_go_and_waits_for_money_is_counted_once_when_it_leaves(
    people: list[TreasuryAdmin], payout_driver: PayoutDriver, sql: Connection
) -> None:
    """A pause in between, and a policy that judges it anew, make of it no automatic payout."""
    payout = transfer(people, 100)
    db.atomically(lambda tx: machine.pause(tx, "member", "test", clock.now()))
    payout_driver.send(payout)
    db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))
    payout_driver.send(payout)

    assert payout_driver.state(payout) == "IN_FLIGHT"
    assert sql.execute_simple("SELECT sum(amount)::bigint, sum(agreed)::bigint FROM treasury_minutes").rows == [
        [0, 100 * USDT]
    ]
