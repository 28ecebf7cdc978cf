"""Events reach receivers once or more under one id; receivers that fail are tried for five days, and told of then."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from shared import clock
from shared.ports import receivers
from shared.values import hooks
from shared.values.hooks import HookKind
from tests import factories
from tests.fakes import hook_rows, order_rows, wholesale_order_rows
from tests.fakes.hook_driver import HookDriver
from tests.fakes.hook_receiver import HookReceiver
from tests.fakes.hook_rows import SECRET
from tests.fakes.treasury_admins import TreasuryAdmin
from tests.fakes.wholesale_rows import wholesale_account
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.hook_receiver", "tests.fakes.clock_plugin", "tests.fakes.log_plugin"]

Advance = Callable[[float], None]


@pytest.fixture
def pending(driver: HookDriver) -> UUID:
    """An endpoint of the owners with an event that was not spread yet."""
    made = hook_rows.endpoint(None)
    driver.tell(HookKind.TREASURY_SNAPSHOT, driver.snapshot())
    return made


def test_a_message_says_what_happened_and_is_signed(
    pending: UUID, driver: HookDriver, receiver: HookReceiver, sql: Connection
) -> None:
    driver.play()

    (taken,) = receiver.taken
    ((delivery,),) = sql.execute_simple("SELECT id FROM hook_deliveries").rows
    assert taken.headers["webhook-id"] == f"msg_{delivery}"
    sent_at = int(taken.headers["webhook-timestamp"])
    assert taken.headers["webhook-signature"] == hooks.signature(SECRET, f"msg_{delivery}", sent_at, taken.body)
    told = json.loads(taken.body)
    assert told["type"] == "treasury.snapshot"
    assert (told["data"]["treasury"], told["data"]["balance"]) == ("member", 12.5)
    assert driver.deliveries() == [("delivered", 1)]
    assert driver.endpoint(pending) == ("enabled", None)


@pytest.mark.usefixtures("pending")
def test_an_event_and_a_task_that_come_twice_are_one_message(driver: HookDriver, receiver: HookReceiver) -> None:
    driver.spread()
    driver.spread()
    ((task, _),) = driver.tasks()
    assert [driver.run(task), driver.run(task)] == [204, 204]
    assert len(receiver.taken) == 1


@pytest.mark.usefixtures("driver")
def test_nothing_is_recorded_that_nobody_has_chosen(driver: HookDriver, sql: Connection) -> None:
    hook_rows.endpoint(None, kinds=[HookKind.ORDER_SHIPPED])
    driver.tell(HookKind.TREASURY_SNAPSHOT, driver.snapshot())
    assert sql.execute_simple("SELECT FROM outbox WHERE destination = 'hook-event'").rows == []


def test_an_order_that_only_other_accounts_would_hear_of_is_not_recorded(driver: HookDriver, sql: Connection) -> None:
    order_rows.counted(1000)
    who, stranger = factories.member(), factories.member()
    hook_rows.endpoint(wholesale_account("approved", member=stranger), kinds=hook_rows.KINDS)
    wholesale_order_rows.cancelled(wholesale_order_rows.awaited(who))
    driver.tell(HookKind.TREASURY_SNAPSHOT, driver.snapshot())
    assert sql.execute_simple("SELECT FROM outbox WHERE destination = 'hook-event'").rows == []
    hook_rows.endpoint(wholesale_order_rows.account_of(who), kinds=hook_rows.KINDS)
    wholesale_order_rows.cancelled(wholesale_order_rows.awaited(who))
    assert len(sql.execute_simple("SELECT FROM outbox WHERE destination = 'hook-event'").rows) == 1


def test_an_event_about_nothing_that_there_is_ends(driver: HookDriver, sql: Connection) -> None:
    hook_rows.endpoint(None)
    driver.tell(HookKind.ORDER_CONFIRMED, uuid4())
    assert driver.spread() == [204]
    assert len(sql.execute_simple("SELECT FROM job_faults").rows) == 1


def test_an_account_hears_of_its_own_orders_and_the_owners_of_all(
    driver: HookDriver, receiver: HookReceiver, sql: Connection
) -> None:
    order_rows.counted(1000)
    who, stranger = factories.member(), factories.member()
    order = wholesale_order_rows.awaited(who)
    mine = hook_rows.endpoint(wholesale_order_rows.account_of(who), kinds=[HookKind.ORDER_CANCELLED])
    hook_rows.endpoint(wholesale_account("approved", member=stranger), kinds=[HookKind.ORDER_CANCELLED])
    owners = hook_rows.endpoint(None)
    wholesale_order_rows.cancelled(order)

    driver.play()

    told = sql.execute_simple("SELECT endpoint_id FROM hook_deliveries").rows
    assert {endpoint for (endpoint,) in told} == {mine, owners}
    said = json.loads(receiver.taken[0].body)
    assert set(said["data"]) == {"order_id", "order_number", "order_kind", "state"}
    assert (said["data"]["order_id"], said["data"]["state"]) == (str(order), "cancelled")


def test_a_suspended_account_hears_nothing(driver: HookDriver, receiver: HookReceiver, sql: Connection) -> None:
    order_rows.counted(1000)
    order = wholesale_order_rows.awaited(who := factories.member())
    hook_rows.endpoint(wholesale_order_rows.account_of(who), kinds=[HookKind.ORDER_CANCELLED])
    sql.execute_simple(
        "UPDATE wholesale_accounts SET status = 'suspended', decided_at = decided_at + interval '1 hour'"
    )
    wholesale_order_rows.cancelled(order)
    driver.play()
    assert receiver.taken == []
    assert driver.deliveries() == []


@pytest.mark.parametrize("fault", [500, 302, 404, "silent", "not_public"])
def test_what_a_receiver_does_wrong_is_tried_again_later(
    fault: int | str, pending: UUID, driver: HookDriver, receiver: HookReceiver, sql: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if isinstance(fault, int):
        receiver.status(fault, "Location: https://receiver.test/elsewhere\r\n")
    receiver.is_silent = fault == "silent"
    if fault == "not_public":
        monkeypatch.setenv("HOOK_STAND_INS", "")
        monkeypatch.setattr(receivers, "places_of", lambda _: [receivers.HostAddress("169.254.169.254")])

    driver.play()

    ((status, told),) = sql.execute_simple("SELECT status, fault FROM hook_tries").rows
    expected = {"silent": "timeout", "not_public": "not_public"}.get(str(fault))
    assert (status, told) == (fault if isinstance(fault, int) else None, expected)
    assert len(receiver.taken) == (fault != "not_public")
    assert driver.deliveries() == [("pending", 1)]
    ((task, due),) = driver.tasks()
    assert task["number"] == 2
    assert due is not None
    assert timedelta(seconds=50) < due - clock.now() <= hooks.PAUSES[0]
    state, since = driver.endpoint(pending)
    assert state == "enabled"
    assert since is not None


def test_five_days_of_failures_end_the_tries_and_the_endpoint_and_are_told(
    pending: UUID, driver: HookDriver, receiver: HookReceiver, owner: TreasuryAdmin, sql: Connection,
    advance_clock: Advance,
) -> None:  # fmt: skip
    assert owner
    began = clock.now()
    receiver.status(503)
    driver.spread()
    bodies = set()
    for number in range(1, hooks.TRIES_MAX + 1):
        ((task, due),) = driver.tasks()
        advance_clock(max(0.0, (due - clock.now()).total_seconds()) if due else 0.0)
        assert driver.run(task) == 204
        assert len(receiver.taken) == number
        bodies.add((receiver.taken[-1].body, receiver.taken[-1].headers["webhook-id"]))

    assert len(bodies) == 1
    assert clock.now() - began >= hooks.GIVEN_UP_AFTER
    assert driver.tasks() == []
    assert driver.deliveries() == [("failed", hooks.TRIES_MAX)]
    assert driver.endpoint(pending)[0] == "failing"
    found = "SELECT parameters ->> 'subject' FROM mails WHERE template = 'treasury_notice'"
    assert sql.execute_simple(found).rows == [["Webhooks to receiver.test are switched off"]]
    driver.tell(HookKind.PAYOUT_CONFIRMED, uuid4())
    assert len(driver.spread()) == 1  # nothing new was recorded


@pytest.mark.usefixtures("pending")
def test_a_receiver_that_takes_one_again_is_not_failing(
    driver: HookDriver, receiver: HookReceiver, pending: UUID
) -> None:
    receiver.status(500)
    driver.play()
    receiver.status(200)
    ((task, _),) = driver.tasks()
    driver.run(task)
    assert driver.deliveries() == [("delivered", 2)]
    assert driver.endpoint(pending) == ("enabled", None)


def test_an_answer_410_switches_an_accounts_endpoint_off_and_tells_its_member(
    driver: HookDriver, receiver: HookReceiver, sql: Connection
) -> None:
    order_rows.counted(1000)
    who = factories.member()
    order = wholesale_order_rows.awaited(who)
    made = hook_rows.endpoint(wholesale_order_rows.account_of(who))
    receiver.status(410)
    wholesale_order_rows.cancelled(order)

    driver.play()

    assert driver.endpoint(made)[0] == "gone"
    assert driver.deliveries() == [("failed", 1)]
    found = "SELECT member_id FROM notifications WHERE code = 'wholesale_webhook_disabled'"
    assert sql.execute_simple(found).rows == [[who.id]]


def test_a_try_that_died_after_sending_is_made_again_under_its_id(
    driver: HookDriver, receiver: HookReceiver, sql: Connection, pending: UUID, advance_clock: Advance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The message went out, and nothing of it was recorded: the sweep finds it when it is due."""
    assert pending
    driver.spread()
    ((task, _),) = driver.tasks()
    deliver = receivers.deliver

    def dying(*given: Any, **named: Any) -> None:
        deliver(*given, **named)
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(receivers, "deliver", dying)
        assert driver.run(task) == 500
    assert driver.run(task) == 204  # the queue's own repetition: the try was made
    assert len(receiver.taken) == 1

    advance_clock(3600)
    assert driver.jobs.schedule("hook_send", "sweep") == 204
    assert driver.jobs.schedule("hook_send", "sweep") == 204
    ((again, _),) = driver.tasks()
    assert again["number"] == 2
    driver.run(again)
    assert len({taken.headers["webhook-id"] for taken in receiver.taken}) == 1
    assert len(sql.execute_simple("SELECT FROM hook_tries").rows) == 2


def test_an_endpoint_deleted_or_switched_off_meanwhile_is_sent_nothing(
    pending: UUID, driver: HookDriver, receiver: HookReceiver, sql: Connection
) -> None:
    driver.spread()
    ((task, _),) = driver.tasks()
    sql.execute_unnamed("UPDATE hook_endpoints SET state = 'disabled' WHERE id = $1", (pending,))
    assert driver.run(task) == 204
    assert driver.deliveries() == [("failed", 0)]
    sql.execute_unnamed("DELETE FROM hook_endpoints WHERE id = $1", (pending,))
    assert driver.run(task) == 204
    assert receiver.taken == []


@pytest.mark.usefixtures("pending")
def test_no_secret_address_or_body_is_in_the_log(
    driver: HookDriver, receiver: HookReceiver, log_output: StringIO, sql: Connection
) -> None:
    receiver.status(500)
    driver.play()
    logged = log_output.getvalue()
    assert "webhook tried" in logged
    for hidden in ("tenant=7", hooks.secret_shown(SECRET), SECRET.decode(), "12.5", "v1,"):
        assert hidden not in logged, hidden
    assert SECRET.hex() not in str(rows_of_all_tables(sql))


def test_the_member_data_of_an_order_is_in_no_message(driver: HookDriver, receiver: HookReceiver) -> None:
    order_rows.counted(1000)
    who = factories.member()
    hook_rows.endpoint(None)
    wholesale_order_rows.cancelled(wholesale_order_rows.awaited(who))
    driver.play()
    (taken,) = receiver.taken
    for hidden in (str(who.id), who.email):
        assert hidden not in taken.body.decode()
