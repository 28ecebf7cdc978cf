"""Only people with the role may explain a foreign transaction, and none who owns a wallet that it could be about."""

from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from shared import clock, db
from shared.auth import Role
from shared.payouts import explanations, machine
from tests import factories
from tests.factories import Somebody
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import RECIPIENT, PayoutRows
from tests.fakes.rebuilding import pay_one_of_two_alike

pytest_plugins = ["tests.fakes.payout_plugin"]

may_not = pytest.mark.parametrize(
    "change", ["role = 'support'", "status = 'suspended'", f"wallet_address = '{RECIPIENT}'"]
)
of_ours_or_not = pytest.mark.parametrize("is_ours", [True, False])


@may_not
@of_ours_or_not
def test_whoever_may_not_says_nothing(
    change: str, is_ours: bool, payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    payout, _ = pay_one_of_two_alike(payout_driver, sql)
    person = factories.member(role=Role.TREASURY)
    sql.execute_unnamed(f"UPDATE members SET {change} WHERE id = $1", (person.id,))

    with pytest.raises(machine.OwnPayout):
        says(rows, person, payout if is_ours else None)


@may_not
@of_ours_or_not
def test_what_was_said_by_somebody_who_may_not_any_more_does_not_count(
    change: str, is_ours: bool, payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    payout, _ = pay_one_of_two_alike(payout_driver, sql)
    meant = payout if is_ours else None
    first, second, third = (factories.member(role=Role.TREASURY) for _ in range(3))
    assert says(rows, first, meant) == 1
    sql.execute_unnamed(f"UPDATE members SET {change} WHERE id = $1", (first.id,))

    assert says(rows, second, meant) == 1
    assert says(rows, third, meant) == 2


def says(rows: PayoutRows, person: Somebody, meant: UUID | None) -> int:
    """How many people say the same now."""
    return db.atomically(
        lambda tx: explanations.explain(tx, rows.signer(), 0, meant, person.id, "seen", clock.now())
    ).given
