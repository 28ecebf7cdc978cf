"""The statements of docs/payouts.md, which people type at 3 a.m., work as they stand there."""

from uuid import UUID

from emulators.contract import ROOT
from shared import clock
from terraform.operations.payouts import answer
from tests import documents, factories
from tests.fakes.payout_rows import PayoutRows

pytest_plugins = ["tests.fakes.payout_plugin"]

DOCUMENT = ROOT / "docs" / "payouts.md"
STATES = ("REQUESTED", "CANCELLED", "HELD", "APPROVED", "RESERVED", "IN_FLIGHT", "PAID", "QUARANTINED")


def run(rows: PayoutRows, kind: str, payout: UUID, member: UUID) -> int:
    """All statements of a kind; how many there were."""
    chosen = [statement for statement in documents.statements("payouts.md") if statement.startswith(kind)]
    for statement in chosen:
        rows.login.run(statement, x=payout, my_member_id=member)
    return len(chosen)


def test_every_question_can_be_asked(rows: PayoutRows) -> None:
    payouts = [rows.payout(state) for state in STATES]

    assert run(rows, "SELECT", payouts[-1], payouts[-1]) > 5


def test_the_ledger_agrees_with_the_states(rows: PayoutRows) -> None:
    for state in STATES:
        rows.payout(state)
    (question,) = [statement for statement in documents.statements("payouts.md") if "AS promised" in statement]

    in_flight, promised = rows.login.run(question)[0]

    assert in_flight == promised == 3 * 5_000_000  # RESERVED, IN_FLIGHT, QUARANTINED


def test_a_held_payout_is_released_by_one_who_may(rows: PayoutRows) -> None:
    payout = rows.payout("HELD")

    run(rows, "INSERT", payout, factories.member().id)
    for statement in documents.statements("payouts.md"):
        if statement.startswith("UPDATE payouts"):
            rows.login.run(statement, x=payout)

    assert rows.state(payout) == "APPROVED"


def test_a_treasury_is_paused_and_goes_on(rows: PayoutRows) -> None:
    (stop,) = [
        statement for statement in documents.statements("payouts.md") if statement.startswith("UPDATE treasuries")
    ]
    assert "make payouts ARGS='resume member \"why\"'" in DOCUMENT.read_text()

    rows.login.run(stop)
    assert rows.login.value("SELECT paused_at IS NOT NULL FROM treasuries WHERE name = 'member'")
    answer("resume", ["member", "why"], clock.now())
    assert not rows.login.value("SELECT paused_at IS NOT NULL FROM treasuries WHERE name = 'member'")
