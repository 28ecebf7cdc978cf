"""Treasury admins see disputes and what differs in card payments, explain it, and have a day compared again."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from shared import clock
from shared.auth import Role
from tests import factories
from tests.client import FunctionClient, refusal
from tests.factories import Somebody
from tests.fakes import dispute_rows
from tests.fakes.card_lists import payment_finding

PATH = "/v1/admin/treasury"

pytest_plugins = ["tests.fakes.clock_plugin"]


@pytest.fixture
def somebody(database: str) -> Somebody:
    assert database
    return factories.member(role=Role.TREASURY)


@pytest.fixture
def admin(client: Callable[..., FunctionClient], somebody: Somebody) -> FunctionClient:
    return client(somebody.token)


def test_a_dispute_is_shown_with_its_order_and_date(admin: FunctionClient, sql: Connection) -> None:
    order_id = dispute_rows.opened(sql, factories.member())
    (shown,) = admin.get("/v1/admin/disputes?state=open").body["items"]
    assert (shown["order_id"], shown["reference"], shown["amount"]) == (str(order_id), "dp_1", 5.0)
    assert (shown["state"], shown["evidence_by"]) == ("open", "2026-12-08T12:00:00Z")
    assert shown["order_state"] == "confirmed"
    assert admin.get("/v1/admin/disputes?state=won").body["items"] == []


def test_a_finding_is_explained_once_and_audited(admin: FunctionClient, somebody: Somebody, sql: Connection) -> None:
    made = payment_finding()
    answer = admin.post(f"{PATH}/payment-findings/{made}/resolve", {"explanation": "A refund by hand"})
    assert (answer.status, answer.body["resolved_by"]) == (200, str(somebody.id))
    assert answer.body["resolution"] == "A refund by hand"
    again = admin.post(f"{PATH}/payment-findings/{made}/resolve", {"explanation": "Another reason"})
    assert refusal(again) == (409, "finding-resolved")
    assert refusal(admin.post(f"{PATH}/payment-findings/{uuid4()}/resolve", {"explanation": "xxx"})) == (
        404,
        "not-found",
    )
    lines = sql.execute_simple("SELECT action, resource_id FROM audit_logs").rows
    assert lines == [["payment_finding.resolve", str(made)]]


def test_nobody_explains_a_finding_about_their_own_payment(
    admin: FunctionClient, somebody: Somebody, sql: Connection
) -> None:
    dispute_rows.opened(sql, somebody)
    made = payment_finding()
    sql.execute_unnamed("UPDATE payment_findings SET kind = 'dispute_differs', ref = 'dp_1' WHERE id = $1", (made,))
    answer = admin.post(f"{PATH}/payment-findings/{made}/resolve", {"explanation": "A refund by hand"})
    assert refusal(answer)[1] == "own-interest"


def test_a_day_that_is_over_is_compared_again(admin: FunctionClient, sql: Connection) -> None:
    yesterday = clock.now().date() - timedelta(days=1)
    assert admin.post(f"{PATH}/payment-comparisons", {"day": yesterday.isoformat()}).status == 202
    queued = sql.execute_simple("SELECT destination, body FROM outbox WHERE kind = 'task'").rows
    assert queued == [["payment-reconciliation", {"day": yesterday.isoformat()}]]
    for days in (1, -366):
        day = (yesterday + timedelta(days=days)).isoformat()
        assert refusal(admin.post(f"{PATH}/payment-comparisons", {"day": day})) == (409, "day-not-over")
    assert refusal(admin.post(f"{PATH}/payment-comparisons", {"day": "2026-13-01"}))[0] == 422
