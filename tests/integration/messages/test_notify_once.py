"""A notification reaches each of a member's devices once, whoever delivers the event, however often."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from emulators.process import wait_until
from emulators.push import PushStandIn
from emulators.push.box import Fault
from functions.notify import main, rules, store
from shared import clock, db
from shared.db import Tx
from shared.events import NotificationMade
from shared.job import ComeAgain
from shared.messages import notifications
from shared.messages.notifications import Note, notify
from shared.ports import push
from shared.values.device_ids import DEVICES_MAX
from shared.values.money import Usdt
from tests import factories

pytest_plugins = ["tests.contract.push_plugin"]

WON = Note(
    UUID(int=0),
    "comp",
    "You won $100!",
    "It is paid to your wallet as soon as one is linked.",
    {"comp_id": "7"},
    "comp:7",
)


@pytest.fixture
def member() -> UUID:
    return factories.member().id


def device(member: UUID, platform: push.Platform, age: timedelta = timedelta()) -> str:
    """The token of a new device."""
    token = uuid4().hex * 2

    def insert(tx: Tx) -> None:
        tx.run(
            """
            INSERT INTO devices (id, member_id, session_id, platform, token, registered_at)
            SELECT :id, :member_id, id, :platform, :token, :registered_at FROM sessions WHERE member_id = :member_id
            """,
            id=uuid4(),
            member_id=member,
            platform=platform,
            token=token,
            registered_at=clock.now() - age,
        )

    db.atomically(insert)
    return token


def noted(member: UUID, note: Note = WON, now: datetime | None = None) -> NotificationMade:
    """A new notification, made as the platform makes it."""
    made = db.atomically(lambda tx: notify(tx, replace(note, member_id=member), now or clock.now()))
    assert made
    return NotificationMade(notification_id=made)


def delivered(event: NotificationMade, after: timedelta = timedelta()) -> bool:
    """False when it has to come again."""
    try:
        main.tell(event, clock.now() + after)
    except ComeAgain:
        return False
    return True


def begun(member: UUID) -> tuple[store.Notification, UUID]:
    """The rows that a delivery has read before it claims the member's one device."""
    event = noted(member)

    def read(tx: Tx) -> tuple[store.Notification, UUID]:
        found = store.notification(tx, event.notification_id)
        assert found
        (device_id,) = store.waiting(tx, found, clock.now(), DEVICES_MAX)
        return found, device_id

    return db.atomically(read)


def claim(found: store.Notification, device_id: UUID, after: timedelta = timedelta()) -> store.Device | None:
    now = clock.now() + after
    return db.atomically(lambda tx: store.claim(tx, found, device_id, now, now + main.CLAIM_LIFE))


def run(sql: Connection, statement: str) -> list[list[object]]:
    rows: list[list[object]] = sql.execute_simple(statement).rows or []
    return rows


def statuses(sql: Connection) -> dict[str, str]:
    """The pushes by the token they went to."""
    rows = run(sql, "SELECT token, status FROM pushes JOIN devices ON devices.id = device_id")
    return {str(token): str(status) for token, status in rows}


def test_a_device_is_told_in_the_members_language(vendors: PushStandIn, member: UUID, sql: Connection) -> None:
    sql.execute_unnamed("UPDATE members SET language = 'pt' WHERE id = $1", (member,))
    device(member, "ios"), device(member, "android")
    won = notifications.note(member, "comp_won", {"comp_id": "7"}, "comp:7", amount=Usdt.of(100))
    event = noted(member, won)
    assert delivered(event)
    for each in vendors.pushes():
        assert (each.title, each.body) == (
            "Você ganhou US$\u00a0100!",
            "É pago na sua carteira assim que houver uma vinculada.",
        )
        assert (each.data["code"], each.data["params"]) == ("comp_won", '{"amount": "100.00"}')
    assert len(vendors.pushes()) == 2


def test_each_device_is_told_once(vendors: PushStandIn, member: UUID, sql: Connection) -> None:
    ios, android = device(member, "ios"), device(member, "android")
    event = noted(member)
    assert [delivered(event) for _ in range(3)] == [True, True, True]
    told = {each.token: each for each in vendors.pushes()}
    assert (len(vendors.pushes()), set(told)) == (2, {ios, android})
    assert (told[ios].platform, told[android].platform) == ("ios", "android")
    for each in told.values():
        assert (each.title, each.body) == (WON.title, WON.body)
        assert each.data == {
            "comp_id": "7",
            "notification_id": str(event.notification_id),
            "notification_type": "comp",
        }
    assert statuses(sql) == {ios: "sent", android: "sent"}


def test_ten_deliveries_at_once_are_one_push_per_device(vendors: PushStandIn, member: UUID, sql: Connection) -> None:
    tokens = {device(member, "ios"), device(member, "android")}
    event = noted(member)
    with ThreadPoolExecutor(10) as threads:
        list(threads.map(lambda _: delivered(event), range(10)))
    assert delivered(event)
    assert sorted(each.token for each in vendors.pushes()) == sorted(tokens)
    assert set(statuses(sql).values()) == {"sent"}


def test_while_somebody_else_is_telling_a_device_it_comes_again(
    vendors: PushStandIn, member: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    device(member, "android")
    event = noted(member)
    monkeypatch.setattr(push, "ANSWER_SECONDS_MAX", 1.0)
    vendors.fail_next(1, Fault.TIMEOUT)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(delivered, event)
        wait_until(lambda: not vendors.faults_left, "the first delivery")
        assert not delivered(event)
        assert vendors.pushes() == []
        assert not first.result()
    assert delivered(event)
    assert len(vendors.pushes()) == 1


def test_no_transaction_waits_for_a_vendor(
    vendors: PushStandIn, member: UUID, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    device(member, "ios")
    event = noted(member)
    monkeypatch.setattr(push, "ANSWER_SECONDS_MAX", 1.0)
    vendors.fail_next(1, Fault.TIMEOUT)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(delivered, event)
        wait_until(lambda: not vendors.faults_left, "the vendor is asked")
        open_elsewhere = "datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
        assert run(sql, f"SELECT count(*) FROM pg_stat_activity WHERE {open_elsewhere}") == [[0]]
        assert not waiting.done()
        assert run(sql, "SELECT status FROM pushes") == [["sending"]]


def test_after_a_crash_it_is_told_again_under_the_same_id(vendors: PushStandIn, member: UUID, sql: Connection) -> None:
    token = device(member, "android")
    event = noted(member)
    assert delivered(event)
    until = main.CLAIM_LIFE - timedelta(seconds=5)
    run(sql, f"UPDATE pushes SET status = 'sending', finished_at = NULL, claimed_until = now() + '{until}'")
    assert not delivered(event)
    assert len(vendors.pushes()) == 1
    assert delivered(event, after=main.CLAIM_LIFE)
    first, second = vendors.pushes()
    assert (first.token, first.push_id) == (second.token, second.push_id) == (token, first.push_id)
    assert statuses(sql) == {token: "sent"}


def test_two_notifications_and_two_devices_have_four_push_ids(vendors: PushStandIn, member: UUID) -> None:
    device(member, "ios")
    device(member, "android")
    for key in ("comp:1", "comp:2"):
        delivered(noted(member, replace(WON, dedupe_key=key)))
    assert len({each.push_id for each in vendors.pushes()}) == 4


@pytest.mark.parametrize("kind", ["ios", "android"])
@pytest.mark.parametrize("fault", [Fault.TOO_MANY_REQUESTS, Fault.INTERNAL_ERROR, Fault.DROPPED])
def test_a_delayed_push_comes_again_and_the_others_are_served(
    vendors: PushStandIn, member: UUID, sql: Connection, kind: push.Platform, fault: Fault
) -> None:
    slow, fine = device(member, kind), device(member, "android", age=timedelta(days=3))
    event = noted(member)
    vendors.fail_next(1, fault, token=slow)
    assert not delivered(event)
    assert statuses(sql) == {slow: "sending", fine: "sent"}
    assert delivered(event)
    assert len(vendors.pushes(fine)) == 1
    assert len({each.push_id for each in vendors.pushes(slow)}) == 1
    assert statuses(sql) == {slow: "sent", fine: "sent"}


def test_a_vendor_that_names_a_time_is_left_alone_until_then(vendors: PushStandIn, member: UUID) -> None:
    device(member, "android")
    event = noted(member)
    vendors.fail_next(1, Fault.TOO_MANY_REQUESTS, retry_after_seconds=30)
    assert not delivered(event)
    assert not delivered(event, after=timedelta(seconds=25))
    assert vendors.pushes() == []
    assert delivered(event, after=timedelta(seconds=31))
    assert len(vendors.pushes()) == 1


@pytest.mark.parametrize("kind", ["ios", "android"])
@pytest.mark.parametrize("happen", [PushStandIn.unregister, PushStandIn.disown])
def test_a_dead_device_is_forgotten(
    vendors: PushStandIn,
    member: UUID,
    sql: Connection,
    kind: push.Platform,
    happen: Callable[[PushStandIn, str], None],
) -> None:
    dead, alive = device(member, kind), device(member, "android", age=timedelta(days=3))
    happen(vendors, dead)
    assert delivered(noted(member))
    assert run(sql, "SELECT token FROM devices") == [[alive]]
    assert [each.token for each in vendors.pushes()] == [alive]


def test_a_device_that_was_registered_again_meanwhile_is_kept(member: UUID, sql: Connection) -> None:
    token = device(member, "ios", age=timedelta(days=3))
    claimed = claim(*begun(member))
    assert claimed
    run(sql, "UPDATE devices SET registered_at = now()")
    assert not db.atomically(lambda tx: store.forget(tx, claimed))
    assert run(sql, "SELECT token FROM devices") == [[token]]


def test_a_device_that_is_another_members_now_is_not_told(member: UUID, sql: Connection) -> None:
    device(member, "ios")
    found, device_id = begun(member)
    sql.execute_unnamed("UPDATE devices SET member_id = $1", (factories.member().id,))
    assert claim(found, device_id) is None


def test_a_device_that_somebody_else_has_told_meanwhile_is_not_told(member: UUID) -> None:
    device(member, "ios")
    found, device_id = begun(member)
    assert claim(found, device_id)
    db.atomically(lambda tx: store.finish(tx, found.id, device_id, "sent", clock.now()))
    assert claim(found, device_id, after=2 * main.CLAIM_LIFE) is None


def test_a_refused_push_is_not_tried_again(vendors: PushStandIn, member: UUID, sql: Connection) -> None:
    android, ios = device(member, "android"), device(member, "ios")
    event = noted(member, replace(WON, data={"from": "a name that Google keeps for itself"}))
    assert delivered(event)
    assert statuses(sql) == {android: "refused", ios: "sent"}
    assert delivered(event)
    assert [each.token for each in vendors.pushes()] == [ios]


def test_a_wrong_key_of_ours_loses_no_push(
    vendors: PushStandIn, member: UUID, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ios, android = device(member, "ios"), device(member, "android")
    event = noted(member)
    monkeypatch.setenv("APNS_KEY_ID", "ANOTHERKEY")
    assert not delivered(event)
    assert statuses(sql) == {ios: "sending", android: "sent"}
    monkeypatch.setenv("APNS_KEY_ID", vendors.apns_key_id)
    assert delivered(event)
    assert statuses(sql) == {ios: "sent", android: "sent"}
    assert len(vendors.pushes()) == 2


@pytest.mark.parametrize(
    ("preference", "count"), [({}, 1), ({"comp": True}, 1), ({"comp": False}, 0), ({"order": False}, 1)]
)
def test_the_member_chooses_by_type(
    vendors: PushStandIn, member: UUID, sql: Connection, preference: Mapping[str, bool], count: int
) -> None:
    device(member, "android")
    for kind, wanted in preference.items():
        sql.execute_unnamed("INSERT INTO notification_preferences VALUES ($1, $2, $3, true)", (member, kind, wanted))
    assert delivered(noted(member))
    assert len(vendors.pushes()) == count


def test_what_was_read_already_is_not_pushed(vendors: PushStandIn, member: UUID, sql: Connection) -> None:
    device(member, "android")
    event = noted(member)
    run(sql, "UPDATE notifications SET read_at = now()")
    assert delivered(event)
    assert vendors.pushes() == []


def test_old_news_are_not_pushed(vendors: PushStandIn, member: UUID) -> None:
    device(member, "android")
    assert delivered(noted(member, now=clock.now() - rules.AGE_MAX - timedelta(seconds=1)))
    assert vendors.pushes() == []


def test_nobody_elses_devices_are_told(vendors: PushStandIn, member: UUID) -> None:
    device(factories.member().id, "android")
    assert delivered(noted(member))
    assert vendors.pushes() == []


def test_a_notification_that_is_gone_needs_nothing(vendors: PushStandIn) -> None:
    assert delivered(NotificationMade(notification_id=uuid4()))
    assert vendors.pushes() == []


def test_the_devices_registered_last_are_told_up_to_a_bound(vendors: PushStandIn, member: UUID) -> None:
    tokens = [device(member, "android", age=timedelta(days=days)) for days in range(DEVICES_MAX + 2)]
    event = noted(member)
    assert delivered(event)
    assert delivered(event)
    assert sorted(each.token for each in vendors.pushes()) == sorted(tokens[:DEVICES_MAX])


def test_a_delivery_that_takes_too_long_leaves_the_rest_to_the_next(
    vendors: PushStandIn, member: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, first = device(member, "android", age=timedelta(days=1)), device(member, "android")
    event = noted(member)
    monkeypatch.setattr(push, "ANSWER_SECONDS_MAX", 0.3)
    vendors.fail_next(1, Fault.TIMEOUT, token=first)
    with monkeypatch.context() as hurried:
        hurried.setattr(main, "TELLING_SECONDS_MAX", 0.2)
        began = time.monotonic()
        assert not delivered(event)
        assert time.monotonic() - began >= 0.3
        assert vendors.pushes() == []
    assert delivered(event)
    assert {each.token for each in vendors.pushes()} == {first, last}


def test_a_notification_of_any_length_arrives(vendors: PushStandIn, member: UUID) -> None:
    tokens = {device(member, "ios"), device(member, "android")}
    everything = replace(WON, title='"ä"' * 4000, body="\n💥" * 4000, data={"much": "x" * 9000, "list": [1, None]})
    event = noted(member, everything)
    assert delivered(event)
    assert {each.token for each in vendors.pushes()} == tokens
    for each in vendors.pushes():
        assert each.title.endswith("…")
        assert each.data["notification_id"] == str(event.notification_id)
