"""A realtime token can be revoked: a token that was issued before shows nothing, however late it is exchanged.

The embedded Firestore has our rules here, and is read as apps read it, with what Firebase makes of the token.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from pg8000.dbapi import Connection

from emulators.contract import ROOT
from emulators.firebase_auth import InvalidCustomToken
from emulators.firestore import Firestore
from functions.feed_project.documents import REVOCATION_LIFE
from functions.realtime import main as realtime
from shared import db
from shared.auth import Role
from shared.members import listeners
from shared.messages.notifications import Note, notify
from shared.ports import firestore
from shared.values.tiers import Tier
from tests import factories
from tests.client import FunctionClient
from tests.clock import moved_clock
from tests.factories import NOW, Somebody
from tests.fakes.firestore_app import AppClient
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.locks import held, until_waiting
from tests.operations.scene import PASSWORD, Scene
from tests.operations.sessions import (
    copy_its_refresh_token,
    reset_password,
    sign_in,
    sign_in_on_another_phone,
    sign_out,
)
from tests.platform import Platform, environment

Client = Callable[..., FunctionClient]


@pytest.fixture(autouse=True)
def copies(platform: Platform, database: str) -> Iterator[Firestore]:
    assert database
    server = Firestore(ROOT / "terraform" / "firestore.rules", platform.identity.key_set)
    server.start()
    with environment({"FIRESTORE_EMULATOR_HOST": server.host}):
        yield server
    server.stop()


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


def revoke(somebody: Somebody, after: timedelta) -> None:
    db.atomically(lambda tx: listeners.revoke(tx, somebody.id, NOW + after))


def published(platform: Platform, somebody: Somebody) -> dict[str, Any]:
    invoker = FunctionInvoker(platform.invoker_token)
    assert invoker.event("feed_project", "listener-revoked", {"member_id": str(somebody.id)}) == 204
    return firestore._client().document(f"revocations/{somebody.id}").get().to_dict() or {}


@dataclass
class Phone:
    """A member who is signed in on a phone, with an app that listens."""

    scene: Scene
    platform: Platform
    host: str
    somebody: Somebody
    tokens: dict[str, Any]

    @property
    def client(self) -> FunctionClient:
        return self.scene.client(self.tokens["access_token"])

    @property
    def inbox(self) -> str:
        return f"inboxes/{self.somebody.id}"

    def realtime_token(self) -> str:
        answer = self.client.post("/v1/realtime/token")
        assert (answer.status, answer.body["expires_in"], answer.body["listens_for"]) == (200, 300, 3600)
        return str(answer.body["firebase_token"])

    def app(self, custom_token: str) -> AppClient:
        made = AppClient(self.host, self.platform.identity)
        made.sign_in(custom_token)
        return made

    def told(self, key: str) -> None:
        """They get a notification, and their badge is copied to Firestore."""
        note = Note(self.somebody.id, "system", "Hello", "there", {}, key)
        made = db.atomically(lambda tx: notify(tx, note, NOW))
        event = {"notification_id": str(made)}
        assert FunctionInvoker(self.platform.invoker_token).event("feed_project", "notification-changed", event) == 204


@pytest.fixture
def phone(scene: Scene, platform: Platform, copies: Firestore) -> Phone:
    somebody = scene.with_password()
    made = Phone(scene, platform, copies.host, somebody, sign_in(scene, somebody.email, "mobile"))
    made.told("first")
    return made


# Each takes back what the phone has.


def end_it_from_the_desktop(phone: Phone) -> None:
    session = jwt.decode(phone.tokens["access_token"], options={"verify_signature": False})["sid"]
    assert phone.scene.client(phone.somebody.token).delete(f"/v1/auth/sessions/{session}").status == 204


def end_all(phone: Phone) -> None:
    assert phone.scene.client(phone.somebody.token).delete("/v1/auth/sessions").status == 204


def change_the_password(phone: Phone) -> None:
    body = {"current_password": PASSWORD, "password": "Another-Sesame-9!"}
    assert phone.client.post("/v1/auth/password", body).status == 204


def suspend(phone: Phone) -> None:
    path = f"/v1/admin/members/{phone.somebody.id}/suspend"
    assert phone.scene.member(Role.OPERATIONS).post(path, {"reason": "a look"}).status == 200


def delete_the_account(phone: Phone) -> None:
    username = phone.client.get("/v1/users/me").body["username"]
    assert phone.client.post("/v1/users/me/deletion", {"username": username}).status == 202


def take_the_tier(phone: Phone) -> None:
    admin, path = phone.scene.member(Role.OPERATIONS), f"/v1/admin/members/{phone.somebody.id}/tier"
    assert admin.put(path, {"scope": "quarter", "tier": "whale", "reason": "kind"}).status == 200
    assert admin.delete(f"{path}/quarter").status == 200


def lower_the_tier(phone: Phone) -> None:
    admin, path = phone.scene.member(Role.OPERATIONS), f"/v1/admin/members/{phone.somebody.id}/tier"
    for tier in ("whale", "vip"):
        assert admin.put(path, {"scope": "quarter", "tier": tier, "reason": "kind"}).status == 200


ENDS_ACCESS = (sign_out, end_it_from_the_desktop, end_all, sign_in_on_another_phone, copy_its_refresh_token,
               change_the_password, reset_password, suspend, delete_the_account)  # fmt: skip
LOWERS = (take_the_tier, lower_the_tier)


@pytest.mark.parametrize("act", [*ENDS_ACCESS, *LOWERS], ids=lambda act: act.__name__)
def test_a_token_that_was_issued_before_shows_nothing_however_it_is_used(
    act: Callable[[Phone], None], phone: Phone, platform: Platform
) -> None:
    used, kept = phone.app(phone.realtime_token()), phone.realtime_token()
    assert used.reads(phone.inbox)
    with used.listening(phone.inbox) as listener:
        assert listener.next_version()

        act(phone)
        published(platform, phone.somebody)
        phone.told("second")

        assert listener.next_version() is None  # the open listener ends instead of hearing of it
    late = phone.app(kept)  # exchanged after it was taken back
    used.renew()
    for app in (used, late):
        assert not app.reads(phone.inbox)
        with app.listening(phone.inbox) as again:
            assert again.next_version() is None


@pytest.mark.parametrize("act", LOWERS, ids=lambda act: act.__name__)
def test_a_new_token_says_the_tier_that_is_left(act: Callable[[Phone], None], phone: Phone, platform: Platform) -> None:
    act(phone)
    published(platform, phone.somebody)
    token = phone.realtime_token()
    assert phone.app(token).reads(phone.inbox)
    said = jwt.decode(token, options={"verify_signature": False})["claims"]
    assert said["tier"] == {"take_the_tier": "standard", "lower_the_tier": "vip"}[act.__name__]
    assert said["tier_after"] == "standard"


@pytest.mark.parametrize("act", ENDS_ACCESS, ids=lambda act: act.__name__)
def test_who_is_out_gets_no_new_token(act: Callable[[Phone], None], phone: Phone) -> None:
    act(phone)
    assert phone.client.post("/v1/realtime/token").status in (401, 403)


def test_signed_in_again_they_listen_again(phone: Phone, platform: Platform) -> None:
    sign_out(phone)
    published(platform, phone.somebody)
    phone.tokens = sign_in(phone.scene, phone.somebody.email, "mobile")
    published(platform, phone.somebody)
    assert phone.app(phone.realtime_token()).reads(phone.inbox)


def test_a_custom_token_can_be_exchanged_for_five_minutes(
    phone: Phone, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, now = phone.realtime_token(), datetime.now(UTC)
    monkeypatch.setattr(platform.identity.firebase, "now", lambda: now + timedelta(seconds=298))
    phone.app(token)
    monkeypatch.setattr(platform.identity.firebase, "now", lambda: now + timedelta(seconds=302))
    with pytest.raises(InvalidCustomToken):
        phone.app(token)


def test_the_newest_moment_is_published_and_forgotten_when_no_token_can_be_older(platform: Platform) -> None:
    somebody = factories.member()
    for after in (timedelta(minutes=5), timedelta(), timedelta(minutes=3)):
        revoke(somebody, after)
    for _ in range(2):
        found = published(platform, somebody)
        assert found["before"] == NOW + timedelta(minutes=5)
        assert found["expires_at"] == NOW + timedelta(minutes=5) + REVOCATION_LIFE
    assert REVOCATION_LIFE > realtime.BELIEVED_FOR


def test_a_tier_that_is_taken_away_takes_the_token_with_it(platform: Platform, client: Client) -> None:
    somebody = factories.member()
    admin = client(factories.member(role=Role.OPERATIONS).token)
    path = f"/v1/admin/members/{somebody.id}/tier"
    assert admin.put(path, {"scope": "quarter", "tier": Tier.WHALE.value, "reason": "kind"}).status == 200
    assert admin.delete(f"{path}/quarter").status == 200
    assert published(platform, somebody)["before"]


# Clocks of two instances are never the same, and requests come at the same time.


def issued(token: str) -> datetime:
    said = jwt.decode(token, options={"verify_signature": False})["claims"]["issued_ms"]
    return datetime.fromtimestamp(said / 1000, tz=NOW.tzinfo)


def test_a_clock_that_is_behind_takes_back_what_was_issued_before(
    phone: Phone, platform: Platform, tmp_path: Path
) -> None:
    app = phone.app(phone.realtime_token())
    with moved_clock(tmp_path, -timedelta(seconds=20)):
        sign_out(phone)
    published(platform, phone.somebody)
    assert not app.reads(phone.inbox)


def test_a_clock_that_is_behind_issues_a_token_that_is_believed(
    phone: Phone, platform: Platform, tmp_path: Path
) -> None:
    take_the_tier(phone)
    before = published(platform, phone.somebody)["before"]
    with moved_clock(tmp_path, -timedelta(seconds=20)):
        token = phone.realtime_token()
    assert before < issued(token)


def test_a_token_that_is_asked_for_while_the_session_ends_is_refused_or_taken_back(
    phone: Phone, platform: Platform, sql: Connection
) -> None:
    """The session is found alive; before the token counts as issued, the sign-out commits."""
    phone.realtime_token()
    statuses = list[int]()
    with ThreadPoolExecutor(1) as threads:
        ends = f"""
            UPDATE sessions SET ended_at = now(), end_reason = 'signed out' WHERE device_kind = 'mobile';
            UPDATE listener_revocations SET before = now() WHERE member_id = '{phone.somebody.id}'
        """
        with held(platform, ends):
            asking = threads.submit(lambda: statuses.append(phone.client.post("/v1/realtime/token").status))
            until_waiting(sql, 1)
        asking.result(30)
    assert statuses == [401]


def test_tokens_and_revocations_at_once_leave_no_token_that_passes(phone: Phone, sql: Connection) -> None:
    """The last revocation's clock is far behind; its moment is after that of every token all the same."""

    def act(number: int) -> str | None:
        if number % 2:
            db.atomically(lambda tx: listeners.revoke(tx, phone.somebody.id, NOW))
            return None
        return phone.realtime_token()

    with ThreadPoolExecutor(8) as threads:
        tokens = [token for token in threads.map(act, range(16)) if token]
    revoke(phone.somebody, timedelta())

    ((before,),) = sql.execute_simple("SELECT before FROM listener_revocations").rows
    assert len(tokens) == 8
    assert all(issued(token) <= before for token in tokens)
    assert issued(phone.realtime_token()) > before
