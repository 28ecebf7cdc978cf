"""Members see the newest balance of each account at a bank, with its age, and why there is none."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from emulators.bank import BankAccount, BankEnrollment, BankStandIn
from functions.figure_rollup import main, steady_store
from functions.insights import memory
from shared import db
from tests import factories
from tests.client import FunctionClient
from tests.fakes.bank_client import BankOwner, sync
from tests.fakes.invoker import FunctionInvoker

Client = Callable[..., FunctionClient]


@pytest.fixture
def bank_id(owner: BankOwner, enrollment: BankEnrollment) -> UUID:
    return owner.connect(enrollment)


@pytest.fixture
def page(client: Client, database: str) -> Callable[[], dict[str, Any]]:
    """Works the figures out and shows them as a member sees them."""
    assert database
    member = client(factories.member().token)

    def shown() -> dict[str, Any]:
        with db.acting_for("figure_rollup"):
            main.work(steady_store.figures)
        memory.forget()
        return dict(member.get("/v1/insights/treasury").body)

    return shown


def test_without_a_bank_the_reason_is_told(page: Callable[[], dict[str, Any]]) -> None:
    body = page()
    assert body["bank_balances"] is None
    assert body["reasons"]["bank_balances"] == "No bank account is connected."
    assert "bank_balances" not in body["stale"]


def test_the_newest_balance_of_each_account_is_shown(
    bank_id: UUID, enrollment: BankEnrollment, jobs: FunctionInvoker, page: Callable[[], dict[str, Any]]
) -> None:
    assert page()["bank_balances"] is None  # connected, and not read yet
    assert sync(jobs, bank_id) == 204
    operating = next(iter(enrollment.accounts.values()))
    operating.ledger, operating.available = "-0.10", None
    assert sync(jobs, bank_id) == 204

    body = page()

    shown = [(each["name"], each["last_four"], each["ledger"], each["available"]) for each in body["bank_balances"]]
    assert shown == [("operating", "7890", -0.1, None), ("reserve", "1234", 28575.02, 28500.0),
                     ("comp_pool", "5555", 28575.02, 28500.0)]  # fmt: skip
    assert {(each["institution"], each["currency"], each["state"]) for each in body["bank_balances"]} == {
        ("Security Credit Union", "USD", "active")
    }
    assert body["as_of"]["bank_balances"] == min(each["synced_at"] for each in body["bank_balances"])
    assert "bank_balances" not in body["stale"]


def test_an_old_balance_is_shown_as_old(
    bank_id: UUID, enrollment: BankEnrollment, bank: BankStandIn, jobs: FunctionInvoker, sql: Connection,
    page: Callable[[], dict[str, Any]],
) -> None:  # fmt: skip
    assert sync(jobs, bank_id) == 204
    bank.disconnect(enrollment)
    assert sync(jobs, bank_id) == 204
    sql.execute_simple("UPDATE bank_balances SET at = at - interval '7 hours 1 minute'")
    body = page()
    assert {each["state"] for each in body["bank_balances"]} == {"needs_reauth"}
    assert "bank_balances" in body["stale"]


def test_the_figure_is_as_old_as_its_oldest_balance(
    bank_id: UUID, jobs: FunctionInvoker, sql: Connection, page: Callable[[], dict[str, Any]]
) -> None:
    assert sync(jobs, bank_id) == 204
    sql.execute_simple(
        "UPDATE bank_balances SET at = at - interval '3 hours' WHERE connection_id ="
        " (SELECT id FROM teller_connections WHERE name = 'reserve')"
    )
    body = page()
    oldest = next(each["synced_at"] for each in body["bank_balances"] if each["name"] == "reserve")
    assert body["as_of"]["bank_balances"] == oldest


def test_a_first_balance_that_comes_right_after_there_was_none_is_shown(
    owner: BankOwner, bank: BankStandIn, jobs: FunctionInvoker, page: Callable[[], dict[str, Any]], sql: Connection
) -> None:
    """The balance was told before the figure was worked out, and committed after it."""
    bank_id = owner.connect(bank.enroll(BankAccount("acc_1", "0001")))
    assert page()["bank_balances"] is None
    assert sync(jobs, bank_id) == 204
    sql.execute_simple("UPDATE bank_balances SET at = at - interval '1 minute'")
    assert [each["last_four"] for each in page()["bank_balances"]] == ["0001"]


def test_a_disconnected_bank_is_not_shown(
    bank_id: UUID, owner: BankOwner, jobs: FunctionInvoker, page: Callable[[], dict[str, Any]], sql: Connection
) -> None:
    assert sync(jobs, bank_id) == 204
    assert page()["bank_balances"]
    sql.execute_simple(
        "ALTER TABLE figures DISABLE TRIGGER figure_is_newer;"
        "UPDATE figures SET as_of = as_of - interval '1 hour' WHERE name = 'bank_balances'"
    )
    owner.disconnect(bank_id)
    assert page()["bank_balances"] is None
    assert datetime.fromisoformat(page()["as_of"]["bank_balances"]) <= datetime.now(UTC)
