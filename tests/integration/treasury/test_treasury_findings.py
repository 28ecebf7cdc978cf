"""Reconciliations are started and read through the API; a finding is explained, the books follow, and work goes on."""

from collections.abc import Callable
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.ledger_seal import main as ledger_seal
from functions.reconciliation import main as reconciliation
from shared import clock
from shared.events import Reconcile
from tests.client import FunctionClient
from tests.fakes.nodes import FakeNodes
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import PayoutRows
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin

pytest_plugins = ["tests.fakes.treasury_plugin"]

PATH = "/v1/admin/treasury"


@pytest.fixture
def admin(client: Callable[..., FunctionClient], two_nodes: FakeNodes) -> TreasuryAdmin:
    assert two_nodes
    return treasury_admin(client)


def start(admin: TreasuryAdmin) -> str:
    """Ask for one and do its task."""
    made = admin.client.post(f"{PATH}/reconciliations", None)
    assert (made.status, made.body["status"], made.body["pools"]) == (202, "pending", [])
    identity: str = made.body["id"]
    reconciliation.again(Reconcile(reconciliation_id=UUID(identity)), clock.now())
    return identity


def test_one_is_started_and_read(admin: TreasuryAdmin, payout_driver: PayoutDriver, sql: Connection) -> None:
    paid = payout_driver.request()
    payout_driver.send(paid)
    payout_driver.finalize(paid)
    identity = start(admin)

    tasks = sql.execute_simple("SELECT body ->> 'reconciliation_id' FROM outbox WHERE function = 'reconciliation'").rows
    assert tasks == [[identity]]
    told = admin.client.get(f"{PATH}/reconciliations/{identity}").body
    assert (told["status"], told["badge"], told["day"]) == ("balanced", "balanced", None)
    member = {it["pool"]: it for it in told["pools"]}["member"]
    assert (member["payouts_matched"], member["amount_matched"], member["difference"]) == (1, 5, 0)
    assert [it["id"] for it in admin.client.get(f"{PATH}/reconciliations").body["items"]] == [identity]
    shown = admin.client.get(f"{PATH}/payouts/{paid}").body
    assert shown["compared_on"] == clock.now().date().isoformat()


def test_a_finding_is_explained_the_books_follow_and_the_treasury_goes_on(
    admin: TreasuryAdmin, two_nodes: FakeNodes, rows: PayoutRows, sql: Connection
) -> None:
    stolen = two_nodes.steal(rows.signer(), 12_500_000)
    two_nodes.finish()
    start(admin)
    (finding,) = admin.client.get(f"{PATH}/findings?state=open&pool=member").body["items"]
    assert (finding["kind"], finding["found"], finding["transaction_hash"]) == ("unknown_transfer", 12.5, stolen)
    resume = f"{PATH}/pools/member/resume"
    refused = admin.client.post(resume, {"reason": "it is late", "totp": admin.code()})
    assert (refused.problem, refused.body["findings"]) == ("findings-open", 1)

    path = f"{PATH}/findings/{finding['id']}/resolve"
    body = {"explanation": "sent by hand while the functions were down"}
    assert admin.client.post(path, body | {"totp": "000000"}).problem == "second-factor-wrong"
    resolved = admin.client.post(path, body | {"totp": admin.code()})
    assert (resolved.status, resolved.body["resolved_by"]) == (200, str(admin.somebody.id))
    assert admin.client.post(path, body | {"totp": admin.code()}).problem == "finding-resolved"
    assert admin.client.post(resume, {"reason": "explained", "totp": admin.code()}).status == 200

    identity = start(admin)
    told = admin.client.get(f"{PATH}/reconciliations/{identity}").body
    assert (told["status"], told["badge"]) == ("balanced", "balanced")
    assert {it["pool"]: it["difference"] for it in told["pools"]}["member"] == 0
    assert ledger_seal.check() == []
    journal = (
        "SELECT account, amount FROM ledger_postings JOIN ledger_journals ON id = journal_id "
        f"WHERE ref = 'adjust:{finding['id']}'"
    )
    assert sql.execute_simple(f"{journal} ORDER BY 1").rows == [
        ["external:member", 12_500_000],
        ["treasury:member", -12_500_000],
    ]


def test_an_explained_balance_is_balanced_and_the_next_difference_is_new(
    admin: TreasuryAdmin, two_nodes: FakeNodes, sql: Connection
) -> None:
    two_nodes.one.richer = two_nodes.other.richer = 3
    start(admin)
    for finding in admin.client.get(f"{PATH}/findings?state=open").body["items"]:
        path = f"{PATH}/findings/{finding['id']}/resolve"
        assert admin.client.post(path, {"explanation": "a gift", "totp": admin.code()}).status == 200

    assert admin.client.get(f"{PATH}/reconciliations/{start(admin)}").body["status"] == "balanced"
    two_nodes.one.richer = two_nodes.other.richer = 6
    assert admin.client.get(f"{PATH}/reconciliations/{start(admin)}").body["status"] == "discrepancy"
    states = sql.execute_simple("SELECT count(*), count(resolved_at) FROM reconciliation_findings").rows
    assert states == [[8, 4]]


def test_what_there_is_not_is_not_found(admin: TreasuryAdmin) -> None:
    nothing = "00000000-0000-4000-8000-000000000000"
    assert admin.client.get(f"{PATH}/reconciliations/{nothing}").problem == "not-found"
    assert admin.client.get(f"{PATH}/payouts/{nothing}").problem == "not-found"
    assert admin.client.get(f"{PATH}/transfers/{nothing}").problem == "not-found"
    body = {"explanation": "none", "totp": admin.code()}
    assert admin.client.post(f"{PATH}/findings/{nothing}/resolve", body).problem == "not-found"
