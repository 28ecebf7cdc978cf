"""A vendor's message is believed by nobody: it is verified, kept once and answered, and the vendor is asked."""

import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from shared import clock, config, db
from shared.orders import machine, operations
from tests import factories
from tests.client import Client, FunctionClient, refusal
from tests.fakes import order_rows, order_views
from tests.fakes.order_views import Placed
from tests.fakes.vendor_messages import (
    AGECHECKER_SIGNATURE,
    CARD_SIGNATURE,
    VendorMessage,
    of_agechecker,
    of_card,
    of_dispute,
    of_kintsugi,
    of_selery,
    signed_agechecker,
    signed_card,
    signed_selery,
)
from tests.platform import Platform
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.clock_plugin"]

NOT_VALID = (401, "signature-not-valid")
HEARD = {"received": True}
MESSAGES, DELIVERIES, THREADS = 1_000, 10_000, 8
REFERENCE = "b7hQx2VdK_-9"


@pytest.fixture
def vendor(client: Client, database: str) -> FunctionClient:
    assert database
    return client()


def asked_operation() -> UUID:
    """An operation that was recorded for an order, whose own task is not counted here."""
    order_rows.counted(100)
    order = order_views.place()
    return db.atomically(
        lambda tx: operations.record(tx, order.payment_id, "authorize", order.total, clock.now(), asked=False)
    )


def advance(order_id: UUID) -> None:
    db.atomically(machine.advance, order_id, clock.now())


def waiting_order(sql: Connection) -> Placed:
    """An order that waits for a check of its member's age, which has the REFERENCE."""
    order_rows.counted(100)
    order = order_views.place()
    advance(order.id)
    sql.execute_unnamed("UPDATE age_checks SET reference = $1", (REFERENCE,))
    sql.execute_simple("DELETE FROM outbox")
    return order


def kept(sql: Connection) -> list[tuple[str, str, str]]:
    """Source, event and subject of what is kept."""
    found = sql.execute_simple("SELECT source, event_id, subject FROM webhook_deliveries ORDER BY received_at").rows
    return [(source, event, subject) for source, event, subject in found]


def tasks(sql: Connection) -> list[tuple[str, dict[str, Any], str]]:
    """The tasks that are queued: queue, body and name."""
    found = sql.execute_simple("SELECT destination, body, task_name FROM outbox WHERE kind = 'task' ORDER BY id").rows
    return [(queue, body, name) for queue, body, name in found]


def test_the_cards_provider_has_the_operation_looked_up(vendor: FunctionClient, sql: Connection) -> None:
    operation = asked_operation()
    answer = of_card(operation, event_id="evt_1").send(vendor)
    assert (answer.status, answer.body) == (200, HEARD)
    assert kept(sql) == [("card", "evt_1", str(operation))]
    ((queue, body, name),) = tasks(sql)
    assert (queue, body) == ("payment-watch", {"operation_id": str(operation)})
    assert name


def test_a_message_about_a_dispute_has_it_looked_at_by_its_name(vendor: FunctionClient, sql: Connection) -> None:
    message = of_dispute("dp_1", asked_operation(), event_id="evt_1")
    for _ in range(2):
        assert message.send(vendor).status == 200
    assert kept(sql) == [("card", "evt_1", "dp_1")]
    ((queue, body, name),) = tasks(sql)
    assert (queue, body) == ("dispute-look", {"reference": "dp_1"})
    assert name


def test_the_tax_service_has_the_sale_looked_up(vendor: FunctionClient, sql: Connection) -> None:
    order_rows.counted(100)
    who = factories.member()
    order_id = order_rows.placed(who)
    order_rows.paid(who, order_id)
    for transaction_id in (order_id, order_id, uuid4()):
        assert of_kintsugi(transaction_id, event_id=f"evt_{transaction_id}").send(vendor).status == 200
    assert {(source, subject) for source, _, subject in kept(sql)} >= {("kintsugi", str(order_id))}
    ((queue, body, _),) = [task for task in tasks(sql) if task[0] == "tax-report"]
    assert (queue, body) == ("tax-report", {"transaction_id": str(order_id)})


def test_agechecker_takes_the_orders_further_that_wait_for_the_check(vendor: FunctionClient, sql: Connection) -> None:
    order = waiting_order(sql)
    answer = of_agechecker(REFERENCE).send(vendor)
    assert (answer.status, answer.body) == (200, HEARD)
    ((source, event, subject),) = kept(sql)
    assert (source, event[:7], subject) == ("agechecker", "sha256:", REFERENCE)
    ((queue, body, _),) = tasks(sql)
    assert (queue, body) == ("order-advance", {"order_id": str(order.id)})


def asked_fulfilment(sql: Connection) -> UUID:
    """A fulfilment of a paid order, whose own task is not counted here."""
    order_rows.counted(100)
    member = factories.member()
    order_rows.paid(member, order_rows.placed(member))
    sql.execute_simple("DELETE FROM outbox")
    (found,) = sql.execute_simple("SELECT id FROM fulfilments").rows[0]
    return UUID(str(found))


def test_the_warehouse_has_the_fulfilment_looked_up(vendor: FunctionClient, sql: Connection) -> None:
    fulfilment = asked_fulfilment(sql)
    before = rows_of_all_tables(sql, without=("webhook_deliveries", "outbox"))
    answer = of_selery(fulfilment, event_id="evt_1").send(vendor)
    assert (answer.status, answer.body) == (200, HEARD)
    assert kept(sql) == [("selery", "evt_1", str(fulfilment))]
    ((queue, body, name),) = tasks(sql)
    assert (queue, body) == ("order-fulfil", {"fulfilment_id": str(fulfilment)})
    assert name
    assert rows_of_all_tables(sql, without=("webhook_deliveries", "outbox")) == before


def test_a_message_of_the_warehouse_about_no_order_of_ours_is_kept(vendor: FunctionClient, sql: Connection) -> None:
    unknown = uuid4()
    of_selery(unknown, event_id="evt_1").send(vendor)
    assert kept(sql) == [("selery", "evt_1", str(unknown))]
    assert tasks(sql) == []


def test_a_message_of_the_warehouse_that_names_no_order_has_its_counts_read(
    vendor: FunctionClient, sql: Connection
) -> None:
    for _ in range(2):
        of_selery(None, event_id="evt_2", kind="inventory.counted").send(vendor)
    assert kept(sql) == [("selery", "evt_2", "inventory.counted")]
    ((queue, body, _),) = tasks(sql)
    assert (queue, body) == ("inventory-sync", {})


def test_a_message_changes_nothing_by_itself(vendor: FunctionClient, sql: Connection) -> None:
    order, operation = waiting_order(sql), asked_operation()
    before = rows_of_all_tables(sql, without=("webhook_deliveries", "outbox"))
    of_agechecker(REFERENCE, "denied").send(vendor)
    of_card(operation, kind="authorize.succeeded").send(vendor)
    assert len(kept(sql)) == len(tasks(sql)) == 2
    assert rows_of_all_tables(sql, without=("webhook_deliveries", "outbox")) == before
    assert order_views.standing(order.id).state == "age_verification"


def spoiled() -> Iterator[tuple[str, VendorMessage]]:
    """Messages whose signatures are missing, wrong, of another body, another vendor or another day."""
    card, age, selery, sale = of_card(uuid4()), of_agechecker(REFERENCE), of_selery(uuid4()), of_kintsugi(uuid4())
    ours = os.environ["CARD_WEBHOOK_SECRET"], os.environ["AGECHECKER_SECRET"]
    for name, message in (("card", card), ("age", age), ("selery", selery), ("tax", sale)):
        unsigned = {key: value for key, value in message.headers.items() if "Signature" not in key}
        yield f"{name} without a signature", replace(message, headers=unsigned)
        yield f"{name} with another body", replace(message, body=message.body.replace(b'"', b"' ", 1))
        yield f"{name} with one byte more", replace(message, body=message.body + b" ")
        yield f"{name} without a body", replace(message, body=b"")
    yield "the card's, signed by AgeChecker's secret", signed_card(card.body, secret=ours[1])
    yield "AgeChecker's, signed by the card's secret", signed_agechecker(age.body, secret=ours[0])
    yield "the warehouse's, signed by the card's secret", signed_selery(selery.body, secret=ours[0])
    for name, seconds in (("yesterday's", 86_400), ("six minutes old", 360), ("of tomorrow", -86_400)):
        yield f"the card's, {name}", of_card(uuid4(), seconds_ago=seconds)
        yield f"the warehouse's, {name}", of_selery(uuid4(), seconds_ago=seconds)
        yield f"the tax service's, {name}", of_kintsugi(uuid4(), seconds_ago=seconds)
    for text in ("", "t=,v1=", "t=1,v1=ab", "v1=ab", "t=1" * 500, "t=9999999999999,v1=a", "é", "\x7f", "null", "=,=,="):
        given = text.encode().decode("latin-1")
        yield f"the card's with {text[:20]!r}", card.with_headers(**{CARD_SIGNATURE: given})
        yield f"AgeChecker's with {text[:20]!r}", age.with_headers(**{AGECHECKER_SIGNATURE: given})


def test_what_is_not_signed_is_refused_and_nothing_of_it_is_kept(vendor: FunctionClient, sql: Connection) -> None:
    before, wrong, tried = rows_of_all_tables(sql), [], 0
    for name, message in spoiled():
        answer, tried = message.send(vendor), tried + 1
        if refusal(answer) != NOT_VALID:
            wrong.append(f"{name}: {answer.status} {answer.body}")
    assert not wrong, "\n".join(wrong)
    assert tried > 30
    assert rows_of_all_tables(sql) == before


def test_a_token_is_no_signature(client: Client, sql: Connection) -> None:
    somebody = client(factories.member().token)
    for message in (of_card(uuid4()), of_agechecker(REFERENCE)):
        assert refusal(replace(message, headers={}).send(somebody)) == NOT_VALID
    assert kept(sql) == []


def test_a_body_of_fifty_megabytes_is_refused_before_it_is_looked_at(vendor: FunctionClient, sql: Connection) -> None:
    huge = b"[" + b" " * (50 * 1024 * 1024) + b"]"
    for message in (signed_card(huge), signed_agechecker(huge)):
        assert refusal(message.send(vendor)) == (413, "body-too-large")
    assert kept(sql) == []


def test_the_stand_ins_sign_as_the_ports_expect(vendor: FunctionClient, platform: Platform, sql: Connection) -> None:
    card, age = of_card(asked_operation()), of_agechecker(REFERENCE)
    parts = platform.vendors
    for message, stand_in in ((card, parts.card), (age, parts.ages), (of_selery(None), parts.warehouse)):
        assert stand_in.webhooks.method == message.method
        assert replace(message, headers=stand_in.webhooks.signed(message.body)).send(vendor).status == 200
    assert len(kept(sql)) == 3


def test_without_a_database_the_signature_is_checked_all_the_same(
    vendor: FunctionClient, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong signature is refused without a transaction; a right one gets 503 and may come again."""
    good = of_card(asked_operation())
    bad = replace(good, body=good.body + b" ")
    assert good.send(vendor).status == 200
    db.close()
    with monkeypatch.context() as gone:
        gone.setenv("DATABASE_PORT", "1")
        config.read.cache_clear()
        assert refusal(bad.send(vendor)) == NOT_VALID
        told = good.send(vendor)
        assert (told.status, told.problem, "Retry-After" in told.headers) == (503, "overloaded", True)
    db.close()
    config.read.cache_clear()
    assert good.send(vendor).status == 200
    assert len(kept(sql)) == 1


def test_a_message_whose_task_could_not_be_queued_is_not_kept(vendor: FunctionClient, sql: Connection) -> None:
    """The vendor sends it again, and then it is the first."""
    message = of_card(asked_operation())
    sql.execute_simple("ALTER TABLE outbox ADD CONSTRAINT broken CHECK (false) NOT VALID")
    assert message.send(vendor).status == 500
    assert kept(sql) == []
    sql.execute_simple("ALTER TABLE outbox DROP CONSTRAINT broken")
    assert message.send(vendor).status == 200
    assert len(kept(sql)) == len(tasks(sql)) == 1


STRANGE = [
    b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe\x00", b"1e999", b"[" * 50_000, b'{"id": 1, "type": [], "data": 7}',
    b'{"id": "", "data": {"key": "not-ours"}}', b'{"id": "\\u0000", "type": "\\u0000", "data": {"key": "\\u0000"}}',
    b'{"id": "x y", "data": {"key": {}}}', b'{"uuid": 5}', b'{"uuid": "../admin"}', b'{"uuid": "\\ud800"}',
    b'{"uuid": "' + b"a" * 101 + b'"}', b'{"id": "' + b"a" * 201 + b'"}', b" " * 200_000,
]  # fmt: skip


def test_a_signed_message_of_any_shape_is_kept_or_refused_and_has_the_counts_read_at_most(
    vendor: FunctionClient, sql: Connection
) -> None:
    """AgeChecker's have no other content than the check that they name; one of the warehouse that names no order may
    be about its counts.
    """
    for body in STRANGE:
        answer = signed_card(body).send(vendor)
        assert (answer.status, answer.body) == (200, HEARD), (body[:40], answer.body)
        assert signed_selery(body).send(vendor).status == 200, body[:40]
        assert refusal(signed_agechecker(body).send(vendor)) == NOT_VALID, body[:40]
    assert Counter(source for source, _, _ in kept(sql)) == {"card": len(STRANGE), "selery": len(STRANGE)}
    assert {queue for queue, _, _ in tasks(sql)} == {"inventory-sync"}


def test_one_vendors_message_at_anothers_door_wakes_nobody(vendor: FunctionClient, sql: Connection) -> None:
    card, age = of_card(asked_operation()), of_agechecker(REFERENCE)
    assert refusal(replace(card, method=age.method, path=age.path).send(vendor)) == NOT_VALID
    assert refusal(replace(age, method=card.method, path=card.path).send(vendor)) == NOT_VALID
    assert refusal(signed_agechecker(card.body).send(vendor)) == NOT_VALID
    assert signed_card(age.body).send(vendor).status == 200
    assert [(source, subject) for source, _, subject in kept(sql)] == [("card", "unclear")]
    assert tasks(sql) == []


def test_a_message_about_nothing_of_ours_is_kept(vendor: FunctionClient, sql: Connection) -> None:
    unknown = uuid4()
    of_card(unknown, event_id="evt_1").send(vendor)
    of_card(None, event_id="evt_2", kind="deposit.paid").send(vendor)
    of_agechecker("somebody-elses").send(vendor)
    found = [(source, subject) for source, _, subject in kept(sql)]
    assert found == [("card", str(unknown)), ("card", "deposit.paid"), ("agechecker", "somebody-elses")]
    assert tasks(sql) == []


def test_headers_types_queries_and_keys_are_not_looked_at(vendor: FunctionClient, sql: Connection) -> None:
    operation = asked_operation()
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": ""}, {"Content-Type": "multipart/form-data"},
                    {"Idempotency-Key": "é".encode().decode("latin-1")}, {"Idempotency-Key": "same"},
                    {"Idempotency-Key": "same"}, {"Authorization-Of": "me"}):  # fmt: skip
        message = of_card(operation)
        answer = replace(message, headers={**message.headers, **headers}).send(vendor)
        assert (answer.status, answer.body) == (200, HEARD), headers
    message = of_card(operation)
    assert replace(message, path=f"{message.path}?unknown=1&unknown=2&%00").send(vendor).status == 200
    assert len(kept(sql)) == len(tasks(sql)) == 8
    assert sql.execute_simple("SELECT count(*) FROM idempotency_keys").rows == [[0]]


def test_during_a_rotation_either_secret_signs(vendor: FunctionClient, monkeypatch: pytest.MonkeyPatch) -> None:
    card, age = of_card(uuid4()), of_agechecker(REFERENCE)
    monkeypatch.setenv("CARD_WEBHOOK_SECRET", f"new-one,{os.environ['CARD_WEBHOOK_SECRET']}")
    monkeypatch.setenv("AGECHECKER_SECRET", f"new-one, {os.environ['AGECHECKER_SECRET']}")
    for message in (card, age, signed_card(card.body, secret="new-one"), signed_agechecker(age.body, secret="new-one")):
        assert message.send(vendor).status == 200
    monkeypatch.setenv("CARD_WEBHOOK_SECRET", "new-one")
    assert refusal(card.send(vendor)) == NOT_VALID


def test_copies_of_a_moment_are_one_task_and_a_later_one_is_one_more(
    vendor: FunctionClient, sql: Connection, advance_clock: Callable[[float], None]
) -> None:
    message = of_card(asked_operation())
    for _ in range(5):
        assert message.send(vendor).status == 200
    assert len(tasks(sql)) == 1
    advance_clock(120)
    for _ in range(5):
        assert message.send(vendor).status == 200
    assert len(kept(sql)) == 1
    assert len({name for _, _, name in tasks(sql)}) == 2
    advance_clock(120)
    message.send(vendor)
    assert len({name for _, _, name in tasks(sql)}) == 3


def test_two_messages_about_one_operation_are_two_tasks(vendor: FunctionClient, sql: Connection) -> None:
    """The second may come because the first task asked too early."""
    operation = asked_operation()
    for _ in range(2):
        of_card(operation).send(vendor)
    assert len(kept(sql)) == len({name for _, _, name in tasks(sql)}) == 2


def test_a_replayed_callback_of_a_decided_check_only_gets_its_answer(
    vendor: FunctionClient, sql: Connection, advance_clock: Callable[[float], None]
) -> None:
    order, message = waiting_order(sql), of_agechecker(REFERENCE)
    message.send(vendor)
    sql.execute_simple("UPDATE age_checks SET status = 'denied', decided_at = now()")
    advance(order.id)
    assert order_views.standing(order.id).state == "cancelled"
    sql.execute_simple("DELETE FROM outbox")
    before = rows_of_all_tables(sql)
    for seconds in (0, 61, 86_400, 30 * 86_400):
        advance_clock(seconds)
        for _ in range(3):
            assert (message.send(vendor).status, tasks(sql)) == (200, [])
    assert rows_of_all_tables(sql) == before


def test_both_orders_that_wait_for_one_check_go_on(vendor: FunctionClient, sql: Connection) -> None:
    order_rows.counted(100)
    member = factories.member()
    orders = [order_views.place(member).id for _ in range(2)]
    for order_id in orders:
        advance(order_id)
    sql.execute_unnamed("UPDATE age_checks SET reference = $1", (REFERENCE,))
    sql.execute_simple("DELETE FROM outbox")
    of_agechecker(REFERENCE).send(vendor)
    assert [body["order_id"] for _, body, _ in tasks(sql)] == [str(order_id) for order_id in orders]


def many_operations(sql: Connection) -> list[UUID]:
    """MESSAGES operations, ended long ago; so many of one payment are not made by our own code."""
    order_rows.counted(100)
    order = order_views.place()
    sql.execute_simple("SET session_replication_role = replica")
    sql.execute_unnamed(
        """
        INSERT INTO payment_operations (id, payment_id, kind, amount, status, recorded_at, sent_at, answered_at,
                                        evidence, reason)
        SELECT gen_random_uuid(), $1, 'authorize', 10000, 'failed', now(), now(), now(), 'reply', 'declined'
        FROM generate_series(1, $2)
        """,
        (order.payment_id, MESSAGES),
    )
    sql.execute_simple("SET session_replication_role = origin")
    return [UUID(str(found)) for (found,) in sql.execute_simple("SELECT id FROM payment_operations").rows]


def test_ten_thousand_deliveries_of_a_thousand_messages_are_a_thousand(
    vendor: FunctionClient, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shuffled, from eight threads, some at the same moment: each is kept once and wakes once."""
    moment = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: moment)
    messages = [of_card(operation) for operation in many_operations(sql)]
    chance = random.Random(7)  # noqa: S311 - an order of deliveries is no secret
    deliveries = messages + chance.choices(messages, k=DELIVERIES - MESSAGES)
    chance.shuffle(deliveries)
    deliveries[1:1] = deliveries[:1] * THREADS  # these come at the same moment

    with ThreadPoolExecutor(THREADS) as threads:
        answers = Counter(threads.map(lambda message: message.send(vendor).status, deliveries))

    assert answers == {200: DELIVERIES + THREADS}
    told = {json.loads(message.body)["id"]: json.loads(message.body)["data"]["key"] for message in messages}
    assert {event: subject for _, event, subject in kept(sql)} == told
    assert len(kept(sql)) == MESSAGES
    queued = tasks(sql)
    assert sorted(body["operation_id"] for _, body, _ in queued) == sorted(told.values())
    assert len({name for _, _, name in queued}) == MESSAGES
