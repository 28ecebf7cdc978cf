"""A comp's payment that is tried again is never paid twice; what may still pay is followed, what people hold stays."""

from collections.abc import Callable
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from shared import clock, db
from shared.auth import Role
from shared.payouts import machine
from shared.payouts.machine import HoldReason
from shared.values.money import Usdt
from tests import factories
from tests.client import FunctionClient
from tests.fakes import comp_records
from tests.fakes.payout_driver import PayoutDriver

pytest_plugins = ["tests.fakes.payout_plugin"]

WALLET = "0x52908400098527886E0F7030069857D2E4169EE7"


@pytest.fixture
def admin(client: Callable[..., FunctionClient]) -> FunctionClient:
    return client(factories.member(role=Role.OPERATIONS).token)


def comp(sql: Connection, wallet: str | None = WALLET) -> tuple[str, UUID | None]:
    """A comp that no second person has to agree to, and its payout."""
    made = str(comp_records.award_comp(factories.member(wallet=wallet), Usdt.of(5)))
    rows = sql.execute_simple(f"SELECT id FROM payouts WHERE source_id = '{made}'").rows
    return made, rows[0][0] if rows else None


def retry(admin: FunctionClient, identity: str) -> tuple[int, str, str]:
    answer = admin.post(f"/v1/admin/comps/retry/{identity}")
    return answer.status, answer.problem or answer.body["outcome"], answer.body.get("state", "")


def test_it_goes_on_from_where_it_stands_and_is_paid_once(
    admin: FunctionClient, payout_driver: PayoutDriver, sql: Connection
) -> None:
    made, payout = comp(sql)
    assert payout
    assert retry(admin, made) == (200, "sent_on", "REQUESTED")
    payout_driver.send(payout)
    assert retry(admin, made) == (200, "looked_at", "IN_FLIGHT")
    payout_driver.send(payout)
    payout_driver.finalize(payout)
    assert retry(admin, made) == (200, "over", "PAID")

    assert len(payout_driver.chain.transfers()) == 1
    assert sql.execute_simple("SELECT count(*) FROM payout_slots").rows == [[1]]
    logged = sql.execute_simple("SELECT changes ->> 'outcome' FROM audit_logs WHERE action = 'comp.retry' ORDER BY id")
    assert [outcome for (outcome,) in logged.rows] == ["sent_on", "looked_at", "over"]


def test_what_people_hold_stays_held(admin: FunctionClient, sql: Connection) -> None:
    made, payout = comp(sql)
    assert payout
    found = db.atomically(lambda tx: machine.load(tx, payout))
    assert found
    db.atomically(lambda tx: machine.hold_back(tx, found, HoldReason.REVIEW, clock.now(), approvals_needed=2))

    answer = admin.post(f"/v1/admin/comps/retry/{made}")

    assert (answer.problem, answer.body["hold_reason"]) == ("retry-not-allowed", "review")


def test_what_is_not_being_paid_is_said(admin: FunctionClient, sql: Connection) -> None:
    made, payout = comp(sql, wallet=None)

    assert payout is None
    assert retry(admin, made)[1] == "comp-not-requested"
    assert retry(admin, "00000000-0000-4000-8000-000000000000")[1] == "not-found"


def test_it_is_for_operations(client: Callable[..., FunctionClient], sql: Connection) -> None:
    made, _ = comp(sql)

    assert retry(client(factories.member(role=Role.SUPPORT).token), made)[1] == "not-allowed"
