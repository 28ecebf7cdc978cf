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
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, PayoutRows
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
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    stolen = transfer_from_outside(payout_driver, rows.signer(), 0, THIEF)
    payout_driver.confirm(payout)

    assert payout_driver.state(payout) == "QUARANTINED"
    assert paused(sql)
    assert sql.execute_simple("SELECT state FROM payout_slots").rows == [["FOREIGN"]]
    ((proof,),) = sql.execute_simple("SELECT detail FROM payout_events WHERE kind = 'foreign'").rows
    assert (proof["hash"], proof["block_number"]) == (stolen.hash, 6)
    assert [(it["recipient"], it["amount_micro"]) for it in proof["moved"]] == [(THIEF, AMOUNT)]


def test_two_people_send_a_payout_on_whose_nonce_somebody_else_has_used(
    payout_driver: PayoutDriver, rows: PayoutRows, people: list[UUID]
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    transfer_from_outside(payout_driver, rows.signer(), 0, THIEF)
    payout_driver.confirm(payout)
    with pytest.raises(TooFewApprovals):
        agree(payout, people[:1])
    with pytest.raises(machine.ApprovedBefore):
        agree(payout, people[:1])
    assert agree(payout, people[1:]) == "HELD"

    release(payout, people)
    db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))
    payout_driver.send(payout)
    payout_driver.finalize(payout)

    assert payout_driver.state(payout) == "PAID"
    assert [(moved.nonce, moved.recipient) for moved in payout_driver.chain.transfers()] == [
        (0, THIEF),
        (1, RECIPIENT.lower()),
    ]


def test_a_foreign_transaction_that_paid_the_payout_is_its_payment_once_two_people_agree(
    payout_driver: PayoutDriver, rows: PayoutRows, people: list[UUID]
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    transfer_from_outside(payout_driver, rows.signer(), 0, RECIPIENT)
    payout_driver.confirm(payout)
    assert agree(payout, people) == "IN_FLIGHT"
    payout_driver.confirm(payout)

    assert payout_driver.state(payout) == "PAID"
    assert len(payout_driver.chain.transfers()) == 1


def test_a_foreign_nonce_is_seen_before_anything_is_signed(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    payout = payout_driver.request()
    transfer_from_outside(payout_driver, rows.signer(), 0, THIEF)
    payout_driver.send(payout)

    assert paused(sql)
    assert sql.execute_simple("SELECT count(*) FROM payout_slots").rows == [[0]]
    assert sql.execute_simple("SELECT count(*) FROM signers WHERE rebuild_asked_at IS NOT NULL").rows == [[1]]


def test_a_key_that_rests_is_watched_all_the_same(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    """A foreign use of a key at rest, with no payout waiting, is noticed within the minute."""
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.finalize(payout)
    payout_driver.sweep()
    assert not paused(sql)

    transfer_from_outside(payout_driver, rows.signer(), 1, THIEF)
    payout_driver.chain.unreachable.add("used_nonces")
    payout_driver.sweep()
    assert not paused(sql)
    payout_driver.chain.unreachable.clear()
    payout_driver.sweep()

    assert paused(sql)
    assert sql.execute_simple("SELECT rebuild_reason FROM signers WHERE rebuild_asked_at IS NOT NULL").rows == [
        [f"nonce 1 of {rows.signer()} is used on the chain and not by us"]
    ]


def test_a_disagreement_that_was_over_is_not_counted_from_its_beginning_when_there_is_another(
    payout_driver: PayoutDriver, advance_clock: Callable[[float], None]
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.chain.mine(12)
    payout_driver.chain.finalized = 3  # it is in the chain and not final, for long
    payout_driver.chain.disputed = set(payout_driver.chain.sent)
    payout_driver.confirm(payout)
    payout_driver.chain.disputed = set()
    payout_driver.confirm(payout)
    advance_clock(16 * 60)
    payout_driver.chain.disputed = set(payout_driver.chain.sent)
    payout_driver.confirm(payout)

    assert payout_driver.state(payout) == "IN_FLIGHT"


def test_nodes_that_disagree_for_a_quarter_of_an_hour_end_in_quarantine(
    payout_driver: PayoutDriver, sql: Connection, advance_clock: Callable[[float], None], people: list[UUID]
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.chain.mine(12)
    payout_driver.chain.disputed = set(payout_driver.chain.sent)
    payout_driver.confirm(payout)
    advance_clock(14 * 60)
    payout_driver.confirm(payout)
    assert payout_driver.state(payout) == "IN_FLIGHT"
    advance_clock(61)
    payout_driver.confirm(payout)
    assert payout_driver.state(payout) == "QUARANTINED"
    assert paused(sql)

    payout_driver.chain.disputed = set()
    payout_recover.advance(clock.now())
    assert payout_driver.state(payout) == "QUARANTINED"
    approve(payout, people)
    payout_recover.advance(clock.now())
    payout_driver.confirm(payout)
    assert payout_driver.state(payout) == "PAID"


def test_nodes_that_agree_again_are_forgiven(
    payout_driver: PayoutDriver, advance_clock: Callable[[float], None]
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    for _ in range(3):
        payout_driver.chain.disputed = set(payout_driver.chain.sent)
        payout_driver.confirm(payout)
        advance_clock(10 * 60)
        payout_driver.chain.disputed = set()
        payout_driver.chain.hidden = set(payout_driver.chain.sent)
        payout_driver.confirm(payout)
    payout_driver.chain.hidden = set()
    payout_driver.finalize(payout)

    assert payout_driver.state(payout) == "PAID"


def test_while_the_finalized_block_stands_still_nothing_is_final_and_little_is_sent(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    from shared import settings

    sql.execute_simple("UPDATE settings SET value = '7' WHERE name = 'payout_stalled_usdt_max'")
    settings.forget()
    first, second = payout_driver.request(), payout_driver.request()
    payout_driver.chain.lag_seconds = 900
    payout_driver.send(first)
    with pytest.raises(Exception, match="stands still"):
        payout_driver.send(second)
    payout_driver.chain.mine(200)
    assert not payout_driver.confirm(first)
    assert (payout_driver.state(first), payout_driver.state(second)) == ("IN_FLIGHT", "APPROVED")

    payout_driver.chain.lag_seconds = 2
    payout_driver.finalize(first)
    payout_driver.send(second)
    payout_driver.finalize(second)
    assert (payout_driver.state(first), payout_driver.state(second)) == ("PAID", "PAID")
