"""Teller's messages only wake us: verified, kept once, at most three minutes old, and the bank is asked."""

import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from emulators.bank import OLD_WEBHOOK_SECRET, WEBHOOK_SECRET, BankEnrollment, BankStandIn
from tests.client import Answer, FunctionClient
from tests.fakes.bank_client import BankOwner, mails, sync
from tests.fakes.invoker import FunctionInvoker
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

PATH = "/v1/webhooks/teller"
NOT_VALID = (401, "signature-not-valid")


@pytest.fixture
def bank_id(owner: BankOwner, enrollment: BankEnrollment, sql: Connection) -> UUID:
    made = owner.connect(enrollment)
    sql.execute_simple("DELETE FROM mails; DELETE FROM outbox")
    return made


@pytest.fixture
def vendor(client: Client, database: str) -> FunctionClient:
    assert database
    return client()


def signed(body: bytes, *secrets: str, seconds_ago: float = 0) -> str:
    moment = str(int(time.time() - seconds_ago))
    made = (hmac.digest(secret.encode(), f"{moment}.".encode() + body, "sha256").hex() for secret in secrets)
    return ",".join([f"t={moment}", *(f"v1={each}" for each in made)])


def send(vendor: FunctionClient, body: bytes, signature: str) -> Answer:
    return vendor.send("POST", PATH, body, {"Content-Type": "application/json", "Teller-Signature": signature})


def tell(vendor: FunctionClient, told: dict[str, Any]) -> Answer:
    body = json.dumps(told).encode()
    return send(vendor, body, signed(body, WEBHOOK_SECRET))


def tasks(sql: Connection) -> list[str]:
    """The banks that are to be tried."""
    rows = sql.execute_simple("SELECT body FROM outbox WHERE destination = 'bank-sync' ORDER BY id").rows
    return [body["enrollment_id"] for (body,) in rows]


def test_a_disconnection_has_the_bank_tried(
    bank_id: UUID, enrollment: BankEnrollment, bank: BankStandIn, vendor: FunctionClient, jobs: FunctionInvoker,
    sql: Connection,
) -> None:  # fmt: skip
    bank.disconnect(enrollment)
    (told,) = bank.webhooks.told()
    answer = send(vendor, told, bank.webhooks.signed(told)["Teller-Signature"])
    assert (answer.status, answer.body) == (200, {"received": True})
    assert tasks(sql) == [str(bank_id)]
    assert sync(jobs, bank_id) == 204
    assert mails(sql) == ["Security Credit Union wants its owner to sign in again"]


def test_a_replayed_message_is_kept_once_and_wakes_once(
    bank_id: UUID, enrollment: BankEnrollment, bank: BankStandIn, vendor: FunctionClient, sql: Connection
) -> None:
    told = bank.disconnection(enrollment)
    for _ in range(5):
        assert tell(vendor, told).status == 200
    assert tasks(sql) == [str(bank_id)]
    rows = sql.execute_simple("SELECT source, event_id, subject FROM webhook_deliveries").rows
    assert rows == [["teller", told["id"], enrollment.id]]


def test_a_disconnection_from_before_the_reconnection_changes_nothing(
    bank_id: UUID, owner: BankOwner, enrollment: BankEnrollment, bank: BankStandIn, vendor: FunctionClient,
    jobs: FunctionInvoker, sql: Connection,
) -> None:  # fmt: skip
    old = bank.disconnection(enrollment)
    assert owner.reconnect(bank_id, enrollment).status == 200
    assert tell(vendor, old).status == 200
    assert sync(jobs, bank_id) == 204
    assert sql.execute_simple("SELECT state FROM teller_enrollments").rows == [["active"]]
    assert mails(sql) == []


def test_it_is_signed_by_either_secret_while_they_are_rotated(
    bank_id: UUID, enrollment: BankEnrollment, bank: BankStandIn, vendor: FunctionClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert bank_id
    body = json.dumps(bank.disconnection(enrollment)).encode()
    both, old = signed(body, WEBHOOK_SECRET, OLD_WEBHOOK_SECRET), signed(body, OLD_WEBHOOK_SECRET)
    assert send(vendor, body, both).status == 200
    assert send(vendor, body, old).status == 200
    monkeypatch.setenv("TELLER_WEBHOOK_SECRET", WEBHOOK_SECRET)
    assert send(vendor, body, both).status == 200
    assert (send(vendor, body, old).status, send(vendor, body, old).problem) == NOT_VALID


@pytest.mark.parametrize(("seconds_ago", "taken"), [(175, True), (185, False), (-25, True), (-35, False), (1e9, False)])
def test_it_is_at_most_three_minutes_old_and_hardly_from_the_future(
    enrollment: BankEnrollment, bank: BankStandIn, vendor: FunctionClient, sql: Connection, seconds_ago: float,
    *, taken: bool,
) -> None:  # fmt: skip
    body = json.dumps(bank.disconnection(enrollment)).encode()
    answer = send(vendor, body, signed(body, WEBHOOK_SECRET, seconds_ago=seconds_ago))
    assert answer.status == (200 if taken else 401)
    assert len(sql.execute_simple("SELECT FROM webhook_deliveries").rows) == int(taken)


BODY = json.dumps({"id": "wh_1", "type": "enrollment.disconnected", "payload": {"enrollment_id": "enr_1"}}).encode()
BAD: dict[str, Callable[[], tuple[bytes, str]]] = {
    "no signature": lambda: (BODY, ""),
    "no time": lambda: (BODY, signed(BODY, WEBHOOK_SECRET).partition(",")[2]),
    "two times": lambda: (BODY, f"t=1,{signed(BODY, WEBHOOK_SECRET)}"),
    "no v1": lambda: (BODY, signed(BODY)),
    "another secret": lambda: (BODY, signed(BODY, "guess")),
    "an empty secret": lambda: (BODY, signed(BODY, "")),
    "another body": lambda: (BODY + b" ", signed(BODY, WEBHOOK_SECRET)),
    "another time": lambda: (BODY, signed(BODY, WEBHOOK_SECRET).replace("t=", "t=0")),
    "nonsense": lambda: (BODY, "%" * 900),
    "very long": lambda: (BODY, "v1=a," * 10_000),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_teller_has_not_signed_is_refused(vendor: FunctionClient, sql: Connection, bad: str) -> None:
    before = rows_of_all_tables(sql)
    answer = send(vendor, *BAD[bad]())
    assert (answer.status, answer.problem) == NOT_VALID
    assert rows_of_all_tables(sql) == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\x00",
        b'{"id": 7, "payload": "x"}',
        b'{"id": "wh_1", "type": "webhook.test", "payload": {}}',
        b'{"id": "wh_1", "type": "transactions.processed", "payload": {"transactions": []}}',
        b'{"id": "wh_1", "payload": {"enrollment_id": "../../etc"}}',
        b'{"id": "wh_1", "payload": {"enrollment_id": ["enr_1"]}}',
        b'{"id": "wh_1", "payload": {"enrollment_id": "enr_unknown"}}',
    ],
)
def test_a_signed_message_about_nothing_of_ours_is_kept_and_wakes_nobody(
    bank_id: UUID, vendor: FunctionClient, sql: Connection, body: bytes
) -> None:
    assert bank_id
    assert send(vendor, body, signed(body, WEBHOOK_SECRET)).status == 200
    assert len(sql.execute_simple("SELECT FROM webhook_deliveries").rows) == 1
    assert tasks(sql) == []


def test_a_body_is_at_most_64_kilobytes(vendor: FunctionClient, sql: Connection) -> None:
    most, more = b" " * 65_536, b" " * 65_537
    assert send(vendor, most, signed(most, WEBHOOK_SECRET)).status == 200
    answer = send(vendor, more, signed(more, WEBHOOK_SECRET))
    assert (answer.status, answer.problem) == (413, "body-too-large")
    assert len(sql.execute_simple("SELECT FROM webhook_deliveries").rows) == 1


def test_without_a_secret_everything_is_refused_and_nothing_kept(
    vendor: FunctionClient, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELLER_WEBHOOK_SECRET", " , ")
    assert vendor.raw("webhooks", "POST", PATH, BODY, {"Teller-Signature": signed(BODY, "")}).status_code == 500
    assert sql.execute_simple("SELECT FROM webhook_deliveries").rows == []
