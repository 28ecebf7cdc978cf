"""Sessions end by themselves and by hand, an admin's proof ages, and everybody sees the own sessions."""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError

from functions.auth import device_names
from shared import auth, clock
from shared.auth import Role
from shared.credentials import totp
from tests import factories
from tests.client import Answer, FunctionClient
from tests.clock import moved_clock
from tests.operations.scene import PASSWORD, Scene
from tests.operations.sessions import end_reasons, is_live, refresh, sign_in
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

SESSIONS = "/v1/auth/sessions"
OPERATION_OF_AN_ADMIN = "/v1/admin/qr/batches"
A_MOMENT = timedelta(seconds=5)
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


class Admin:
    """An admin of operations who signs in with codes of their app."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.somebody = scene, scene.with_password()
        scene.sql.execute_unnamed("UPDATE members SET role = $1 WHERE id = $2", ("operations", self.somebody.id))
        self._secret = factories.second_factor(self.somebody)

    def code(self) -> str:
        """The code of this moment, accepted as if no code had been used before."""
        self.scene.sql.execute_simple("UPDATE second_factors SET last_step = 0")
        return totp.code(self._secret, totp.step_of(clock.now()))

    def sign_in(self, kind: str = "admin") -> dict[str, Any]:
        body = {"email": self.somebody.email, "password": PASSWORD, "device": {"kind": kind}, "code": self.code()}
        answer = self.scene.client().post("/v1/auth/login", body)
        assert answer.status == 200, answer.body
        tokens: dict[str, Any] = answer.body
        return tokens

    def acts(self, tokens: dict[str, Any]) -> str:
        return self.scene.client(tokens["access_token"]).get(OPERATION_OF_AN_ADMIN).problem


@pytest.fixture
def admin(scene: Scene) -> Admin:
    return Admin(scene)


def items(scene: Scene, tokens: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scene.client(tokens["access_token"]).get(SESSIONS).body["items"]
    return found


def test_a_members_session_ends_after_ninety_days_however_much_it_is_used(scene: Scene, tmp_path: Path) -> None:
    tokens = scene.signed_in()
    for days in (25, 50, 75):
        with moved_clock(tmp_path, timedelta(days=days)):
            tokens = refresh(scene, tokens).body
            assert tokens["refresh_expires_in"] == pytest.approx(min(30, 90 - days) * 86_400, abs=5)
    with moved_clock(tmp_path, timedelta(days=90) - timedelta(minutes=1)):
        last = refresh(scene, tokens).body
        assert last["refresh_expires_in"] <= 60
        assert is_live(scene, last)
    with moved_clock(tmp_path, timedelta(days=90) + A_MOMENT):
        assert not is_live(scene, last)  # though its access token has fourteen minutes left
        assert refresh(scene, last).status == 401


def test_an_admins_session_ends_after_twelve_hours(admin: Admin, scene: Scene, tmp_path: Path) -> None:
    tokens = admin.sign_in()
    assert tokens["refresh_expires_in"] == pytest.approx(12 * 3600, abs=2)
    with moved_clock(tmp_path, timedelta(hours=11, minutes=59)):
        tokens = refresh(scene, tokens).body
        assert is_live(scene, tokens)
    with moved_clock(tmp_path, timedelta(hours=12) + A_MOMENT):
        assert not is_live(scene, tokens)
        assert refresh(scene, tokens).status == 401


def test_it_ends_no_session_of_another_kind_and_they_do_not_end_it(admin: Admin, scene: Scene) -> None:
    given = [admin.sign_in(kind) for kind in ("mobile", "admin", "desktop", "mobile")]
    assert [is_live(scene, tokens) for tokens in given] == [False, True, True, True]
    again = admin.sign_in()
    assert [is_live(scene, tokens) for tokens in (*given, again)] == [False, False, True, True, True]


def test_only_admins_have_a_session_of_that_kind(scene: Scene, sql: Connection) -> None:
    email = scene.verified()
    body = {"email": email, "password": PASSWORD, "device": {"kind": "admin"}}
    before = rows_of_all_tables(sql, without=("attempt_counters",))
    answer, stranger = (
        scene.client().post("/v1/auth/login", said) for said in (body, body | {"password": "Wrong-Guess-88!"})
    )
    assert (answer.status, answer.problem) == (403, "admins-only")
    assert stranger.problem == "sign-in-refused"
    assert rows_of_all_tables(sql, without=("attempt_counters",)) == before


@pytest.mark.parametrize("kind", ["admin", "desktop"])
def test_an_admin_acts_for_eight_hours_on_a_proof(kind: str, admin: Admin, scene: Scene, tmp_path: Path) -> None:
    tokens = admin.sign_in(kind)
    with moved_clock(tmp_path, auth.PROOF_LIFE - timedelta(minutes=1)):
        tokens = refresh(scene, tokens).body
        assert admin.acts(tokens) == ""
    with moved_clock(tmp_path, auth.PROOF_LIFE + A_MOMENT):
        assert admin.acts(tokens) == "second-factor-required"
        assert is_live(scene, tokens)

        proved = scene.client(tokens["access_token"]).post("/v1/auth/2fa/prove", {"code": admin.code()})
        assert proved.status == 200
        left = datetime.fromisoformat(proved.body["proved_until"]) - clock.now()
        assert timedelta(hours=7, minutes=59) < left <= auth.PROOF_LIFE
        assert admin.acts(tokens) == ""


def test_a_proof_takes_a_code_that_is_right_and_new(admin: Admin, scene: Scene, sql: Connection) -> None:
    tokens = admin.sign_in()
    sql.execute_simple("UPDATE sessions SET totp_at = NULL")
    client, code = scene.client(tokens["access_token"]), admin.code()
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    assert client.post("/v1/auth/2fa/prove", {"code": wrong}).problem == "second-factor-wrong"
    assert admin.acts(tokens) == "second-factor-required"
    assert client.post("/v1/auth/2fa/prove", {"code": code}).status == 200
    assert client.post("/v1/auth/2fa/prove", {"code": code}).problem == "second-factor-used"
    none = scene.member(Role.OPERATIONS).post("/v1/auth/2fa/prove", {"code": code})
    assert (none.status, none.problem) == (403, "second-factor-not-set-up")


def test_a_proof_is_of_one_session(admin: Admin, sql: Connection) -> None:
    desktop, portal = admin.sign_in("desktop"), admin.sign_in()
    sql.execute_simple("UPDATE sessions SET totp_at = NULL")
    proof = admin.scene.client(portal["access_token"]).post("/v1/auth/2fa/prove", {"code": admin.code()})
    assert proof.status == 200
    assert (admin.acts(portal), admin.acts(desktop)) == ("", "second-factor-required")


def test_members_see_their_sessions_and_where_each_is(scene: Scene) -> None:
    email = scene.verified()
    phone = {"kind": "mobile", "id": "pixel-9", "name": "Ada's Pixel"}
    scene.client(address="2001:db8:1:2:3::4").post(
        "/v1/auth/login", {"email": email, "password": PASSWORD, "device": phone}
    )
    browser = scene.client(address="198.51.100.9")
    browser.headers["User-Agent"] = FIREFOX
    tokens = browser.post("/v1/auth/login", {"email": email, "password": PASSWORD}).body

    desktop, mobile = items(scene, tokens)

    assert (desktop["kind"], desktop["device_name"], desktop["is_current"]) == ("desktop", "Firefox, Windows", True)
    assert (mobile["kind"], mobile["device_name"], mobile["is_current"]) == ("mobile", "Ada's Pixel", False)
    assert (desktop["network"], mobile["network"]) == ("198.51.100.0/24", "2001:db8:1::/48")
    assert "198.51.100.9" not in str(desktop)
    life = datetime.fromisoformat(desktop["ends_at"]) - datetime.fromisoformat(desktop["last_used_at"])
    assert life == timedelta(days=30)


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox, Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
         "Chrome, Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36 Edg/142.0",
         "Edge, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1",
         "Safari, iPhone"),
        ("BlakJaks/3 (Android 16)", "Android"),
        ("curl/8.5.0", device_names.UNKNOWN),
        ("", device_names.UNKNOWN),
    ],
)  # fmt: skip
def test_a_browser_is_called_by_what_it_says_of_itself(user_agent: str, name: str) -> None:
    assert device_names.of_user_agent(user_agent) == name


def end(scene: Scene, tokens: dict[str, Any], session: str | UUID) -> Answer:
    return scene.client(tokens["access_token"]).delete(f"{SESSIONS}/{session}")


def test_one_session_is_ended_from_another_at_once(scene: Scene) -> None:
    email = scene.verified()
    mobile, desktop = sign_in(scene, email, "mobile"), sign_in(scene, email)
    other = next(item["id"] for item in items(scene, desktop) if not item["is_current"])
    assert end(scene, desktop, other).status == 204
    assert not is_live(scene, mobile)
    assert refresh(scene, mobile).status == 401
    assert is_live(scene, desktop)
    assert end(scene, desktop, other).problem == "not-found"
    assert end_reasons(scene) == ["ended from another session", None]


def test_nobody_ends_sessions_of_others_or_those_that_there_are_not(scene: Scene, sql: Connection) -> None:
    mine, theirs = scene.signed_in(), factories.session_of(factories.member())
    before = rows_of_all_tables(sql)
    for session in (theirs, uuid4(), "no-id"):
        answer = end(scene, mine, session)
        assert (answer.status, answer.problem) == (404, "not-found")
    assert rows_of_all_tables(sql) == before


def test_all_sessions_are_ended_this_one_too_and_nobody_elses(scene: Scene) -> None:
    email, stranger = scene.verified(), scene.signed_in()
    mobile, desktop = sign_in(scene, email, "mobile"), sign_in(scene, email)
    assert scene.client(desktop["access_token"]).delete(SESSIONS).status == 204
    assert [is_live(scene, tokens) for tokens in (mobile, desktop, stranger)] == [False, False, True]
    assert scene.client(desktop["access_token"]).delete(SESSIONS).status == 401


def test_the_schema_says_when_a_session_ends_and_nobody_changes_it(scene: Scene, sql: Connection) -> None:
    scene.signed_in()
    for change in ("ends_at = now() + interval '1 year'", "device_kind = 'forever'"):
        with pytest.raises(DatabaseError):
            sql.execute_simple(f"UPDATE sessions SET {change}")
    for kind, life in (("mobile", timedelta(days=90)), ("desktop", timedelta(days=90)), ("admin", timedelta(hours=12))):
        ((least,),) = sql.execute_unnamed(
            "SELECT session_ends_at($1, '2026-03-01', '2027-01-01') - timestamptz '2026-03-01'", (kind,)
        ).rows
        assert least == life, kind


def test_setting_two_factor_up_proves_this_session(scene: Scene) -> None:
    somebody = scene.with_password()
    scene.sql.execute_unnamed("UPDATE members SET role = 'operations' WHERE id = $1", (somebody.id,))
    client = scene.client(somebody.token)
    secret = base64.b32decode(client.post("/v1/auth/2fa/setup", {"password": PASSWORD}).body["secret"])
    client.post("/v1/auth/2fa/enable", {"code": totp.code(secret, totp.step_of(clock.now()))})
    assert client.get(OPERATION_OF_AN_ADMIN).status == 200
