"""Every row of the outbox is published at least once, whatever else waits there and whichever process dies."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from functions.outbox_relay import main as relay
from functions.outbox_relay import store as relay_store
from shared import db, events
from shared.events import ConfirmPayouts, MailQueued
from shared.ports import pubsub
from tests.client import FunctionClient
from tests.fakes import message_broker
from tests.fakes.message_broker import MessageBroker
from tests.platform import Platform

BATCH = relay.BATCH
WHEN = datetime.now(UTC)


@pytest.fixture
def broker(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[MessageBroker]:
    with message_broker.opened(platform.identity, monkeypatch) as opened:
        yield opened


def fill(mails: int, payouts: int = 0) -> None:
    """Enqueue this many events and tasks in one transaction."""

    def write(tx: db.Tx) -> None:
        events.emit(tx, WHEN, *(MailQueued(mail_id=uuid4()) for _ in range(mails)))
        for _ in range(payouts):
            events.enqueue(tx, WHEN, ConfirmPayouts(signer=str(uuid4())))

    db.atomically(write)


def waiting(sql: Connection) -> list[int]:
    rows = sql.execute_simple("SELECT id FROM outbox WHERE published_at IS NULL ORDER BY id").rows
    return [identity for (identity,) in rows]


def test_eight_relays_at_once_publish_every_row_and_mark_it(broker: MessageBroker, sql: Connection) -> None:
    fill(mails=500, payouts=60)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(relay.publish_waiting, [WHEN] * 8))

    assert waiting(sql) == []
    messages = Counter(message.outbox_id for message in broker.messages())
    assert set(messages) == set(range(1, 501))
    assert sorted(task.outbox_id for task in broker.queued()) == list(range(501, 561))
    assert messages.most_common(1)[0][1] == 1  # claims keep them apart while nobody dies


def test_a_message_carries_what_was_written_and_the_id_that_makes_it_one(broker: MessageBroker) -> None:
    mail = MailQueued(mail_id=uuid4())
    db.atomically(lambda tx: events.emit(tx, WHEN, mail))

    relay.publish_waiting(WHEN)

    (message,) = broker.messages()
    assert (message.destination, message.outbox_id) == ("mail-queued", 1)
    assert MailQueued.model_validate(message.body) == mail


def test_what_a_transaction_undid_is_never_published(broker: MessageBroker, sql: Connection) -> None:
    def write_and_fail(tx: db.Tx) -> None:
        events.emit(tx, WHEN, MailQueued(mail_id=uuid4()))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        db.atomically(write_and_fail)

    relay.publish_waiting(WHEN)

    assert broker.messages() == []
    assert waiting(sql) == []


def test_a_relay_that_died_before_it_marked_is_followed_by_another(broker: MessageBroker, sql: Connection) -> None:
    fill(mails=3, payouts=3)
    rows = db.atomically(lambda tx: relay_store.claim(tx, WHEN, WHEN + relay.CLAIM_LIFE, BATCH))
    relay._publish(rows)  # and no more is heard of it

    relay.publish_waiting(WHEN + timedelta(seconds=30))
    assert len(waiting(sql)) == 6  # still the dead one's
    relay.publish_waiting(WHEN + relay.CLAIM_LIFE)

    assert waiting(sql) == []
    assert sorted(Counter(message.outbox_id for message in broker.messages()).items()) == [(1, 2), (2, 2), (3, 2)]
    assert [task.outbox_id for task in broker.queued()] == [4, 5, 6]  # a task's name makes two of them one


def test_rows_that_cannot_be_published_do_not_hold_up_the_others(broker: MessageBroker, sql: Connection) -> None:
    task = "kind='task';function='payout_confirm'"
    poison(sql, "no-such-topic")
    poison(sql, "no-such-queue", task)
    poison(sql, "payout-confirm", f"{task};task_name='not a name!'")
    poison(sql, "payout-confirm", f"{task};deliver_at=now() + interval '90 days'")
    fill(mails=5, payouts=5)

    relay.publish_waiting(WHEN)

    assert waiting(sql) == [1, 2, 3, 4]
    assert len(broker.messages()) == 5
    assert len(broker.queued()) == 5


def test_a_message_that_is_too_large_does_not_hold_up_those_of_its_topic(
    broker: MessageBroker, sql: Connection
) -> None:
    poison(sql, "mail-queued", "body=to_jsonb(repeat('x', 10500000))")
    fill(mails=5)

    for minutes in range(3):
        relay.publish_waiting(WHEN + timedelta(minutes=minutes))

    assert waiting(sql) == [1]
    assert {message.outbox_id for message in broker.messages()} == {2, 3, 4, 5, 6}


def test_what_waits_behind_rows_that_cannot_be_published_goes_out(broker: MessageBroker, sql: Connection) -> None:
    for _ in range(3):
        poison(sql, "no-such-topic")
    fill(mails=BATCH + 50)

    relay.publish_waiting(WHEN)
    relay.publish_waiting(WHEN)  # the next wake-up, or the schedule

    assert waiting(sql) == [1, 2, 3]
    assert len(broker.messages()) == BATCH + 50


def test_hundreds_that_cannot_be_published_keep_nobody_waiting_for_another_run(
    broker: MessageBroker, sql: Connection
) -> None:
    poison_many(sql, 2 * BATCH)
    fill(mails=5)

    relay.publish_waiting(WHEN)

    assert len(broker.messages()) == 5


def test_thousands_that_have_failed_often_come_after_all_others(broker: MessageBroker, sql: Connection) -> None:
    poison_many(sql, 10 * BATCH, attempts=relay_store.STUBBORN_ATTEMPTS)
    for minutes in range(3):
        fill(mails=5)
        relay.publish_waiting(WHEN + timedelta(minutes=minutes))

        assert len(broker.messages()) == 5
    tried = "SELECT count(*) FROM outbox WHERE attempts > 5"
    assert sql.execute_simple(tried).rows == [[3 * BATCH]]  # nor are they forgotten


def poison_many(sql: Connection, number: int, attempts: int = 0) -> None:
    sql.execute_simple(
        "INSERT INTO outbox (kind, destination, body, created_at, attempts) "
        f"SELECT 'event', 'no-such-topic', '{{}}', now(), {attempts} FROM generate_series(1, {number})"
    )


def poison(sql: Connection, destination: str, more: str = "") -> None:
    """A row that nothing takes: an event unless `more` (columns and SQL expressions) makes it something else."""
    columns = {"kind": "'event'", "destination": f"'{destination}'", "body": "'{}'", "created_at": "now()"}
    columns |= dict(pair.split("=", 1) for pair in more.split(";") if pair)
    names, values = ", ".join(columns), ", ".join(columns.values())
    sql.execute_simple(f"INSERT INTO outbox ({names}) VALUES ({values})")


def test_while_pubsub_is_away_nothing_is_lost_or_marked(
    broker: MessageBroker, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(mails=3)
    monkeypatch.setattr(pubsub, "PUBLISH_SECONDS_MAX", 0.5)
    broker.pubsub.stop()

    relay.publish_waiting(WHEN)

    assert waiting(sql) == [1, 2, 3]


def test_the_sweep_forgets_what_was_published_a_week_ago_and_nothing_else(
    platform: Platform, broker: MessageBroker, sql: Connection
) -> None:
    assert broker
    fill(mails=4)
    sql.execute_simple("UPDATE outbox SET published_at = now() - interval '8 days' WHERE id = 1")
    sql.execute_simple("UPDATE outbox SET published_at = now() - interval '6 days' WHERE id = 2")
    sql.execute_simple("UPDATE outbox SET created_at = now() - interval '8 days' WHERE id = 3")

    answer = FunctionClient(platform.invoker_token).raw("outbox_relay", "POST", "/", b'{"schedule": "sweep"}')

    assert answer.status_code == 204
    assert sql.execute_simple("SELECT id FROM outbox ORDER BY id").rows == [[2], [3], [4]]
