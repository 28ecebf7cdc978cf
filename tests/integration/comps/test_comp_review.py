"""Comps that are released from their review, or taken back: once, with their payout, match, ledger and totals."""

from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from shared import clock, db
from shared.comps import awards
from shared.comps.awards import CompPaid, PaymentUnderWay
from shared.values.money import ZERO, Usdt
from shared.values.prizes import CompType
from shared.values.problems import NotFound
from tests import factories
from tests.fakes.comp_records import WALLET, CompRecords, award_comp, cancel, in_parallel, match, release
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import Login, PayoutRows, rule_of
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.payout_plugin"]

CROWD = 16


class Killed(Exception):
    """The process died here."""


@pytest.fixture
def comp_records(sql: Connection) -> CompRecords:
    return CompRecords(sql)


def feed(comp_records: CompRecords) -> list[str]:
    return [str(text) for (text,) in comp_records.rows("SELECT text FROM feed_items ORDER BY id")]


def test_a_comp_in_review_is_told_to_its_winner_only_and_not_paid(comp_records: CompRecords) -> None:
    winner = factories.member(wallet=WALLET)
    comp = award_comp(winner, in_review=True)
    assert comp_records.comp_status(comp) == "in_review"
    assert (comp_records.notification_titles(winner), feed(comp_records)) == (["You won $100!"], [])
    assert comp_records.rows("SELECT count(*) FROM payouts") == [[0]]
    comp_records.assert_consistent()


def test_a_released_comp_is_paid_and_everybody_is_told(comp_records: CompRecords) -> None:
    winner = factories.member(wallet=WALLET)
    comp = award_comp(winner, in_review=True)

    assert release(comp)

    assert comp_records.comp_status(comp) == "pending"
    assert comp_records.rows("SELECT state, amount FROM payouts WHERE id = $1", comp_records.payout(comp)) == [
        ["REQUESTED", 100_000_000]
    ]
    assert comp_records.notification_titles(winner) == ["You won $100!", "Your $100 comp was approved"]
    assert feed(comp_records) == ["Someone won $100!"]
    comp_records.assert_consistent()


def test_a_comp_that_is_released_without_a_wallet_waits_for_one(comp_records: CompRecords) -> None:
    winner = factories.member()
    comp = award_comp(winner, in_review=True)
    assert release(comp)
    assert comp_records.rows("SELECT count(*) FROM payouts") == [[0]]
    assert db.atomically(lambda tx: awards.pay_pending(tx, winner.id, WALLET, clock.now())) == 1
    assert comp_records.payout(comp)


def test_only_one_of_many_releases_it(comp_records: CompRecords) -> None:
    winner = factories.member(wallet=WALLET, referred_by=factories.member())
    comp = award_comp(winner, in_review=True)

    done = in_parallel(*[lambda: release(comp)] * CROWD)

    assert sorted(done) == [False] * (CROWD - 1) + [True]
    assert comp_records.rows("SELECT count(*) FROM payouts") == [[1]]
    assert len(comp_records.notification_titles(winner)) == 2
    comp_records.assert_consistent()


def test_a_release_that_dies_before_its_commit_can_be_done_again(sql: Connection, comp_records: CompRecords) -> None:
    comp = award_comp(factories.member(wallet=WALLET, referred_by=factories.member()), in_review=True)
    before = rows_of_all_tables(sql)

    def dying(tx: db.Tx) -> None:
        awards.release(tx, comp, clock.now())
        raise Killed

    with pytest.raises(Killed):
        db.atomically(dying)
    assert rows_of_all_tables(sql) == before
    assert release(comp)
    comp_records.assert_consistent()


@pytest.mark.parametrize("in_review", [True, False], ids=["in review", "pending"])
def test_a_cancelled_comp_takes_its_match_with_it(in_review: bool, comp_records: CompRecords) -> None:
    affiliate = factories.member()
    winner = factories.member(referred_by=affiliate)
    comp = award_comp(winner, in_review=in_review)

    assert cancel(comp)

    assert comp_records.comp_status(comp) == "cancelled"
    assert comp_records.match(comp) == ("cancelled", 21_000_000)
    assert comp_records.rows("SELECT cancel_reason FROM comps") == [["by mistake"]]
    assert comp_records.rows("SELECT lifetime_comps FROM member_totals WHERE member_id = $1", winner.id) == [[0]]
    assert comp_records.notification_titles(winner)[-1] == "Your $100 comp was cancelled"
    assert comp_records.notification_titles(affiliate) == (
        [] if in_review else ["You earned $21!", "A match of $21 was cancelled"]
    )
    comp_records.assert_consistent()


def test_the_member_is_not_told_why(comp_records: CompRecords) -> None:
    winner = factories.member()
    cancel(award_comp(winner))
    told = comp_records.rows("SELECT title, body, data::text FROM notifications WHERE member_id = $1", winner.id)
    assert "mistake" not in str(told)


def test_a_cancelled_comp_is_never_paid_by_a_wallet_that_comes_later(comp_records: CompRecords) -> None:
    winner = factories.member()
    comp = award_comp(winner)
    cancel(comp)
    assert db.atomically(lambda tx: awards.pay_pending(tx, winner.id, WALLET, clock.now())) == 0
    assert not release(comp)
    assert comp_records.comp_status(comp) == "cancelled"


def test_it_is_cancelled_once(comp_records: CompRecords) -> None:
    winner = factories.member(wallet=WALLET, referred_by=factories.member())
    comp = award_comp(winner)

    done = in_parallel(*[lambda: cancel(comp)] * CROWD)

    assert sorted(done) == [False] * (CROWD - 1) + [True]
    assert len(comp_records.notification_titles(winner)) == 2
    comp_records.assert_consistent()


def test_a_cancellation_that_dies_before_its_commit_can_be_done_again(
    sql: Connection, comp_records: CompRecords
) -> None:
    comp = award_comp(factories.member(wallet=WALLET, referred_by=factories.member()))
    before = rows_of_all_tables(sql)

    def dying(tx: db.Tx) -> None:
        awards.cancel(tx, comp, "by mistake", clock.now())
        raise Killed

    with pytest.raises(Killed):
        db.atomically(dying)
    assert rows_of_all_tables(sql) == before
    assert cancel(comp)
    comp_records.assert_consistent()


def test_a_chosen_trip_is_cancelled_with_its_match(comp_records: CompRecords) -> None:
    trip = award_comp(factories.member(referred_by=factories.member()), ZERO, kind=CompType.TRIP)
    match(trip, Usdt.of(75_000))
    assert cancel(trip)
    assert comp_records.match(trip) == ("cancelled", 15_750_000_000)
    comp_records.assert_consistent()


@pytest.mark.parametrize("state", ["REQUESTED", "HELD", "APPROVED", "RESERVED"])
def test_a_payout_that_was_not_signed_for_is_cancelled_with_its_comp(
    state: str, rows: PayoutRows, comp_records: CompRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fakes.payout_rows.AMOUNT", 100_000_000)
    comp = award_comp(factories.member(wallet=WALLET))
    payout = comp_records.payout(comp)
    steps = {"REQUESTED": (), "HELD": (rows.hold,), "APPROVED": (rows.approve,)}
    for step in steps.get(state, (rows.approve, rows.reserve)):
        step(payout)
    assert rows.state(payout) == state

    assert cancel(comp)

    assert rows.state(payout) == "CANCELLED"
    comp_records.assert_consistent()


def test_a_payout_whose_transaction_reverted_is_cancelled_and_its_money_is_free_again(
    payout_driver: PayoutDriver, rows: PayoutRows, comp_records: CompRecords
) -> None:
    comp = award_comp(factories.member(wallet=WALLET), Usdt.of(5))
    payout = comp_records.payout(comp)
    rows.approve(payout)
    rows.reserve(payout)
    rows.allocate(payout)
    payout_driver.send(payout)
    payout_driver.chain.blocked_addresses.add(WALLET.lower())
    payout_driver.finalize(payout)
    assert payout_driver.row(payout).hold_reason == "reverted"

    assert cancel(comp)

    assert payout_driver.state(payout) == "CANCELLED"
    comp_records.assert_consistent()


def test_a_payment_that_may_be_on_the_chain_is_not_cancelled(
    payout_driver: PayoutDriver, sql: Connection, comp_records: CompRecords
) -> None:
    comp = award_comp(factories.member(wallet=WALLET, referred_by=factories.member()), Usdt.of(5))
    payout_driver.send(comp_records.payout(comp))
    assert payout_driver.state(comp_records.payout(comp)) == "IN_FLIGHT"
    before = rows_of_all_tables(sql)

    with pytest.raises(PaymentUnderWay):
        cancel(comp)

    assert rows_of_all_tables(sql) == before


def test_a_paid_comp_is_not_cancelled(payout_driver: PayoutDriver, sql: Connection, comp_records: CompRecords) -> None:
    comp = award_comp(factories.member(wallet=WALLET, referred_by=factories.member()), Usdt.of(5))
    payout_driver.send(comp_records.payout(comp))
    payout_driver.finalize(comp_records.payout(comp))
    assert comp_records.comp_status(comp) == "paid"
    before = rows_of_all_tables(sql)

    with pytest.raises(CompPaid):
        cancel(comp)

    assert rows_of_all_tables(sql) == before
    comp_records.assert_consistent()


def test_a_comp_that_there_is_not_is_neither_released_nor_cancelled_nor_matched() -> None:
    for act in (release, cancel, lambda comp: match(comp, Usdt.of(5))):
        with pytest.raises(NotFound):
            act(uuid4())


def test_the_schema_itself_keeps_a_comp_from_being_cancelled_and_paid(
    app: Login, owner: Login, comp_records: CompRecords
) -> None:
    """Whatever the code does."""
    comp = award_comp(factories.member(wallet=WALLET))
    other = award_comp(factories.member())
    cancelled = "status = 'cancelled', cancelled_at = now(), cancel_reason = 'x'"

    def changed(login: Login, change: str) -> str:
        return rule_of(lambda: login.run(f"UPDATE comps SET {change}"))

    for login in (app, owner):
        assert changed(login, f"{cancelled} WHERE id = '{comp}'") == "comp_cancelled"
        assert changed(login, "amount = amount * 2") == "comp_terms"
        assert changed(login, "status = 'in_review'") == "comp_transition"
    assert cancel(other)
    assert rule_of(lambda: PayoutRows(app).payout(source_kind="comp", source_id=str(other))) == "comp_pending"
    assert changed(app, f"status = 'pending', cancelled_at = NULL, cancel_reason = NULL WHERE id = '{other}'") == (
        "comp_transition"
    )
    assert comp_records.comp_status(comp) == "pending"
