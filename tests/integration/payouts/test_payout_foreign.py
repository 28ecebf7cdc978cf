"""A nonce that somebody else has used is searched, kept as evidence and decided by people; so are nodes that differ."""

from collections.abc import Callable
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.payout_recover import main as payout_recover
from shared import clock, db
from shared.auth import Role
from shared.payouts import machine, recovery
from shared.payouts.machine import TooFewApprovals
from tests import factories
from tests.fakes.foreign_transfers import THIEF, transfer_from_outside
from tests.fakes.payout_desk import Desk
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, Rows
from tests.fakes.treasury_rows import approve, release

pytest_plugins = ["tests.fakes.payout_plugin"]


@pytest.fixture
def people(database: str) -> list[UUID]:
    assert database
    return [factories.member(role=Role.TREASURY).id for _ in range(2)]


def agree(payout: UUID, people: list[UUID]) -> str:
    approve(payout, people)
    return db.atomically(lambda tx: recovery.resolve(tx, payout, clock.now())).value


def paused(sql: Connection) -> bool:
    return bool(sql.execute_simple("SELECT FROM treasuries WHERE paused_at IS NOT NULL").rows)


def test_a_nonce_that_paid_somebody_else_is_foreign_its_payout_in_quarantine_and_the_treasury_paused(
    desk: Desk, rows: Rows, sql: Connection
) -> None:
    payout = desk.request()
    desk.send(payout)
    stolen = transfer_from_outside(desk, rows.signer(), 0, THIEF)
    desk.look(payout)

    assert desk.state(payout) == "QUARANTINED"
    assert paused(sql)
    assert sql.execute_simple("SELECT state FROM payout_slots").rows == [["FOREIGN"]]
    ((proof,),) = sql.execute_simple("SELECT detail FROM payout_events WHERE kind = 'foreign'").rows
    assert (proof["hash"], proof["block_number"]) == (stolen.hash, 6)
    assert [(it["recipient"], it["amount_micro"]) for it in proof["moved"]] == [(THIEF, AMOUNT)]


def test_two_people_send_a_payout_on_whose_nonce_somebody_else_has_used(
    desk: Desk, rows: Rows, people: list[UUID]
) -> None:
    payout = desk.request()
    desk.send(payout)
    transfer_from_outside(desk, rows.signer(), 0, THIEF)
    desk.look(payout)
    with pytest.raises(TooFewApprovals):
        agree(payout, people[:1])
    with pytest.raises(machine.ApprovedBefore):
        agree(payout, people[:1])
    assert agree(payout, people[1:]) == "HELD"

    release(payout, people)
    db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))
    desk.send(payout)
    desk.bury(payout)

    assert desk.state(payout) == "PAID"
    assert [(moved.nonce, moved.recipient) for moved in desk.chain.transfers()] == [(0, THIEF), (1, RECIPIENT.lower())]


def test_a_foreign_transaction_that_paid_the_payout_is_its_payment_once_two_people_agree(
    desk: Desk, rows: Rows, people: list[UUID]
) -> None:
    payout = desk.request()
    desk.send(payout)
    transfer_from_outside(desk, rows.signer(), 0, RECIPIENT)
    desk.look(payout)
    assert agree(payout, people) == "IN_FLIGHT"
    desk.look(payout)

    assert desk.state(payout) == "PAID"
    assert len(desk.chain.transfers()) == 1


def test_a_foreign_nonce_is_seen_before_anything_is_signed(desk: Desk, rows: Rows, sql: Connection) -> None:
    payout = desk.request()
    transfer_from_outside(desk, rows.signer(), 0, THIEF)
    desk.send(payout)

    assert paused(sql)
    assert sql.execute_simple("SELECT count(*) FROM payout_slots").rows == [[0]]
    assert sql.execute_simple("SELECT count(*) FROM signers WHERE rebuild_asked_at IS NOT NULL").rows == [[1]]


def test_a_key_that_rests_is_watched_all_the_same(desk: Desk, rows: Rows, sql: Connection) -> None:
    """Nobody waits to be paid, and somebody else uses the key: it is noticed within the minute."""
    payout = desk.request()
    desk.send(payout)
    desk.bury(payout)
    desk.sweep()
    assert not paused(sql)

    transfer_from_outside(desk, rows.signer(), 1, THIEF)
    desk.chain.unreachable.add("used_nonces")
    desk.sweep()
    assert not paused(sql)
    desk.chain.unreachable.clear()
    desk.sweep()

    assert paused(sql)
    assert sql.execute_simple("SELECT rebuild_reason FROM signers WHERE rebuild_asked_at IS NOT NULL").rows == [
        [f"nonce 1 of {rows.signer()} is used on the chain and not by us"]
    ]


def test_a_disagreement_that_was_over_is_not_counted_from_its_beginning_when_there_is_another(
    desk: Desk, later: Callable[[float], None]
) -> None:
    payout = desk.request()
    desk.send(payout)
    desk.chain.mine(12)
    desk.chain.finalized = 3  # it is in the chain and not final, for long
    desk.chain.disputed = set(desk.chain.sent)
    desk.look(payout)
    desk.chain.disputed = set()
    desk.look(payout)
    later(16 * 60)
    desk.chain.disputed = set(desk.chain.sent)
    desk.look(payout)

    assert desk.state(payout) == "IN_FLIGHT"


def test_nodes_that_disagree_for_a_quarter_of_an_hour_end_in_quarantine(
    desk: Desk, sql: Connection, later: Callable[[float], None], people: list[UUID]
) -> None:
    payout = desk.request()
    desk.send(payout)
    desk.chain.mine(12)
    desk.chain.disputed = set(desk.chain.sent)
    desk.look(payout)
    later(14 * 60)
    desk.look(payout)
    assert desk.state(payout) == "IN_FLIGHT"
    later(61)
    desk.look(payout)
    assert desk.state(payout) == "QUARANTINED"
    assert paused(sql)

    desk.chain.disputed = set()
    payout_recover.advance(clock.now())
    assert desk.state(payout) == "QUARANTINED"
    approve(payout, people)
    payout_recover.advance(clock.now())
    desk.look(payout)
    assert desk.state(payout) == "PAID"


def test_nodes_that_agree_again_are_forgiven(desk: Desk, later: Callable[[float], None]) -> None:
    payout = desk.request()
    desk.send(payout)
    for _ in range(3):
        desk.chain.disputed = set(desk.chain.sent)
        desk.look(payout)
        later(10 * 60)
        desk.chain.disputed = set()
        desk.chain.hidden = set(desk.chain.sent)
        desk.look(payout)
    desk.chain.hidden = set()
    desk.bury(payout)

    assert desk.state(payout) == "PAID"


def test_while_the_finalized_block_stands_still_nothing_is_final_and_little_is_sent(
    desk: Desk, sql: Connection
) -> None:
    from shared import settings

    sql.execute_simple("UPDATE settings SET value = '7' WHERE name = 'payout_stalled_usdt_max'")
    settings.forget()
    first, second = desk.request(), desk.request()
    desk.chain.lag_seconds = 900
    desk.send(first)
    with pytest.raises(Exception, match="stands still"):
        desk.send(second)
    desk.chain.mine(200)
    assert not desk.look(first)
    assert (desk.state(first), desk.state(second)) == ("IN_FLIGHT", "APPROVED")

    desk.chain.lag_seconds = 2
    desk.bury(first)
    desk.send(second)
    desk.bury(second)
    assert (desk.state(first), desk.state(second)) == ("PAID", "PAID")
