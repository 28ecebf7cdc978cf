"""Admins read of each service of others whether it answers, and since when something waits for it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from functions.admin_desk.integration_store import SEEN
from functions.admin_desk.integrations import SERVICES
from functions.admin_desk.rules import BOUNDS
from shared.auth import Role
from tests import factories
from tests.client import FunctionClient
from tests.fakes.bank_rows import bank
from tests.fakes.plain_rows import SIGNER, put, unchecked

Client = Callable[..., FunctionClient]
SENDS_NOTHING = {"embedded_wallets"}  # no webhooks
Make = Callable[[Connection, datetime], None]


@pytest.fixture
def read(client: Client) -> Callable[[str], dict[str, Any]]:
    """Reads what is told of one service."""
    admin = client(factories.member(role=Role.OPERATIONS).token)

    def one(name: str) -> dict[str, Any]:
        answer = admin.get("/v1/admin/integrations")
        assert answer.status == 200, answer.body
        (found,) = [each for each in answer.body["items"] if each["name"] == name]
        return dict(found)

    return one


def row(table: str, **values: object) -> Callable[[Connection], None]:
    """Puts a row into the table, whatever it refers to."""

    def add(sql: Connection) -> None:
        with unchecked(sql):
            put(sql, table, id=uuid4(), **values)

    return add


def parsed(said: str | None) -> datetime | None:
    return datetime.fromisoformat(said) if said else None


def answered(sql: Connection, name: str, at: datetime) -> None:
    """The service has answered at this moment, in the table where its answers are kept."""
    other = uuid4()
    made: Mapping[str, Callable[[Connection], None]] = {
        "card": row("payment_operations", payment_id=other, kind="void", amount=10_000, status="failed", recorded_at=at,
                    sent_at=at, answered_at=at, evidence="reply"),
        "agechecker": row("age_checks", member_id=other, status="denied", reference=str(other),
                          recorded_at=at, decided_at=at),
        "selery": row("fulfilments", order_id=other, status="refused", recorded_at=at, sent_at=at, answered_at=at,
                      evidence="reply"),
        "brevo": row("mails", dedupe_key=str(other), to_email="x", to_name="x", template="x", parameters={},
                     status="sent", queued_at=at, finished_at=at),
    }  # fmt: skip
    if name == "teller":
        bank(sql, at)
    elif name == "embedded_wallets":
        with unchecked(sql):
            put(sql, "wallet_id_tokens", mark=other.bytes * 2, member_id=other, address=SIGNER, used_at=at)
    elif name == "kintsugi":
        with unchecked(sql):
            put(sql, "tax_reports", id=other, order_id=other, status="done", recorded_at=at, sent_at=at, done_at=at,
                reference="x")  # fmt: skip
    else:
        made[name](sql)


def test_every_service_has_its_statement_and_its_bound() -> None:
    assert set(SERVICES) == set(SEEN)
    assert {service.waits for service in SERVICES.values() if service.waits} <= set(BOUNDS)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_unused_until_it_was_seen(
    read: Callable[[str], dict[str, Any]], sql: Connection, name: str
) -> None:
    sql.execute_simple("DELETE FROM mails")
    never = read(name)
    assert (never["status"], never["answered_at"], never["told_at"], never["remedy"]) == ("unused", None, None, None)

    before, at = (datetime.now(UTC) - timedelta(minutes=minutes) for minutes in (9, 5))
    for moment in (before, at):
        answered(sql, name, moment)
    if name not in SENDS_NOTHING:
        sql.execute_unnamed("INSERT INTO webhook_deliveries VALUES ($1, 'an event', 'x', $2)", (name, before))

    found = read(name)
    assert (found["status"], found["remedy"]) == ("ok", None)
    told_at = None if name in SENDS_NOTHING else before
    assert (parsed(found["answered_at"]), parsed(found["told_at"])) == (at, told_at)


def test_what_waits_for_a_service_too_long_is_told_with_a_remedy(
    read: Callable[[str], dict[str, Any]], sql: Connection
) -> None:
    since = datetime.now(UTC) - timedelta(hours=3)
    row("fulfilments", order_id=uuid4(), status="sent", recorded_at=since, sent_at=since, look_at=since)(sql)
    found = read("selery")
    assert (found["status"], found["answered_at"], bool(found["remedy"])) == ("degraded", None, True)
    assert datetime.fromisoformat(found["waiting_since"]) == since
    sql.execute_simple("UPDATE fulfilments SET look_at = look_at - interval '1 day'")
    assert read("selery")["status"] == "down"
