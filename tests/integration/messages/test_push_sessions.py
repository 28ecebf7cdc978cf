"""A push token belongs to the session that registered it, and ends with it, whoever ends it and how."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pg8000.dbapi import Connection

from emulators.push import PushStandIn
from functions.notify import main as notifying
from shared import clock, db
from shared.auth import Role
from shared.credentials import totp
from shared.events import NotificationMade
from shared.messages.notifications import Note, notify
from tests import factories
from tests.client import FunctionClient
from tests.clock import moved_clock
from tests.factories import Somebody
from tests.fakes.locks import held, until_waiting
from tests.operations.scene import PASSWORD, Scene
from tests.operations.sessions import (
    copy_its_refresh_token,
    reset_password,
    sign_in,
    sign_in_on_another_phone,
    sign_out,
)
from tests.platform import Platform

pytest_plugins = ["tests.contract.push_plugin"]

Client = Callable[..., FunctionClient]

DEVICES = "/v1/users/me/devices"
TOKEN = "dQw4w9WgXcQ:APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx"


@dataclass(frozen=True)
class Phone:
    """A member with a mobile session that has registered a push token."""

    scene: Scene
    somebody: Somebody
    tokens: dict[str, Any]

    @property
    def client(self) -> FunctionClient:
        return self.scene.client(self.tokens["access_token"])

    def is_told(self, vendors: PushStandIn) -> bool:
        """Whether a notification of this moment reaches the phone."""
        note = Note(self.somebody.id, "system", "Hello", "there", {}, str(clock.now()))
        made = db.atomically(lambda tx: notify(tx, note, clock.now()))
        assert made
        before = len(vendors.pushes())
        notifying.tell(NotificationMade(notification_id=made), clock.now())
        return len(vendors.pushes()) > before


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


@pytest.fixture
def phone(scene: Scene) -> Phone:
    somebody = scene.with_password()
    made = Phone(scene, somebody, sign_in(scene, somebody.email, "mobile"))
    assert made.client.post(DEVICES, {"platform": "android", "token": TOKEN}).status == 201
    return made


def change_password(phone: Phone) -> None:
    body = {"current_password": PASSWORD, "password": "Another-Sesame-9!"}
    assert phone.scene.client(phone.somebody.token).post("/v1/auth/password", body).status == 204


def set_up_a_second_factor(phone: Phone) -> None:
    """In another session: this one was not proved with it."""
    client = phone.scene.client(phone.somebody.token)
    secret = base64.b32decode(client.post("/v1/auth/2fa/setup", {"password": PASSWORD}).body["secret"])
    code = totp.code(secret, totp.step_of(clock.now()))
    assert client.post("/v1/auth/2fa/enable", {"code": code}).status == 200


def be_suspended_and_let_in_again(phone: Phone) -> None:
    admin = phone.scene.member(Role.OPERATIONS)
    for act in ("suspend", "activate"):
        path = f"/v1/admin/members/{phone.somebody.id}/{act}"
        assert admin.post(path, {"reason": "a mistake"}).status == 200


ENDS = (sign_out, change_password, reset_password, sign_in_on_another_phone, copy_its_refresh_token,
        set_up_a_second_factor, be_suspended_and_let_in_again)  # fmt: skip


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_it_is_told_until_its_session_ends(
    end: Callable[[Phone], None], phone: Phone, vendors: PushStandIn, sql: Connection
) -> None:
    assert phone.is_told(vendors)
    end(phone)
    assert not phone.is_told(vendors)
    assert sql.execute_simple("SELECT count(*) FROM devices").rows == [[0]]


def test_a_session_that_nobody_uses_any_more_is_told_nothing(
    phone: Phone, vendors: PushStandIn, tmp_path: Path
) -> None:
    with moved_clock(tmp_path, timedelta(days=29, hours=23)):
        assert phone.is_told(vendors)
    with moved_clock(tmp_path, timedelta(days=30, minutes=1)):
        assert not phone.is_told(vendors)


def test_the_other_session_goes_on_being_told(phone: Phone, vendors: PushStandIn) -> None:
    assert phone.scene.client(phone.somebody.token).post("/v1/auth/logout").status == 204
    assert phone.is_told(vendors)


def test_a_token_moves_to_the_session_that_registers_it_again(phone: Phone, vendors: PushStandIn) -> None:
    again = Phone(phone.scene, phone.somebody, sign_in(phone.scene, phone.somebody.email, "mobile"))
    assert not again.is_told(vendors)
    again.client.post(DEVICES, {"platform": "android", "token": TOKEN})
    assert again.is_told(vendors)


def test_a_session_that_ends_meanwhile_registers_nothing(phone: Phone, platform: Platform, sql: Connection) -> None:
    """The request has found its session alive; before it writes, the session ends."""
    statuses = list[int]()
    register = Thread(
        target=lambda: statuses.append(phone.client.post(DEVICES, {"platform": "ios", "token": "ab" * 32}).status)
    )
    ends = "UPDATE sessions SET ended_at = now(), end_reason = 'signed out' WHERE device_kind = 'mobile'"
    with held(platform, ends):
        register.start()
        until_waiting(sql, 1)
    register.join(30)
    assert statuses == [401]
    assert sql.execute_simple("SELECT count(*) FROM devices").rows == [[0]]


def test_one_phone_is_one_whatever_letters_its_token_comes_in(client: Client, vendors: PushStandIn) -> None:
    somebody = factories.member()
    mine = client(somebody.token)
    made = [mine.post(DEVICES, {"platform": "ios", "token": token * 32}).body["id"] for token in ("aB", "Ab", "AB")]
    assert len(set(made)) == 1
    note = Note(somebody.id, "system", "Hello", "there", {}, "hello")
    notification = db.atomically(lambda tx: notify(tx, note, clock.now()))
    assert notification
    notifying.tell(NotificationMade(notification_id=notification), clock.now())
    assert [each.token for each in vendors.pushes()] == ["ab" * 32]


def test_a_token_of_google_is_another_one_in_other_letters(client: Client) -> None:
    mine = client(factories.member().token)
    made = {mine.post(DEVICES, {"platform": "android", "token": token}).body["id"] for token in (TOKEN, TOKEN.lower())}
    assert len(made) == 2


def test_one_device_is_one_whatever_letters_its_id_comes_in(scene: Scene, sql: Connection) -> None:
    identity = "6F0D3C1E-52A1-4C8E-9D8C-2F7A0C1B9E10"
    email = scene.verified()
    for spelled in (identity, identity.lower(), "Not-A-UUID"):
        device = {"kind": "mobile", "id": spelled}
        assert scene.client().post("/v1/auth/login", {"email": email, "password": PASSWORD, "device": device}).body
    found = sql.execute_simple("SELECT device_id FROM sessions ORDER BY created_at").rows
    assert found == [[identity.lower()], [identity.lower()], ["Not-A-UUID"]]


def test_the_schema_takes_no_token_of_apple_in_capitals(sql: Connection) -> None:
    somebody = factories.member()
    with pytest.raises(Exception, match="devices_token_is_canonical"):
        sql.execute_unnamed(
            "INSERT INTO devices (id, member_id, platform, token, registered_at) "
            "VALUES (gen_random_uuid(), $1, 'ios', repeat('AB', 32), now())",
            (somebody.id,),
        )
