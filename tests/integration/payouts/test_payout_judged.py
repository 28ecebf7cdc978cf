"""People judge a payment that moved the money otherwise, a treasury that is resumed too early, and a stolen key."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from functions.payout_recover import main as payout_recover
from shared import clock, db, settings
from shared.payouts import machine, recovery, rotation
from shared.ports import kms
from shared.ports.polygon.chain import Observation
from terraform.operations.payouts import answer
from tests import factories
from tests.client import FunctionClient
from tests.fakes.chain import FakeChain
from tests.fakes.foreign_transfers import THIEF, transfer_from_outside
from tests.fakes.key_rotation import new_key_version
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, PayoutRows, rule_of
from tests.fakes.treasury_admins import TreasuryAdmin, foreign_nonce, treasury_admin
from tests.platform import Platform

pytest_plugins = ["tests.fakes.treasury_plugin"]


@pytest.fixture
def people(client: Callable[..., FunctionClient], payout_driver: PayoutDriver) -> list[TreasuryAdmin]:
    assert payout_driver
    return [treasury_admin(client) for _ in range(2)]


def resume_early(treasury: str = "member") -> None:
    """As somebody may by SQL: neither the function nor the command lets them."""
    assert db.atomically(lambda tx: machine.resume(tx, treasury, clock.now()))


def test_a_payment_that_moved_the_money_otherwise_waits_for_two_people_and_is_not_paid_again(
    payout_driver: PayoutDriver, people: list[TreasuryAdmin], sql: Connection
) -> None:
    payout_driver.chain.token_keeps_micro = 1
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.finalize(payout)

    assert payout_driver.state(payout) == "QUARANTINED"
    assert sql.execute_simple("SELECT paused_at IS NOT NULL FROM treasuries WHERE name = 'member'").rows == [[True]]
    proofs = sql.execute_simple("SELECT detail -> 'moved' FROM payout_events WHERE kind = 'moved_otherwise'").rows
    assert [it[0][0]["amount_micro"] for it in proofs] == [AMOUNT - 1]
    people[0].approve_payout(payout)
    payout_recover.advance(clock.now())
    assert payout_driver.state(payout) == "QUARANTINED"
    people[1].approve_payout(payout)
    payout_recover.advance(clock.now())

    assert (payout_driver.state(payout), payout_driver.row(payout).hold_reason) == ("HELD", "review")
    assert sql.execute_simple("SELECT state FROM payout_slots").rows == [["FINAL_REVERTED"]]
    assert people[0].resume().status == 200
    people[0].approve_payout(payout)
    payout_driver.send(payout)
    assert len(payout_driver.chain.transfers()) == 1  # it is paid again when two people let it go, and not before


def test_only_a_receipt_that_says_so_is_a_revert(
    payout_driver: PayoutDriver, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeChain, "_moved", lambda *_: ())
    false_answer = payout_driver.request()
    payout_driver.send(false_answer)
    payout_driver.finalize(false_answer)
    assert payout_driver.state(false_answer) == "QUARANTINED"
    assert sql.execute_simple("SELECT state, succeeded FROM payout_slots").rows == [["MINED", True]]


def test_the_schema_calls_nothing_reverted_that_ran_to_its_end_before_two_people_have_judged_it(
    rows: PayoutRows,
) -> None:
    payout = rows.payout("IN_FLIGHT")
    rows.sign(payout)
    rows.mine(payout)

    assert rule_of(lambda: rows.slot_to(rows.slot(payout), "FINAL_REVERTED")) == "I10_winner"


def test_a_quarantine_that_is_judged_after_somebody_resumed_too_early_ends_and_stops_nobody(
    payout_driver: PayoutDriver, rows: PayoutRows, people: list[TreasuryAdmin], sql: Connection
) -> None:
    sql.execute_simple("UPDATE settings SET value = '4' WHERE name = 'payout_in_flight_max'")
    settings.forget()
    payout = payout_driver.request()
    payout_driver.send(payout)
    transfer_from_outside(payout_driver, rows.signer(), 0, THIEF)
    payout_driver.confirm(payout)
    resume_early()
    for person in people:
        assert person.approve_payout(payout).status == 200
    affiliate = rows.signer("affiliate")
    db.atomically(lambda tx: recovery.ask(tx, affiliate, "restored", clock.now()))
    for _ in range(4):
        payout_recover.advance(clock.now())
        payout_driver.chain.mine(12)
        payout_driver.sweep()

    assert payout_driver.state(payout) == "HELD"
    assert sql.execute_simple("SELECT count(*) FROM signers WHERE rebuild_asked_at IS NOT NULL").rows == [[0]]
    assert sql.execute_simple("SELECT paused_at IS NOT NULL FROM treasuries WHERE name = 'member'").rows == [[True]]


def test_one_quarantine_that_cannot_be_ended_stops_neither_the_other_nor_the_keys(
    payout_driver: PayoutDriver, rows: PayoutRows, people: list[TreasuryAdmin], sql: Connection, logged: io.StringIO
) -> None:
    payouts_ = [payout_driver.request() for _ in range(2)]
    for place, payout in enumerate(payouts_):
        payout_driver.send(payout)
        transfer_from_outside(payout_driver, rows.signer(), place, THIEF)
        payout_driver.confirm(payout)
        for person in people:
            assert person.approve_payout(payout).status == 200
        resume_early()
    sql.execute_simple(
        f"ALTER TABLE payouts ADD CONSTRAINT refuses_one CHECK (id <> '{payouts_[0]}' OR state <> 'HELD') NOT VALID"
    )
    affiliate = rows.signer("affiliate")
    db.atomically(lambda tx: recovery.ask(tx, affiliate, "restored", clock.now()))

    with pytest.raises(ExceptionGroup, match="the others were done"):
        payout_recover.advance(clock.now())

    assert [payout_driver.state(payout) for payout in payouts_] == ["QUARANTINED", "HELD"]
    assert sql.execute_unnamed("SELECT sealed_below FROM signers WHERE address = $1", (affiliate,)).rows != [[None]]
    assert f'"part": "{payouts_[0]}"' in logged.getvalue()


@pytest.fixture
def open_questions(payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection) -> Callable[[str], UUID]:
    """Puts the member treasury into one of the states in which it must not sign again."""

    def make(what: str) -> UUID:
        payout = payout_driver.request()
        if what == "rebuild":
            signer = rows.signer()
            db.atomically(lambda tx: recovery.ask(tx, signer, "restored", clock.now()))
        elif what == "foreign":
            foreign_nonce()
        else:
            payout_driver.send(payout)
            transfer_from_outside(payout_driver, rows.signer(), 0, THIEF)
            payout_driver.confirm(payout)
        assert sql.execute_simple("SELECT count(*) FROM treasuries WHERE paused_at IS NOT NULL").rows == [[1]]
        return payout

    return make


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("rebuild", "is being rebuilt from the chain"),
        ("foreign", "was used by somebody else and is not explained"),
        ("quarantine", "is in quarantine"),
    ],
)
def test_a_treasury_does_not_resume_while_something_is_open(
    people: list[TreasuryAdmin], open_questions: Callable[[str], UUID], what: str, told: str
) -> None:
    open_questions(what)

    refused = people[0].resume()

    assert (refused.status, refused.problem) == (409, "questions-open")
    assert told in refused.body["questions"][0]
    with pytest.raises(LookupError, match=told):
        answer("resume", ["member", "found it"], clock.now())
    assert people[1].resume("affiliate").problem == "pool-not-paused"


def test_it_resumes_when_the_foreign_nonce_is_explained(
    people: list[TreasuryAdmin], open_questions: Callable[[str], UUID]
) -> None:
    open_questions("foreign")
    (listed,) = people[0].client.get("/v1/admin/treasury/foreign-nonces").body["items"]
    for person in people:
        person.explain((listed["signer"], listed["nonce"]), None)

    assert people[0].resume().status == 200


@dataclass(frozen=True)
class Named:
    """The username of a member."""

    username: str


def username(member_id: UUID) -> str:
    query = "SELECT username FROM members WHERE id = :id"
    return db.atomically(lambda tx: tx.one(Named, query, id=member_id)).username


def test_the_terminal_lists_and_explains_foreign_nonces_by_two_people_with_their_codes(
    people: list[TreasuryAdmin],
) -> None:
    signer, nonce = foreign_nonce(THIEF, AMOUNT)
    assert f"nonce {nonce} of {signer}" in answer("foreign", [], clock.now())[0]
    first, second = (username(it.somebody.id) for it in people)

    def say(username: str, code: str) -> list[str]:
        return answer("explain", [signer, str(nonce), "none", username, code, "the stolen key"], clock.now())

    assert say(first, people[0].code()) == ["1 of 2 people say so"]
    assert say(second, "000000") == ["This is not the code of your authenticator app."]
    with pytest.raises(LookupError, match="has this explanation"):
        say(first, people[0].code())
    with pytest.raises(LookupError, match="is no treasury admin"):
        say(username(factories.member().id), "000000")
    assert say(second, people[1].code()) == ["it is explained; resume the treasury when nothing else is open"]
    assert answer("foreign", [], clock.now()) == ["every nonce that somebody else has used is explained"]


def test_after_a_theft_the_next_key_pays(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection, platform: Platform
) -> None:
    """The thief's nonce stays a question, also of a key that is retired: it holds up nobody."""
    sql.execute_simple("UPDATE settings SET value = '4' WHERE name = 'payout_in_flight_max'")
    settings.forget()
    transfer_from_outside(payout_driver, rows.signer(), 0, THIEF, 7 * AMOUNT)
    payout_driver.sweep()
    for _ in range(4):
        payout_recover.advance(clock.now())
        payout_driver.chain.mine(12)
        payout_driver.sweep()
    version = new_key_version(platform, f"next-{uuid4()}")
    address = kms.ethereum_address(version)
    db.atomically(lambda tx: rotation.begin(tx, "member", address, version, clock.now()))
    resume_early()
    waiting = payout_driver.request()
    for _ in range(8):
        payout_recover.advance(clock.now())
        moving = payout_driver.rows("SELECT id FROM payouts WHERE source_kind = 'rotation' AND state <> 'PAID'")
        for it in (waiting, *(payout for (payout,) in moving)):
            payout_driver.try_to_send(it)
        payout_driver.chain.mine(12)
        payout_driver.sweep()

    assert sql.execute_simple("SELECT status FROM signers WHERE treasury = 'member' ORDER BY 1").rows == [
        ["active"], ["retired"]]  # fmt: skip
    assert payout_driver.state(waiting) == "PAID"
    assert payout_driver.chain.transfers()[-1].sender == address.lower()
    assert sql.execute_simple("SELECT count(*) FROM payout_slots WHERE state = 'FOREIGN'").rows == [[1]]


def test_a_payment_that_was_given_up_is_not_sent_again_while_its_no_op_is_dear(
    payout_driver: PayoutDriver, sql: Connection, advance_clock: Callable[[float], None]
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    sent = len(payout_driver.chain.sent)
    payout_driver.chain.blocked_addresses.add(RECIPIENT.lower())
    sql.execute_simple("UPDATE settings SET value = '1' WHERE name = 'payout_fee_gwei_max'")
    settings.forget()
    advance_clock(61)
    payout_driver.send(payout)
    assert sql.execute_simple("SELECT given_up_for FROM payout_slots").rows == [["blocked"]]
    payout_driver.confirm(payout)
    payout_driver.send(payout)
    payout_driver.confirm(payout)
    assert len(payout_driver.chain.sent) == sent

    sql.execute_simple("UPDATE settings SET value = '2000' WHERE name = 'payout_fee_gwei_max'")
    settings.forget()
    payout_driver.send(payout)
    payout_driver.finalize(payout)
    assert payout_driver.chain.transfers() == []
    assert sql.execute_simple("SELECT state FROM payout_slots").rows == [["FINAL_NOOP"]]


def test_a_payout_that_cannot_be_finished_keeps_no_other_of_its_key_waiting(
    payout_driver: PayoutDriver, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No rule of the schema refuses it: the code itself fails at what the node told of it."""
    broken, other, asked = payout_driver.request(), payout_driver.request(recipient=THIEF), payout_driver.chain.observe
    for payout in (broken, other):
        payout_driver.send(payout)
    strange = payout_driver.chain.sent[0]

    def observe(hashes: Sequence[str]) -> Observation:
        told = asked(hashes)
        receipts = dict(told.receipts)
        if strange in receipts:
            receipts[strange] = replace(receipts[strange], moved=None)  # type: ignore[arg-type] # wrong on purpose
        return replace(told, receipts=receipts)

    monkeypatch.setattr(payout_driver.chain, "observe", observe)
    payout_driver.chain.mine(12)
    payout_driver.confirm(other)

    assert (payout_driver.state(broken), payout_driver.state(other)) == ("IN_FLIGHT", "PAID")
    assert '"rule": "TypeError"' in logged.getvalue()


def test_a_key_whose_look_fails_keeps_no_other_key_and_no_hold_waiting(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    payout_driver.chain.mint(rows.signer("affiliate"), AMOUNT)
    payout_driver.chain.gas[rows.signer("affiliate").lower()] = 10**20
    affiliates, members = payout_driver.request(treasury="affiliate"), payout_driver.request()
    for payout in (affiliates, members):
        payout_driver.send(payout)
    payout_driver.chain.mine(12)
    waits = rows.payout("APPROVED")
    rows.move(waits, "HELD", "paused")
    broken, asked = min(rows.signer("affiliate"), rows.signer()), payout_driver.chain.final_nonces

    def final_nonces(address: str) -> int:
        if address == broken:
            raise ValueError("an answer that nobody expects")
        return asked(address)

    monkeypatch.setattr(payout_driver.chain, "final_nonces", final_nonces)
    with pytest.raises(ExceptionGroup) as failed:
        payout_driver.sweep()

    assert [str(it) for it in failed.value.exceptions] == ["an answer that nobody expects"]
    assert sorted([payout_driver.state(affiliates), payout_driver.state(members)]) == ["IN_FLIGHT", "PAID"]
    asked_for = sql.execute_simple("SELECT body ->> 'payout_id' FROM outbox WHERE function = 'payout_send'").rows
    assert [str(waits)] in asked_for
