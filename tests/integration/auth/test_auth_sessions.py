"""Sessions: what a sign-in gives, how refresh tokens are swapped, what ends a session, and that it ends at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import jwt
import pytest
from pg8000.dbapi import Connection

from functions.auth import rules, session_records, sessions, store
from shared import auth, db
from shared.db import Tx
from tests import factories
from tests.client import FunctionClient
from tests.clock import moved_clock
from tests.factories import Somebody
from tests.operations.scene import Scene
from tests.operations.sessions import end_reasons, is_live, refresh, sign_in

Client = Callable[..., FunctionClient]

THIEVES = 8


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


def test_the_access_token_is_verified_by_the_published_keys(scene: Scene) -> None:
    tokens = scene.signed_in()
    jwks = scene.client().get("/.well-known/jwks.json")
    keys = jwt.PyJWKSet.from_dict(jwks.body)
    header = jwt.get_unverified_header(tokens["access_token"])

    claims = jwt.decode(
        tokens["access_token"],
        keys[header["kid"]],
        algorithms=["RS256"],
        audience="blakjaks",
        issuer="https://api.blakjaks.com",
    )

    assert header["typ"] == "at+jwt"
    assert claims["exp"] - claims["iat"] == tokens["expires_in"] == 15 * 60
    assert tokens["refresh_expires_in"] == 30 * 24 * 3600
    assert tokens["token_type"] == "Bearer"
    assert jwks.headers["Cache-Control"] == "public, max-age=300"
    assert all(set(key) <= {"kty", "use", "alg", "kid", "n", "e"} for key in jwks.body["keys"])


def test_a_refresh_token_is_swapped_for_a_new_pair(scene: Scene) -> None:
    first = scene.signed_in()
    second = refresh(scene, first).body
    third = refresh(scene, second).body
    assert len({tokens["refresh_token"] for tokens in (first, second, third)}) == 3
    assert is_live(scene, third)


def test_a_refresh_token_that_comes_after_its_successor_was_used_ends_the_session(scene: Scene) -> None:
    first = scene.signed_in()
    second = refresh(scene, first).body
    third = refresh(scene, second).body

    stolen = refresh(scene, first)

    assert (stolen.status, stolen.problem) == (401, "token-not-valid")
    assert end_reasons(scene) == ["refresh token used twice"]
    assert not any(is_live(scene, tokens) for tokens in (first, second, third))
    assert refresh(scene, third).status == 401
    revoked = scene.sql.execute_simple("SELECT count(*) FROM listener_revocations").rows
    assert revoked == [[1]]  # whoever has the token listens no longer either


def test_a_lost_answer_may_be_asked_for_again_within_a_minute(scene: Scene, tmp_path: Path) -> None:
    first = scene.signed_in()
    lost = refresh(scene, first).body
    with moved_clock(tmp_path, timedelta(seconds=50)):
        again = refresh(scene, first).body
        assert again["refresh_token"] == lost["refresh_token"]
        assert is_live(scene, again)
        assert refresh(scene, again).status == 200
    assert end_reasons(scene) == [None]


def test_after_a_minute_a_repeated_refresh_token_is_a_stolen_one(scene: Scene, tmp_path: Path) -> None:
    first = scene.signed_in()
    second = refresh(scene, first).body
    with moved_clock(tmp_path, rules.LOST_RESPONSE + timedelta(seconds=2)):
        assert refresh(scene, first).status == 401
        assert refresh(scene, second).status == 401
    assert end_reasons(scene) == ["refresh token used twice"]


def test_of_many_who_bring_one_refresh_token_at_once_all_get_the_same_successor(scene: Scene) -> None:
    first = scene.signed_in()
    with ThreadPoolExecutor(THIEVES) as threads:
        answers = list(threads.map(lambda _: refresh(scene, first), range(THIEVES)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body["refresh_token"] for answer in answers}) == 1
    assert scene.sql.execute_simple("SELECT count(*) FROM refresh_tokens").rows == [[2]]


def test_a_refresh_token_lives_thirty_days(scene: Scene, tmp_path: Path) -> None:
    tokens = scene.signed_in()
    with moved_clock(tmp_path, timedelta(days=29, hours=23)):
        tokens = refresh(scene, tokens).body
    with moved_clock(tmp_path, timedelta(days=60, hours=1)):
        assert refresh(scene, tokens).status == 401
    assert end_reasons(scene) == [None]


@pytest.mark.parametrize("token", ["x" * 43, "x" * 20, "x" * 200, "é" * 40, "' OR 1=1 -- 5678901234567890"])
def test_a_refresh_token_that_nobody_gave_is_refused(token: str, scene: Scene) -> None:
    answer = scene.client().post("/v1/auth/refresh", {"refresh_token": token})
    assert (answer.status, answer.problem) == (401, "token-not-valid")


def test_an_access_token_is_no_refresh_token(scene: Scene) -> None:
    tokens = scene.signed_in()
    answer = scene.client().post("/v1/auth/refresh", {"refresh_token": tokens["access_token"][:200]})
    assert answer.status == 401


def test_signing_out_ends_both_tokens_at_once(scene: Scene) -> None:
    tokens = scene.signed_in()
    assert scene.client(tokens["access_token"]).post("/v1/auth/logout").status == 204
    assert not is_live(scene, tokens)
    assert refresh(scene, tokens).status == 401
    assert end_reasons(scene) == ["signed out"]


def test_signing_out_leaves_other_sessions_alone(scene: Scene) -> None:
    email = scene.verified()
    desktop, mobile = sign_in(scene, email), sign_in(scene, email, "mobile")
    scene.client(desktop["access_token"]).post("/v1/auth/logout")
    assert is_live(scene, mobile)
    assert refresh(scene, mobile).status == 200


def test_there_is_one_session_per_kind_of_device(scene: Scene) -> None:
    email = scene.verified()
    old, mobile, new = sign_in(scene, email), sign_in(scene, email, "mobile"), sign_in(scene, email)
    assert not is_live(scene, old)
    assert refresh(scene, old).status == 401
    assert is_live(scene, mobile)
    assert is_live(scene, new)
    assert end_reasons(scene) == ["signed in elsewhere", None, None]


def test_of_many_who_sign_in_at_once_one_session_lives(scene: Scene) -> None:
    email = scene.verified()
    with ThreadPoolExecutor(4) as threads:
        given = list(threads.map(lambda _: sign_in(scene, email), range(4)))
    assert sum(is_live(scene, tokens) for tokens in given) == 1
    assert end_reasons(scene).count(None) == 1


@pytest.mark.parametrize("status", ["suspended", "deleted"])
def test_a_suspended_member_gets_no_new_tokens(status: str, scene: Scene) -> None:
    tokens = scene.signed_in()
    scene.sql.execute_unnamed("UPDATE members SET status = $1", (status,))
    assert refresh(scene, tokens).status == 401
    refused = scene.client(tokens["access_token"]).get("/v1/users/me")
    assert (refused.status, refused.problem) == (403, "member-suspended")


def test_an_expired_access_token_is_renewed_by_its_refresh_token(scene: Scene, tmp_path: Path) -> None:
    tokens = scene.signed_in()
    with moved_clock(tmp_path, timedelta(minutes=15, seconds=auth.CLOCK_SKEW_SECONDS + 5)):
        assert not is_live(scene, tokens)
        assert is_live(scene, refresh(scene, tokens).body)


ENDED_AT, LATER = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)


def ends_again_alone(tx: Tx, somebody: Somebody) -> None:
    assert not sessions.end(tx, somebody.id, factories.session_of(somebody), "again", LATER)


def ends_again_with_all(tx: Tx, somebody: Somebody) -> None:
    store.end_sessions(tx, somebody.id, None, "again", LATER)


def ends_again_with_the_others(tx: Tx, somebody: Somebody) -> None:
    store.end_sessions(tx, somebody.id, uuid4(), "again", LATER)


def ends_again_by_a_new_one(tx: Tx, somebody: Somebody) -> None:
    session_records.start(
        tx,
        session_id=uuid4(),
        member_id=somebody.id,
        device_kind="desktop",
        device_id=None,
        ip_address=None,
        user_agent="tests",
        now=LATER,
    )


@pytest.mark.parametrize(
    "again", [ends_again_alone, ends_again_with_all, ends_again_with_the_others, ends_again_by_a_new_one]
)
def test_a_session_that_has_ended_keeps_when_and_why(
    again: Callable[[Tx, Somebody], None], scene: Scene, sql: Connection
) -> None:
    somebody, stranger = scene.with_password(), scene.with_password()
    session = factories.session_of(somebody)
    db.atomically(lambda tx: sessions.end(tx, somebody.id, session, "signed out", ENDED_AT))

    db.atomically(lambda tx: again(tx, somebody))

    kept = sql.execute_unnamed("SELECT ended_at, end_reason FROM sessions WHERE id = $1", (session,)).rows
    assert kept == [[ENDED_AT, "signed out"]]
    others = sql.execute_unnamed("SELECT ended_at FROM sessions WHERE member_id = $1", (stranger.id,)).rows
    assert others == [[None]]


def test_all_sessions_but_one_end(scene: Scene, sql: Connection) -> None:
    email = scene.verified()
    for kind in ("desktop", "mobile"):
        sign_in(scene, email, kind)
    (member, kept), (_, _) = sql.execute_simple("SELECT member_id, id FROM sessions ORDER BY id").rows
    db.atomically(lambda tx: store.end_sessions(tx, member, kept, "the others", LATER))
    ended = sql.execute_simple("SELECT id, ended_at IS NULL FROM sessions ORDER BY id").rows
    assert all((session == kept) == lives_on for session, lives_on in ended)
