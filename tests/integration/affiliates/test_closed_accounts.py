"""An affiliate who closes the account gives up what a week would pay, whenever that happens."""

from datetime import datetime
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from functions.admin_affiliates import earning_store
from functions.admin_affiliates.earning_store import Award
from functions.affiliate_week import main
from functions.profile import closing
from functions.profile.rules import AccountCannotBeDeleted
from shared import clock, db
from shared.affiliates import earnings
from shared.auth import Role
from shared.db import Tx
from shared.ledger import journals
from shared.values.money import Usdt
from shared.values.states import EarningStatus
from tests import factories
from tests.factories import Somebody
from tests.fakes.lock_waits import run_blocked
from tests.fakes.week_rows import AFTER, SUNDAY, Weeks, wallet

HUNDRED = Usdt.of(100)


@pytest.fixture
def weeks(sql: Connection) -> Weeks:
    return Weeks(sql)


def ready(weeks: Weeks, *people: Somebody) -> None:
    for person in people:
        weeks.scan(person)
    weeks.fill(HUNDRED)
    weeks.run()


def close_beside(sql: Connection, somebody: Somebody) -> None:
    """Leave the account closed, as by a closing that saw nothing of what the week's job was about to commit."""
    sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (somebody.id,))


def award(owner: Somebody, amount: Usdt, status: EarningStatus) -> UUID:
    def work(tx: Tx, now: datetime) -> UUID:
        made = uuid4()
        given = Award(owner.id, factories.member(role=Role.TREASURY).id, amount, status)
        earning_store.insert_award(tx, made, given, reason="For the launch", now=now)
        journals.move(tx, str(made), earnings.ACCOUNTS["manual"], earnings.OWED, amount, now=now)
        return made

    return db.atomically(work, clock.now())


def test_a_week_that_was_proposed_while_an_account_was_closed_is_promised_without_it(
    weeks: Weeks, sql: Connection
) -> None:
    gone, here = factories.member(wallet=wallet()), factories.member(wallet=wallet())
    ready(weeks, gone, here)
    close_beside(sql, gone)
    weeks.agree(factories.member(role=Role.TREASURY))
    weeks.run()
    half = HUNDRED.micro // 2
    assert sorted(weeks.payouts()) == sorted([(gone.id, "cancelled", half), (here.id, "requested", half)])
    assert weeks.balances() == {"pool:affiliate": half, "owed:affiliate": half}
    assert weeks.rows("SELECT affiliate_id FROM affiliate_payout_lines WHERE released_at IS NOT NULL") == [(gone.id,)]


def test_a_share_that_was_promised_while_an_account_was_closed_is_given_up_with_the_week(
    weeks: Weeks, sql: Connection
) -> None:
    gone, here = factories.member(), factories.member(wallet=wallet())
    ready(weeks, gone, here)
    weeks.agree(factories.member(role=Role.TREASURY))
    weeks.run()
    close_beside(sql, gone)
    weeks.run()
    assert weeks.week()["state"] == "told"
    sql.execute_simple("UPDATE payouts SET state = 'CANCELLED', state_at = now()")
    weeks.run()
    assert weeks.week()["state"] == "completed"
    half = HUNDRED.micro // 2
    assert weeks.balances() == {"pool:affiliate": half, "owed:affiliate": half}
    assert weeks.rows("SELECT affiliate_id FROM affiliate_week_shares WHERE given_up") == [(gone.id,)]


def test_an_account_is_not_closed_while_its_payout_is_asked_for(weeks: Weeks, sql: Connection) -> None:
    somebody = factories.member(wallet=wallet())
    ready(weeks, somebody)
    weeks.agree(factories.member(role=Role.TREASURY))
    db.atomically(main._step, SUNDAY, AFTER)
    assert weeks.week()["state"] == "approved"
    with pytest.raises(AccountCannotBeDeleted):
        run_blocked(
            sql,
            lambda tx: main._step(tx, SUNDAY, AFTER),
            lambda: db.atomically(closing.close, somebody.id, forfeit=True, now=AFTER),
            before_the_end=lambda _: None,
        )
    assert weeks.payouts() == [(somebody.id, "requested", HUNDRED.micro)]


def test_awards_are_given_up_with_the_account(weeks: Weeks) -> None:
    somebody, other = factories.member(), factories.member()
    award(somebody, Usdt.of(250), EarningStatus.PENDING)
    award(somebody, Usdt.of(5_000), EarningStatus.IN_REVIEW)
    weeks.earn(somebody, Usdt.of(50))
    kept = award(other, Usdt.of(1), EarningStatus.PENDING)
    with pytest.raises(AccountCannotBeDeleted):
        db.atomically(closing.close, somebody.id, forfeit=False, now=AFTER)
    db.atomically(closing.close, somebody.id, forfeit=True, now=AFTER)
    assert weeks.rows("SELECT id FROM affiliate_earnings WHERE status <> 'cancelled'") == [(kept,)]
    assert weeks.balances() == {"owed:affiliate": 1_000_000}
