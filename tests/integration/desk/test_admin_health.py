"""Admins read how well each part of the platform is, and what they do about what is not well."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pg8000.dbapi import Connection

from functions.admin_desk.schedules import CRONTABS
from shared.auth import Role
from shared.figures.names import Name
from tests import factories
from tests.client import FunctionClient
from tests.fakes.bank_rows import bank
from tests.fakes.plain_rows import put, unchecked

Client = Callable[..., FunctionClient]


@pytest.fixture
def health(client: Client, sql: Connection) -> Callable[[], dict[str, Any]]:
    """Reads the health of a platform where all is well."""
    admin = client(factories.member(role=Role.OPERATIONS).token)
    for name in CRONTABS:
        job, _, schedule = name.partition("/")
        sql.execute_unnamed("INSERT INTO job_runs VALUES ($1, $2, now(), 7, NULL)", (job, schedule))
    sql.execute_unnamed("INSERT INTO figures VALUES ($1, '[]', NULL, now(), 7200)", (Name.ON_CHAIN_BALANCES.value,))
    sql.execute_simple("UPDATE outbox SET published_at = now(); UPDATE mails SET status = 'sent', finished_at = now()")

    def read() -> dict[str, Any]:
        answer = admin.get("/v1/admin/health")
        assert answer.status == 200, answer.body
        return dict(answer.body)

    return read


def part(shown: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [each for each in shown["parts"] if each["name"] == name]
    return dict(found)


def test_all_is_well_without_remedies(health: Callable[[], dict[str, Any]]) -> None:
    shown = health()
    assert [each for each in (*shown["parts"], *shown["schedules"]) if each["status"] != "ok"] == []
    assert shown["status"] == "ok"
    assert {each["remedy"] for each in (*shown["parts"], *shown["schedules"])} == {None}
    assert len(shown["schedules"]) == len(CRONTABS)


@pytest.mark.parametrize(
    ("name", "age", "status"),
    [
        ("outbox", "3 minutes", "degraded"),
        ("outbox", "16 minutes", "down"),
        ("mails", "31 minutes", "degraded"),
        ("tax_reports", "73 hours", "down"),
        ("age_checks", "3 hours", "degraded"),
        ("payouts", "2 hours", "degraded"),
        ("support", "25 hours", "down"),
    ],
)
def test_what_waits_too_long_is_told_with_a_remedy(
    health: Callable[[], dict[str, Any]], sql: Connection, name: str, age: str, status: str
) -> None:
    ((since,),) = sql.execute_simple(f"SELECT now() - interval '{age}'").rows
    someone = factories.member().id
    waiting: dict[str, tuple[str, dict[str, object]]] = {
        "outbox": ("outbox", {"kind": "event", "destination": "x", "body": {}, "created_at": since}),
        "mails": ("mails", {"id": someone, "dedupe_key": "x", "to_email": "x", "to_name": "x", "template": "x",
                            "parameters": {}, "queued_at": since}),
        "tax_reports": ("tax_reports", {"id": someone, "order_id": someone, "recorded_at": since, "look_at": since}),
        "age_checks": ("age_checks", {"id": someone, "member_id": someone, "recorded_at": since}),
        "payouts": ("payouts", {"id": someone, "treasury": "member", "scope": "x", "idempotency_key": "x",
                                "body_hash": b"x", "source_kind": "test", "source_id": "x", "amount": 1,
                                "recipient_address": f"0x{'ab' * 20}", "requested_at": since, "state_at": since}),
        "support": ("support_contacts", {"member_id": someone, "begun_at": since, "look_at": since,
                                         "waits_since": since}),
    }  # fmt: skip
    table, values = waiting[name]
    with unchecked(sql):
        put(sql, table, **values)
    sql.execute_simple("INSERT INTO integration_states VALUES ('intercom', true)")

    shown = health()

    found = part(shown, name)
    assert (shown["status"], found["status"]) == (status, status)
    assert found["remedy"]
    assert "seconds" in found["detail"]


@pytest.mark.parametrize(("hours", "status"), [(6, "ok"), (8, "degraded"), (49, "down")])
def test_a_bank_whose_balances_are_not_read_any_more_is_told(
    health: Callable[[], dict[str, Any]], sql: Connection, hours: int, status: str
) -> None:
    bank(sql, datetime.now(UTC) - timedelta(hours=hours))
    bank(sql, datetime.now(UTC) - timedelta(days=30), "disconnected")
    found = part(health(), "banks")
    assert (found["status"], bool(found["remedy"])) == (status, status != "ok")


def test_a_paused_treasury_is_told_with_its_reason(health: Callable[[], dict[str, Any]], sql: Connection) -> None:
    sql.execute_simple("UPDATE treasuries SET paused_at = now(), pause_reason = 'a doubt' WHERE name = 'member'")
    shown = health()
    found = part(shown, "treasury_member")
    assert (shown["status"], found["status"], found["detail"]) == ("degraded", "degraded", "It is paused: a doubt")
    assert found["remedy"]
    assert part(shown, "treasury_affiliate")["status"] == "ok"


def test_a_chain_that_nobody_has_read_for_long_is_told(health: Callable[[], dict[str, Any]], sql: Connection) -> None:
    with unchecked(sql):
        sql.execute_simple("UPDATE figures SET as_of = now() - interval '3 hours'")
    found = part(health(), "chain")
    assert (found["status"], bool(found["remedy"])) == ("degraded", True)
    sql.execute_simple("DELETE FROM figures")
    assert part(health(), "chain")["detail"] == "No balance has been read yet."


def test_deliveries_that_could_not_be_handled_are_counted_for_a_day(
    health: Callable[[], dict[str, Any]], sql: Connection
) -> None:
    for age in ("2 hours", "25 hours"):
        sql.execute_simple(
            "INSERT INTO job_faults (job, delivery_id, body, reason, happened_at) "
            f"VALUES ('notify', '{age}', '', 'x', now() - interval '{age}')"
        )
    found = part(health(), "job_faults")
    assert (found["status"], found["detail"][:2]) == ("degraded", "1 ")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("UPDATE job_runs SET ended_at = ended_at - interval '2 days' WHERE job = 'ledger_seal'", "late"),
        ("UPDATE job_runs SET failed_at = ended_at + interval '1 minute' WHERE job = 'ledger_seal'", "failed"),
        ("DELETE FROM job_runs WHERE job = 'ledger_seal'", "never"),
    ],
)
def test_a_schedule_that_is_not_punctual_is_told(
    health: Callable[[], dict[str, Any]], sql: Connection, change: str, status: str
) -> None:
    sql.execute_simple(change)
    shown = health()
    (found,) = [each for each in shown["schedules"] if each["status"] != "ok"]
    assert (found["job"], found["schedule"], found["status"]) == ("ledger_seal", "daily", status)
    assert (shown["status"], "ledger_seal" in found["remedy"]) == ("degraded", True)
