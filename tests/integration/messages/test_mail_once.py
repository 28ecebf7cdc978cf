"""One queued mail is one mail, however often its event comes and whatever the provider answers."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from emulators.mail import Fault
from emulators.process import free_port
from functions.email_send import main as email_send
from functions.email_send import store
from functions.email_send.main import CLAIM_LIFE, KEY_LIFE
from shared import db
from shared.db import Tx
from shared.messages import mails
from shared.messages.mails import Letter
from tests import factories
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.lock_waits import run_blocked
from tests.platform import Platform

TRIES_MAX = 5


@pytest.fixture
def invoker(platform: Platform) -> Iterator[FunctionInvoker]:
    platform.mail.clear()
    yield FunctionInvoker(platform.invoker_token)
    platform.mail.clear()


@pytest.fixture
def clock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The offset of the test clock."""
    monkeypatch.setenv("CLOCK_FILE", str(tmp_path / "clock"))
    return tmp_path / "clock"


def queue_mail(sql: Connection, to: str = "winner@example.com", template: str = "comp_paid") -> UUID:
    parameters = {"name": "<b>Ann</b>", "amount": "$100.00", "transaction_hash": "0xabc"}
    letter = Letter(to, "Ann", template, parameters, str(uuid4()))
    db.atomically(lambda tx: mails.queue(tx, letter, datetime.now(UTC)))
    found: UUID = sql.execute_simple("SELECT id FROM mails ORDER BY queued_at DESC LIMIT 1").rows[0][0]
    return found


def deliver(invoker: FunctionInvoker, mail: UUID) -> int:
    return invoker.event("email_send", "mail-queued", {"mail_id": str(mail)}, message_id=f"m-{mail}")


def status(sql: Connection) -> list[list[object]]:
    return list(sql.execute_simple("SELECT status, parameters = '{}', claimed_until FROM mails").rows)


def test_ten_deliveries_one_after_the_other_are_one_mail(
    platform: Platform, invoker: FunctionInvoker, sql: Connection
) -> None:
    mail = queue_mail(sql)

    assert [deliver(invoker, mail) for _ in range(10)] == [204] * 10

    (sent,) = platform.mail.mails()
    assert (sent.subject, "<b>Ann" in sent.html, "<b>Ann" in sent.text) == (
        "$100.00 USDT is in your wallet",
        False,
        True,
    )
    assert status(sql) == [["sent", True, None]]


def test_ten_deliveries_at_once_are_one_mail(platform: Platform, invoker: FunctionInvoker, sql: Connection) -> None:
    mail = queue_mail(sql)

    with ThreadPoolExecutor(10) as threads:
        answers = Counter(threads.map(lambda _: deliver(invoker, mail), range(10)))

    assert answers[204] >= 1
    assert set(answers) <= {204, 503}  # 503: somebody else is sending it, come again
    assert deliver(invoker, mail) == 204
    assert len(platform.mail.mails()) == 1


def test_whoever_comes_while_a_mail_is_being_claimed_waits_and_calls_nobody(
    platform: Platform, invoker: FunctionInvoker, sql: Connection
) -> None:
    """The provider refuses a second call under one key, so that only the calls tell whether there was one."""
    mail, now = queue_mail(sql), datetime.now(UTC)

    def look(tx: Tx) -> None:
        assert store.mail(tx, mail)

    def claim(tx: Tx) -> None:
        store.claim(tx, mail, now, now + CLAIM_LIFE)

    assert run_blocked(sql, look, lambda: deliver(invoker, mail), before_the_end=claim) == 503
    assert platform.mail.mails() == []


def test_two_mails_of_one_occasion_are_one(platform: Platform, invoker: FunctionInvoker, sql: Connection) -> None:
    letter = Letter("winner@example.com", "Ann", "verify_email", {"name": "Ann", "code": "123456"}, "occasion")
    for _ in range(10):
        db.atomically(lambda tx: mails.queue(tx, letter, datetime.now(UTC)))

    ((mail,),) = sql.execute_simple("SELECT id FROM mails").rows
    assert sql.execute_simple("SELECT count(*) FROM outbox").rows == [[1]]
    deliver(invoker, mail)
    assert len(platform.mail.mails()) == 1


@pytest.mark.parametrize("fault", [Fault.INTERNAL_ERROR, Fault.TOO_MANY_REQUESTS, Fault.DROPPED])
def test_a_provider_that_fails_is_asked_again_and_sends_one(
    platform: Platform, invoker: FunctionInvoker, sql: Connection, fault: Fault
) -> None:
    """DROPPED: the mail was taken and nobody heard of it."""
    mail = queue_mail(sql)
    platform.mail.fail_next(2, fault)

    answers = [deliver(invoker, mail)]
    while answers[-1] != 204 and len(answers) < TRIES_MAX:
        answers.append(deliver(invoker, mail))

    assert answers[0] == 503
    assert len(platform.mail.mails()) == 1
    assert status(sql) == [["sent", True, None]]


def test_a_sender_that_died_is_followed_by_another_when_its_claim_has_run_out(
    platform: Platform, invoker: FunctionInvoker, sql: Connection, clock_file: Path
) -> None:
    mail = queue_mail(sql)
    until = datetime.now(UTC) + CLAIM_LIFE
    sql.execute_simple(f"UPDATE mails SET claimed_until = '{until.isoformat()}'")

    assert deliver(invoker, mail) == 503
    assert platform.mail.mails() == []
    clock_file.write_text(str((CLAIM_LIFE + timedelta(seconds=1)).total_seconds()))
    assert deliver(invoker, mail) == 204
    assert len(platform.mail.mails()) == 1


def test_an_address_that_is_refused_is_given_up_and_acknowledged(
    platform: Platform, invoker: FunctionInvoker, sql: Connection
) -> None:
    mail = queue_mail(sql, to="no-address")

    assert [deliver(invoker, mail), deliver(invoker, mail)] == [204, 204]
    assert platform.mail.mails() == []
    assert status(sql) == [["refused", True, None]]


def test_a_template_that_nobody_knows_is_recorded_and_acknowledged(invoker: FunctionInvoker, sql: Connection) -> None:
    mail = queue_mail(sql, template="no-such-template")

    assert [deliver(invoker, mail), deliver(invoker, mail)] == [204, 204]
    assert sql.execute_simple("SELECT job, count(*) FROM job_faults GROUP BY job").rows == [["email_send", 1]]
    assert status(sql) == [["refused", True, None]]


def test_a_mail_that_was_never_queued_is_no_fault(platform: Platform, invoker: FunctionInvoker) -> None:
    assert deliver(invoker, uuid4()) == 204
    assert platform.mail.mails() == []


def test_a_mail_whose_fate_is_unknown_is_not_sent_again_once_the_provider_has_forgotten_its_key(
    platform: Platform, invoker: FunctionInvoker, sql: Connection, clock_file: Path
) -> None:
    """It was taken, nobody heard of it, and for a quarter of an hour nobody tried again."""
    mail = queue_mail(sql)
    platform.mail.fail_next(1, Fault.DROPPED)
    assert deliver(invoker, mail) == 503
    clock_file.write_text(str((KEY_LIFE + timedelta(seconds=5)).total_seconds()))

    assert [deliver(invoker, mail), deliver(invoker, mail)] == [204, 204]

    assert len(platform.mail.mails()) == 1
    assert status(sql) == [["unclear", True, None]]


@pytest.mark.parametrize("fault", [Fault.TOO_MANY_REQUESTS, None], ids=["refused for now", "nobody listens"])
def test_a_mail_that_was_certainly_not_taken_is_sent_however_late(
    platform: Platform, invoker: FunctionInvoker, sql: Connection, clock_file: Path, monkeypatch: pytest.MonkeyPatch,
    fault: Fault | None,
) -> None:  # fmt: skip
    mail = queue_mail(sql)
    if fault:
        platform.mail.fail_next(1, fault)
        assert deliver(invoker, mail) == 503
    else:
        with monkeypatch.context() as nowhere:
            nowhere.setenv("BREVO_URL", f"http://127.0.0.1:{free_port()}")
            assert deliver(invoker, mail) == 503
    clock_file.write_text(str(timedelta(hours=2).total_seconds()))

    assert deliver(invoker, mail) == 204

    assert len(platform.mail.mails()) == 1
    assert status(sql) == [["sent", True, None]]


def test_who_does_not_want_mails_of_a_kind_gets_none_of_it_and_all_others(sql: Connection) -> None:
    somebody = factories.member()
    sql.execute_unnamed("INSERT INTO notification_preferences VALUES ($1, 'comp', true, false)", (somebody.id,))
    for template in ("comp_paid", "verify_email", "order_receipt"):
        letter = Letter("a@example.com", "Ann", template, {}, template, somebody.id)
        db.atomically(partial(mails.queue, letter=letter, now=datetime.now(UTC)))
    stranger = Letter("b@example.com", "Eve", "comp_paid", {}, "stranger")
    db.atomically(lambda tx: mails.queue(tx, stranger, datetime.now(UTC)))
    rows = sql.execute_simple("SELECT template, to_email FROM mails ORDER BY template").rows
    assert rows == [
        ["comp_paid", "b@example.com"], ["order_receipt", "a@example.com"], ["verify_email", "a@example.com"],
    ]  # fmt: skip


def events_of(sql: Connection) -> list[str]:
    return [mail for (mail,) in sql.execute_simple("SELECT body ->> 'mail_id' FROM outbox ORDER BY id").rows]


def test_a_mail_whose_event_was_lost_is_asked_for_again_each_hour_until_it_is_sent(
    invoker: FunctionInvoker, sql: Connection
) -> None:
    mail = queue_mail(sql)
    now = datetime.now(UTC)
    sent_at_once = queue_mail(sql)
    deliver(invoker, sent_at_once)
    sql.execute_simple("DELETE FROM outbox")

    for minutes in (50, 61, 71, 130):
        email_send.sweep(now + timedelta(minutes=minutes))

    assert events_of(sql) == [str(mail)] * 2
    assert deliver(invoker, mail) == 204
    email_send.sweep(now + timedelta(hours=9))
    assert len(events_of(sql)) == 2
    assert status(sql) == [["sent", True, None]] * 2


def test_those_that_wait_longest_are_asked_for_first(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email_send, "ASKED_AGAIN_MAX", 2)
    mails = [queue_mail(sql) for _ in range(3)]
    sql.execute_simple("DELETE FROM outbox")
    late = datetime.now(UTC) + timedelta(hours=2)

    email_send.sweep(late)
    assert sorted(events_of(sql)) == sorted(map(str, mails[:2]))
    email_send.sweep(late + timedelta(minutes=10))
    assert events_of(sql)[2:] == [str(mails[2])]
