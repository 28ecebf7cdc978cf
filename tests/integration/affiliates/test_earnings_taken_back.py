"""An earning is taken back once: cancelled, or reversed when a payout may pay it, whatever happens to that payout."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from shared import clock, db
from shared.affiliates import earnings, payouts
from shared.auth import Role
from shared.db import ConstraintViolated, Tx
from shared.values.money import Usdt
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.lock_waits import run_blocked
from tests.fakes.treasury_admins import treasury_admin
from tests.fakes.week_rows import AFTER, Weeks, wallet

Client = Callable[..., FunctionClient]

REVERSED = [("reversal", -10_500_000, "pending"), ("prize_match", 10_500_000, "pending")]


@pytest.fixture
def weeks(sql: Connection) -> Weeks:
    return Weeks(sql)


def take_back(earning_id: UUID) -> bool:
    def work(tx: Tx) -> bool:
        found = earnings.lock(tx, earning_id)
        return found is not None and earnings.take_back(tx, found, clock.now())

    return db.atomically(work)


def match(weeks: Weeks, somebody: Somebody) -> UUID:
    """A match of 10.50 that the affiliate has earned."""
    weeks.earn(somebody, Usdt.of(50))
    ((made,),) = weeks.rows("SELECT id FROM affiliate_earnings WHERE affiliate_id = $1", somebody.id)
    return UUID(str(made))


def proposed(weeks: Weeks, somebody: Somebody) -> None:
    """A week that would pay the affiliate a hundred and what else is owed."""
    weeks.scan(somebody)
    weeks.fill(Usdt.of(100))
    weeks.run()


def left(weeks: Weeks) -> list[Any]:
    return weeks.rows("SELECT kind, amount, status FROM affiliate_earnings ORDER BY amount")


def test_a_reversed_earning_is_not_taken_back_again_after_its_week_was_rejected(weeks: Weeks) -> None:
    somebody = factories.member(wallet=wallet())
    earning = match(weeks, somebody)
    proposed(weeks, somebody)
    assert take_back(earning)
    assert not take_back(earning)
    weeks.agree(factories.member(role=Role.TREASURY), verdict="reject")
    weeks.run()
    assert not take_back(earning)
    assert left(weeks) == REVERSED
    assert weeks.balances() == {"week:affiliate": 100_000_000}


def test_a_reversed_earning_is_not_taken_back_again_after_its_payout_was_cancelled(weeks: Weeks) -> None:
    somebody = factories.member(wallet=wallet())
    earning = match(weeks, somebody)
    proposed(weeks, somebody)
    assert take_back(earning)
    db.atomically(payouts.withdraw_proposed, somebody.id, AFTER)
    assert not take_back(earning)
    assert left(weeks) == REVERSED


def test_the_schema_cancels_no_earning_that_was_reversed(weeks: Weeks) -> None:
    somebody = factories.member(wallet=wallet())
    earning = match(weeks, somebody)
    proposed(weeks, somebody)
    assert take_back(earning)
    db.atomically(payouts.withdraw_proposed, somebody.id, AFTER)
    with pytest.raises(ConstraintViolated, match="earning_cancelled"), db.transaction() as tx:
        tx.run("UPDATE affiliate_earnings SET status = 'cancelled', cancelled_at = now() WHERE id = :id", id=earning)


def test_an_award_that_was_taken_back_is_told_as_an_award(client: Client, weeks: Weeks) -> None:
    somebody, admin = factories.member(wallet=wallet()), treasury_admin(client)
    earned = []
    for amount in (30, 40):
        body = {"amount": amount, "reason": "For the launch", "totp": admin.code()}
        made = admin.client.post(f"/v1/admin/affiliates/{somebody.id}/award", body)
        earned.append(UUID(made.body["id"]))
        if amount == 30:
            proposed(weeks, somebody)
    assert [take_back(earning) for earning in earned] == [True, True]
    told = weeks.rows("SELECT code, params ->> 'amount', body FROM notifications WHERE code LIKE 'award_%' ORDER BY 2")
    assert told == [
        ("award_reversed", "30.00", "Your next payment is less by it."),
        ("award_cancelled", "40.00", "It will not be paid."),
    ]
    assert weeks.rows("SELECT 1 FROM notifications WHERE code LIKE 'match_%'") == []


def test_an_earning_that_is_put_into_a_payout_meanwhile_is_reversed(
    client: Client, weeks: Weeks, sql: Connection
) -> None:
    somebody, admin = factories.member(), treasury_admin(client)
    earning = match(weeks, somebody)
    answer = run_blocked(
        sql,
        lambda tx: payouts.pay_owed(tx, somebody.id, wallet(), clock.now()),
        lambda: admin.client.post(f"/v1/admin/affiliates/earnings/{earning}/reverse", {"reason": "A slip"}),
        before_the_end=lambda _: None,
    )
    assert answer.status == 200
    assert left(weeks) == REVERSED
