"""Awards to somebody whose bank disputes a payment wait until a treasury admin has looked at it."""

from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from shared import db
from shared.auth import Role
from shared.values.money import Usdt
from tests import factories
from tests.factories import Somebody
from tests.fakes import comp_records, dispute_rows
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import PayoutRows
from tests.fakes.treasury_rows import release

pytest_plugins = ["tests.fakes.payout_plugin"]

WALLET = "0x52908400098527886E0F7030069857D2E4169EE7"


@pytest.fixture
def buyer(payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection) -> Somebody:
    payout_driver.chain.mint(rows.signer(), 10**12)
    payout_driver.chain.mine(20)
    buyer = factories.member(wallet=WALLET)
    dispute_rows.opened(sql, buyer)
    return buyer


def won(winner: Somebody) -> UUID:
    comp_records.award_comp(winner, Usdt.of(100))
    with db.transaction() as tx:
        return tx.scalar(UUID, "SELECT id FROM payouts WHERE member_id = :id", id=winner.id)


def outcome(payout_driver: PayoutDriver, payout: UUID) -> tuple[str, str | None]:
    payout_driver.try_to_send(payout)
    row = payout_driver.row(payout)
    return row.state.value, row.hold_reason and row.hold_reason.value


def test_what_a_buyer_wins_waits_for_a_person_while_their_bank_disputes(
    buyer: Somebody, payout_driver: PayoutDriver
) -> None:
    payout = won(buyer)
    assert outcome(payout_driver, payout) == ("HELD", "review")
    release(payout, [factories.member(role=Role.TREASURY).id])
    assert outcome(payout_driver, payout) == ("IN_FLIGHT", None)


def test_what_others_win_does_not_wait(buyer: Somebody, payout_driver: PayoutDriver) -> None:
    assert buyer.id
    other = factories.member(wallet="0x" + "Cd" * 20)
    assert outcome(payout_driver, won(other)) == ("IN_FLIGHT", None)


@pytest.mark.parametrize(
    ("state", "withdrawn", "expected"),
    [
        ("inquiry", 0, ("IN_FLIGHT", None)),
        ("won", 0, ("IN_FLIGHT", None)),
        ("lost", 5_000_000, ("HELD", "review")),
    ],
)
def test_a_payment_that_was_taken_back_holds_awards_and_one_that_was_given_back_does_not(
    buyer: Somebody,
    payout_driver: PayoutDriver,
    sql: Connection,
    state: str,
    withdrawn: int,
    expected: tuple[str, str | None],
) -> None:
    sql.execute_unnamed(
        "UPDATE disputes SET state = $1, withdrawn = $2, decided_at = CASE WHEN $3 THEN now() END",
        (state, withdrawn, state in ("won", "lost")),
    )
    assert outcome(payout_driver, won(buyer)) == expected
