"""A week pays what people agreed to, once, to whom it may be paid; what is owed to the others stays owed."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from eth_account import Account
from pg8000.dbapi import Connection

from functions.affiliate_week import payout_store, proposal_store, share_store, week_store
from functions.affiliate_week.week_store import Week
from shared import clock, db, settings
from shared.affiliates import payouts
from shared.auth import Role
from shared.comps import awards
from shared.db import ConstraintViolated, Tx
from shared.values.money import Usdt
from tests import factories
from tests.factories import Somebody
from tests.fakes.lock_waits import run_blocked
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import PayoutRows
from tests.fakes.week_rows import AFTER, CUT, SUNDAY, WEEK, Weeks, wallet

pytest_plugins = ["tests.fakes.payout_plugin"]

HUNDRED = Usdt.of(100)
HOUR = timedelta(hours=1)


@pytest.fixture
def weeks(sql: Connection) -> Weeks:
    return Weeks(sql)


@pytest.fixture
def affiliate_driver(payout_driver: PayoutDriver, rows: PayoutRows) -> PayoutDriver:
    """The machine, with money in the treasury of affiliates."""
    payout_driver.chain.mint(rows.signer("affiliate"), Usdt.of(1_000_000).micro)
    return payout_driver


def treasurer() -> Somebody:
    return factories.member(role=Role.TREASURY)


def ready(weeks: Weeks, *people: Somebody) -> None:
    """A week whose pool of a hundred these people share."""
    for person in people:
        weeks.scan(person)
    weeks.fill(HUNDRED)
    weeks.run()


def test_what_is_owed_is_proposed_by_one_week_though_two_are_counted_at_once(weeks: Weeks, sql: Connection) -> None:
    somebody = factories.member(wallet=wallet())
    weeks.run(AFTER - WEEK)
    weeks.earn(somebody, Usdt.of(50))
    for number in range(2):
        weeks.scan(somebody, at=CUT + number * WEEK - HOUR)
        weeks.fill(HUNDRED, CUT + number * WEEK - HOUR)
    late = AFTER + WEEK
    while db.atomically(week_store.open_next, late):
        pass
    both = [SUNDAY, SUNDAY + WEEK]

    def step(tx: Tx, week_on: date, does: Callable[[Tx, Week, datetime], bool]) -> None:
        week = week_store.lock(tx, week_on)
        assert week
        does(tx, week, late)

    for week_on in both:
        db.atomically(step, week_on, share_store.count)
    run_blocked(
        sql,
        lambda tx: step(tx, both[0], proposal_store.propose),
        lambda: db.atomically(step, both[1], proposal_store.propose),
        before_the_end=lambda _: None,
    )
    for week_on in both:
        db.atomically(step, week_on, proposal_store.propose)
    assert weeks.rows("SELECT week_on, proposed FROM affiliate_weeks WHERE week_on >= $1 ORDER BY 1", SUNDAY) == [
        (both[0], HUNDRED.micro + 10_500_000), (both[1], HUNDRED.micro),
    ]  # fmt: skip


def test_an_approved_week_is_paid_in_one_transfer_each_with_everything_that_is_owed(
    weeks: Weeks, affiliate_driver: PayoutDriver
) -> None:
    somebody = factories.member(wallet=wallet())
    weeks.earn(somebody, Usdt.of(50))
    ready(weeks, somebody)
    assert weeks.week()["proposed"] == HUNDRED.micro + 10_500_000
    weeks.run()
    assert weeks.money_payouts() == []
    weeks.agree(treasurer())
    weeks.run()
    (payout,) = weeks.money_payouts()
    assert weeks.week()["state"] == "told"
    affiliate_driver.send(payout)
    affiliate_driver.finalize(payout)
    weeks.run()
    assert weeks.week()["state"] == "completed"
    assert weeks.payouts() == [(somebody.id, "paid", 110_500_000)]
    assert weeks.rows("SELECT status FROM affiliate_earnings") == [("paid",)]
    assert weeks.rows("SELECT settled_at IS NOT NULL FROM affiliate_week_shares") == [(True,)]
    assert weeks.rows("SELECT type, amount FROM wallet_transactions") == [("affiliate_deposit", 110_500_000)]
    assert weeks.rows("SELECT template FROM mails WHERE template LIKE 'aff%'") == [("affiliate_paid",)]
    assert weeks.balances() == {"settled:affiliate": 110_500_000, "match:affiliate": -10_500_000}


def test_everybody_is_told_their_share_once(weeks: Weeks) -> None:
    paid, owed = factories.member(wallet=wallet()), factories.member()
    ready(weeks, paid, owed)
    weeks.agree(treasurer())
    for _ in range(2):
        weeks.run()
    told = weeks.rows("SELECT member_id, params ->> 'amount' FROM notifications WHERE code = 'week_shared'")
    assert sorted(told) == sorted([(paid.id, "50.00"), (owed.id, "50.00")])
    said = weeks.rows("SELECT text, amount FROM feed_items WHERE kind = 'week_shared'")
    assert said == [("Affiliates share $100 for their week", 100_000_000)]


def test_whoever_has_no_wallet_is_owed_and_paid_when_one_is_linked(weeks: Weeks) -> None:
    somebody = factories.member()
    weeks.earn(somebody, Usdt.of(50))
    ready(weeks, somebody)
    assert weeks.week()["recipients"] == 0
    address = Account.create().address
    assert not db.atomically(payouts.pay_owed, factories.member().id, address, clock.now())
    weeks.agree(treasurer())
    weeks.run()
    assert weeks.balances()["owed:affiliate"] == HUNDRED.micro + 10_500_000
    for _ in range(2):
        db.atomically(payouts.pay_owed, somebody.id, address, clock.now())
    assert weeks.payouts() == [(somebody.id, "requested", 110_500_000)]


def test_a_share_that_nobody_has_agreed_to_is_not_paid_to_a_wallet_that_is_linked(weeks: Weeks) -> None:
    somebody = factories.member()
    ready(weeks, somebody)
    assert not db.atomically(payouts.pay_owed, somebody.id, wallet(), clock.now())


def test_less_than_the_least_amount_waits(weeks: Weeks) -> None:
    rich, poor = factories.member(wallet=wallet()), factories.member(wallet=wallet())
    weeks.scan(rich, 99)
    weeks.scan(poor, 1)
    weeks.fill(Usdt.of(99))
    weeks.run()
    weeks.agree(treasurer())
    weeks.run()
    assert weeks.payouts() == [(rich.id, "requested", 98_010_000)]
    weeks.scan(poor, 1, AFTER)
    weeks.fill(Usdt.of("0.01"), AFTER)
    weeks.run(AFTER + WEEK)
    weeks.agree(treasurer(), week_on=SUNDAY + WEEK)
    weeks.run(AFTER + WEEK)
    assert weeks.payouts()[1:] == [(poor.id, "requested", 1_000_000)]


def test_who_may_not_be_paid_any_more_is_left_out_and_stays_owed(weeks: Weeks, sql: Connection) -> None:
    suspended, moved, fine = (factories.member(wallet=wallet()) for _ in range(3))
    ready(weeks, suspended, moved, fine)
    assert weeks.week()["recipients"] == 3
    sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = $1", (suspended.id,))
    sql.execute_unnamed(
        "UPDATE members SET wallet_address = $2, updated_at = $3 WHERE id = $1", (moved.id, wallet(), AFTER)
    )
    weeks.agree(treasurer())
    weeks.run()
    assert {(who, state) for who, state, _ in weeks.payouts()} == {
        (suspended.id, "cancelled"), (moved.id, "cancelled"), (fine.id, "requested")
    }  # fmt: skip
    assert weeks.balances() == {"owed:affiliate": HUNDRED.micro}
    sql.execute_unnamed("UPDATE members SET status = 'active' WHERE id = $1", (suspended.id,))
    weeks.fill(Usdt.of(1), AFTER)
    weeks.scan(fine, 1, AFTER)
    weeks.run(AFTER + WEEK)
    assert weeks.week(SUNDAY + WEEK)["recipients"] == 3  # the changed wallet has rested


def test_a_payout_that_was_cancelled_gives_its_parts_back(weeks: Weeks, sql: Connection) -> None:
    somebody = factories.member(wallet=wallet())
    ready(weeks, somebody)
    weeks.agree(treasurer())
    weeks.run()
    sql.execute_simple("UPDATE payouts SET state = 'CANCELLED', state_at = now()")
    weeks.run()
    assert weeks.week()["state"] == "completed"
    weeks.scan(somebody, 1, AFTER)
    weeks.fill(Usdt.of(1), AFTER)
    weeks.run(AFTER + WEEK)
    assert weeks.week(SUNDAY + WEEK)["proposed"] == HUNDRED.micro + 1_000_000


def test_a_cancelled_comp_takes_back_a_match_that_was_paid(weeks: Weeks, affiliate_driver: PayoutDriver) -> None:
    somebody = factories.member(wallet=wallet())
    comp = weeks.earn(somebody, Usdt.of(50))
    ready(weeks, somebody)
    weeks.agree(treasurer())
    weeks.run()
    (payout,) = weeks.money_payouts()
    affiliate_driver.send(payout)
    affiliate_driver.finalize(payout)
    for _ in range(2):
        db.atomically(awards.cancel, comp, "A slip.", clock.now())
    assert weeks.rows("SELECT kind, amount, status FROM affiliate_earnings ORDER BY amount") == [
        ("reversal", -10_500_000, "pending"), ("prize_match", 10_500_000, "paid")
    ]  # fmt: skip
    assert weeks.rows("SELECT params ->> 'amount' FROM notifications WHERE code = 'match_reversed'") == [("10.50",)]
    weeks.scan(somebody, 1, AFTER)
    weeks.fill(Usdt.of(20), AFTER)
    weeks.run(AFTER + WEEK)
    assert weeks.week(SUNDAY + WEEK)["proposed"] == 9_500_000


def test_a_match_that_is_to_be_paid_is_reversed_and_not_cancelled(weeks: Weeks) -> None:
    somebody = factories.member(wallet=wallet())
    comp = weeks.earn(somebody, Usdt.of(50))
    ready(weeks, somebody)
    db.atomically(awards.cancel, comp, "A slip.", clock.now())
    weeks.agree(treasurer())
    weeks.run()
    assert weeks.payouts() == [(somebody.id, "requested", 110_500_000)]
    assert weeks.balances() == {"owed:affiliate": HUNDRED.micro}
    with pytest.raises(ConstraintViolated, match="earning_cancelled"), db.transaction() as tx:
        tx.run("UPDATE affiliate_earnings SET status = 'cancelled', cancelled_at = now() WHERE kind = 'prize_match'")


def test_a_debt_waits_for_earnings_that_cover_it(weeks: Weeks, affiliate_driver: PayoutDriver) -> None:
    somebody = factories.member(wallet=wallet())
    comp = weeks.earn(somebody, Usdt.of(1_000))
    db.atomically(payouts.pay_owed, somebody.id, _wallet(weeks, somebody), clock.now())
    (payout,) = weeks.money_payouts()
    affiliate_driver.send(payout)
    affiliate_driver.finalize(payout)
    db.atomically(awards.cancel, comp, "A slip.", clock.now())
    ready(weeks, somebody)
    assert weeks.week()["recipients"] == 0
    assert weeks.balances()["week:affiliate"] == HUNDRED.micro


def test_the_day_limit_does_not_hold_what_people_agreed_to_but_the_approver_waits_for_others(
    weeks: Weeks, affiliate_driver: PayoutDriver, sql: Connection
) -> None:
    sql.execute_simple(
        "UPDATE settings SET value = jsonb_set(value, '{affiliate,day}', '\"1.00\"') WHERE name = 'payout_limits'"
    )
    settings.forget()
    somebody, approver = factories.member(wallet=wallet()), factories.member(role=Role.TREASURY, wallet=wallet())
    ready(weeks, somebody, approver)
    assert weeks.week()["approvals"] == 2
    weeks.agree(approver)
    weeks.run()
    assert weeks.week()["state"] == "ready"
    weeks.agree(treasurer())
    weeks.run()
    for payout in 2 * weeks.money_payouts():  # the first one that is sent may wait for the other, which is before it
        affiliate_driver.send(payout)
    states = weeks.rows("SELECT member_id, CAST(state AS text), hold_reason, approvals_needed FROM payouts")
    assert sorted(states) == sorted([(somebody.id, "IN_FLIGHT", None, 0), (approver.id, "HELD", "review", 2)])
    assert weeks.rows("SELECT sum(amount) FROM treasury_days WHERE treasury = 'affiliate'") == [(None,)]


def test_a_week_asks_for_no_more_in_an_hour_than_the_machine_lets_go(
    weeks: Weeks, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payout_store, "PORTION", 2)
    sql.execute_simple(
        "UPDATE settings SET value = jsonb_set(value, '{affiliate,hour}', '\"50.00\"') WHERE name = 'payout_limits'"
    )
    settings.forget()
    people = [factories.member(wallet=wallet()) for _ in range(5)]
    ready(weeks, *people)
    weeks.agree(treasurer())
    asked = []
    for hour in range(4):
        weeks.run(AFTER + hour * (HOUR + timedelta(seconds=1)))
        asked.append(len(weeks.money_payouts()))
    assert asked == [2, 4, 5, 5]


def _wallet(weeks: Weeks, who: Somebody) -> str:
    return str(weeks.rows("SELECT wallet_address FROM members WHERE id = $1", who.id)[0][0])


def test_a_run_that_dies_in_a_portion_is_continued(weeks: Weeks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payout_store, "PORTION", 2)
    people = [factories.member(wallet=wallet()) for _ in range(7)]
    ready(weeks, *people)
    weeks.agree(treasurer())
    calls = 0
    promise = payouts.promise

    def dying(*given: object) -> None:
        nonlocal calls
        calls += 1
        promise(*given)  # type: ignore[arg-type]  # passed on as they came
        if calls % 2 == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(payouts, "promise", dying)
    for _ in range(20):
        try:
            weeks.run()
        except KeyboardInterrupt:
            continue
        break
    assert weeks.week()["state"] == "told"
    paid: list[UUID] = [who for who, state, _ in weeks.payouts() if state == "requested"]
    assert sorted(paid) == sorted(person.id for person in people)
    assert len(weeks.money_payouts()) == len(people)
