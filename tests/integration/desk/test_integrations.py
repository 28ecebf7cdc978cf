"""Admins read of each service of others whether it answers, and since when something waits for it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from emulators.mail import Fault as MailFault
from emulators.push import PushStandIn
from emulators.push.box import Fault
from functions.admin_desk.integration_store import SEEN
from functions.admin_desk.integrations import SERVICES
from functions.admin_desk.rules import BOUNDS
from shared import db
from shared.auth import Role
from shared.figures import integrations
from shared.figures.integrations import ASKED
from shared.messages import mails, notifications
from shared.messages.mails import Letter
from shared.messages.notifications import Note
from terraform.functions import functions
from tests import factories
from tests.client import FunctionClient
from tests.fakes.bank_rows import bank
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.plain_rows import SIGNER, put, unchecked
from tests.platform import Platform

pytest_plugins = ["tests.contract.push_plugin"]

Client = Callable[..., FunctionClient]
NO_JOB_ASKS = {"embedded_wallets"}
SENDS_NOTHING = {*NO_JOB_ASKS, "intercom", "stargate"}  # no webhooks that we hear
Make = Callable[[Connection, datetime], None]
Read = Callable[[str], dict[str, Any]]

PUSHES = {"fcm", "apns"}
ASKED_ALONE = {"openai", "translation"}  # judged by their last request, as pushes are (test_checks.py)
OF_ALL_FUNCTIONS = {"FCM_PROJECT_ID", "APNS_KEY_ID", "APNS_TEAM_ID"}  # terraform/functions.tf gives them to each


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
    elif name == "intercom":
        with unchecked(sql):
            put(sql, "support_contacts", member_id=other, begun_at=at, told_at=at)
    elif name == "stargate":
        with unchecked(sql):
            put(sql, "top_ups", id=other, treasury="member", to_address=SIGNER, source_chain_id=1,
                source_contract=SIGNER, source_token=SIGNER, source_address=SIGNER, source_eid=1, home_eid=2,
                home_contract=SIGNER, amount=2, quoted=1, minimum=1, fee_wei=1, reason="x", requested_by=other,
                requested_at=at, state="bridging", state_at=at, source_hash=f"0x{other.hex * 2}", sent_at=at,
                guid=f"0x{other.hex * 2}", spent=2, bridged=1, source_final_at=at, read_to=0)  # fmt: skip
    elif name == "kintsugi":
        with unchecked(sql):
            put(sql, "tax_reports", id=other, order_id=other, status="done", recorded_at=at, sent_at=at, done_at=at,
                reference="x")  # fmt: skip
    else:
        made[name](sql)


def test_every_service_has_its_statement_and_its_bound() -> None:
    assert set(SERVICES) == set(SEEN) | PUSHES | ASKED_ALONE
    assert {service.waits for service in SERVICES.values()} - {None} <= set(BOUNDS)


def test_the_job_that_tells_of_a_service_has_what_is_needed_to_ask_it() -> None:
    assert set(SERVICES) == set(ASKED) | NO_JOB_ASKS
    for name, asked in ASKED.items():
        given = set(functions()[asked.job].secrets) | OF_ALL_FUNCTIONS
        assert set(asked.needs) <= given, name


@pytest.mark.parametrize("name", SEEN)
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


@pytest.fixture
def invoker(platform: Platform, sql: Connection) -> Iterator[FunctionInvoker]:
    sql.execute_simple("DELETE FROM mails")
    platform.mail.clear()
    yield FunctionInvoker(platform.invoker_token)
    platform.mail.clear()


def send_mail(sql: Connection, invoker: FunctionInvoker) -> int:
    """Have a new mail sent; the status of the delivery."""
    letter = Letter("ada@example.com", "Ada", "verify_email", {"name": "Ada", "code": "135246"}, str(uuid4()))
    db.atomically(lambda tx: mails.queue(tx, letter, datetime.now(UTC)))
    ((mail_id,),) = sql.execute_simple(
        "SELECT id FROM mails WHERE status = 'queued' ORDER BY queued_at DESC LIMIT 1"
    ).rows
    return invoker.event("email_send", "mail-queued", {"mail_id": str(mail_id)})


def told(found: Mapping[str, Any]) -> tuple[object, ...]:
    """Whether the service is configured, whether it has answered and failed, and its last error."""
    return found["is_configured"], bool(found["answered_at"]), bool(found["failed_at"]), found["last_error"]


def test_a_service_tells_its_last_answer_and_its_last_error(
    read: Read, platform: Platform, invoker: FunctionInvoker, sql: Connection
) -> None:
    assert told(read("brevo")) == (None, False, False, None)

    platform.mail.fail_next(1, MailFault.INTERNAL_ERROR)
    assert send_mail(sql, invoker) == 503
    failed = read("brevo")
    assert told(failed) == (True, False, True, "500 internal_error")
    assert send_mail(sql, invoker) == 204
    found = read("brevo")
    assert told(found) == (True, True, True, "500 internal_error")
    assert found["failed_at"] == failed["failed_at"] < found["answered_at"]


def test_a_wrong_key_is_an_error_and_no_answer(
    read: Read, invoker: FunctionInvoker, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREVO_API_KEY", "xkeysib-wrong")
    assert send_mail(sql, invoker) == 204
    found = told(read("brevo"))
    assert (found[0], found[2], found[3]) == (True, True, "401 unauthorized")
    assert "xkeysib" not in str(sql.execute_simple("SELECT * FROM integration_states").rows)


@pytest.mark.parametrize("name", [name for name, asked in ASKED.items() if asked.needs])
def test_a_service_whose_keys_are_missing_is_not_configured(
    read: Read, name: str, monkeypatch: pytest.MonkeyPatch, sql: Connection
) -> None:
    assert sql
    asked = ASKED[name]
    for needed in asked.needs:
        monkeypatch.setenv(needed, "x")
    integrations.store(asked.job)
    assert read(name)["is_configured"] is True
    for needed, value in zip(asked.needs, [" ", "x", "x"], strict=False):
        monkeypatch.setenv(needed, value)
    integrations.store(asked.job)
    assert read(name)["is_configured"] is False


def test_a_job_that_does_not_have_the_keys_says_nothing_of_them(read: Read, sql: Connection) -> None:
    integrations.store("member_erase")
    assert sql.execute_simple("SELECT count(*) FROM integration_states").rows == [[0]]
    assert read("brevo")["is_configured"] is None


def test_each_push_service_is_judged_by_its_last_request(
    read: Read, vendors: PushStandIn, invoker: FunctionInvoker, sql: Connection
) -> None:
    member = factories.member().id
    sql.execute_unnamed(
        """
        INSERT INTO devices (id, member_id, session_id, platform, token, registered_at)
        SELECT gen_random_uuid(), member_id, id, 'android', repeat('a', 64), now() FROM sessions WHERE member_id = $1
        """,
        (member,),
    )

    def push() -> int:
        note = Note(member, "comp", "You won $100!", "It is on its way.", {"comp_id": "7"}, f"comp:{uuid4()}")
        made = db.atomically(lambda tx: notifications.notify(tx, note, datetime.now(UTC)))
        return invoker.event("notify", "notification-made", {"notification_id": str(made)})

    assert read("fcm")["status"] == "unused"
    vendors.fail_next(1, Fault.UNAVAILABLE)
    assert push() == 503
    failed = read("fcm")
    assert (failed["status"], bool(failed["remedy"]), told(failed)[:3]) == ("degraded", True, (True, False, True))
    assert failed["last_error"].startswith("503")
    assert push() == 204
    assert (read("fcm")["status"], read("fcm")["remedy"]) == ("ok", None)
    assert (read("apns")["status"], read("apns")["is_configured"]) == ("unused", True)


def test_the_same_outcome_is_stored_once_a_minute_and_another_one_at_once(
    read: Read, platform: Platform, invoker: FunctionInvoker, sql: Connection, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    clock_file = tmp_path / "clock"
    monkeypatch.setenv("CLOCK_FILE", str(clock_file))

    def answered_at(second: int) -> datetime:
        clock_file.write_text(str(second))
        assert send_mail(sql, invoker) == 204
        ((found,),) = sql.execute_simple("SELECT answered_at FROM integration_states WHERE service = 'brevo'").rows
        assert isinstance(found, datetime)
        return found

    first = answered_at(0)
    assert answered_at(30) == first
    later = answered_at(90)
    assert later > first + timedelta(seconds=60)
    platform.mail.fail_next(1, MailFault.INTERNAL_ERROR)
    assert send_mail(sql, invoker) == 503
    assert read("brevo")["failed_at"] is not None
    assert answered_at(95) > later  # it is well again


def test_a_delivery_is_done_though_the_state_of_the_service_cannot_be_stored(
    invoker: FunctionInvoker, sql: Connection
) -> None:
    sql.execute_simple("ALTER TABLE integration_states RENAME TO gone")
    assert send_mail(sql, invoker) == 204
    assert sql.execute_simple("SELECT status FROM mails").rows == [["sent"]]
