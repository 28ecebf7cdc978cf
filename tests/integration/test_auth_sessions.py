"""Sessions: what a sign-in gives, how refresh tokens are swapped, what ends a session, and that it ends at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from pg8000.dbapi import Connection

from functions.auth import rules
from shared import auth
from tests.client import Answer, FunctionClient
from tests.integration.test_idempotency_replies import PASSWORD, Scene, moved_clock

Client = Callable[..., FunctionClient]
Tokens = dict[str, Any]

THIEVES = 8


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


def swap(scene: Scene, tokens: Tokens) -> Answer:
    return scene.client().post("/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]})


def sign_in(scene: Scene, email: str, kind: str = "desktop") -> Tokens:
    body = {"email": email, "password": PASSWORD, "device": {"kind": kind, "id": f"{kind}-1"}}
    answer = scene.client().post("/v1/auth/login", body)
    assert answer.status == 200
    tokens: Tokens = answer.body
    return tokens


def lives(scene: Scene, tokens: Tokens) -> bool:
    return scene.client(tokens["access_token"]).get("/v1/users/me").status == 200


def end_reasons(scene: Scene) -> list[str | None]:
    return [
        reason for (reason,) in scene.sql.execute_simple("SELECT end_reason FROM sessions ORDER BY created_at").rows
    ]


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
    second = swap(scene, first).body
    third = swap(scene, second).body
    assert len({tokens["refresh_token"] for tokens in (first, second, third)}) == 3
    assert lives(scene, third)


def test_a_refresh_token_that_comes_after_its_successor_was_used_ends_the_session(scene: Scene) -> None:
    first = scene.signed_in()
    second = swap(scene, first).body
    third = swap(scene, second).body

    stolen = swap(scene, first)

    assert (stolen.status, stolen.problem) == (401, "token-not-valid")
    assert end_reasons(scene) == ["refresh token used twice"]
    assert not any(lives(scene, tokens) for tokens in (first, second, third))
    assert swap(scene, third).status == 401
    revoked = scene.sql.execute_simple("SELECT count(*) FROM listener_revocations").rows
    assert revoked == [[1]]  # whoever has the token listens no longer either


def test_a_lost_answer_may_be_asked_for_again_within_a_minute(scene: Scene, tmp_path: Path) -> None:
    first = scene.signed_in()
    lost = swap(scene, first).body
    with moved_clock(tmp_path, timedelta(seconds=50)):
        again = swap(scene, first).body
        assert again["refresh_token"] == lost["refresh_token"]
        assert lives(scene, again)
        assert swap(scene, again).status == 200
    assert end_reasons(scene) == [None]


def test_after_a_minute_a_repeated_refresh_token_is_a_stolen_one(scene: Scene, tmp_path: Path) -> None:
    first = scene.signed_in()
    second = swap(scene, first).body
    with moved_clock(tmp_path, rules.LOST_RESPONSE + timedelta(seconds=2)):
        assert swap(scene, first).status == 401
        assert swap(scene, second).status == 401
    assert end_reasons(scene) == ["refresh token used twice"]


def test_of_many_who_bring_one_refresh_token_at_once_all_get_the_same_successor(scene: Scene) -> None:
    first = scene.signed_in()
    with ThreadPoolExecutor(THIEVES) as threads:
        answers = list(threads.map(lambda _: swap(scene, first), range(THIEVES)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body["refresh_token"] for answer in answers}) == 1
    assert scene.sql.execute_simple("SELECT count(*) FROM refresh_tokens").rows == [[2]]


def test_a_refresh_token_lives_thirty_days(scene: Scene, tmp_path: Path) -> None:
    tokens = scene.signed_in()
    with moved_clock(tmp_path, timedelta(days=29, hours=23)):
        tokens = swap(scene, tokens).body
    with moved_clock(tmp_path, timedelta(days=60, hours=1)):
        assert swap(scene, tokens).status == 401
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
    assert not lives(scene, tokens)
    assert swap(scene, tokens).status == 401
    assert end_reasons(scene) == ["signed out"]


def test_signing_out_leaves_other_sessions_alone(scene: Scene) -> None:
    email = scene.verified()
    desktop, mobile = sign_in(scene, email), sign_in(scene, email, "mobile")
    scene.client(desktop["access_token"]).post("/v1/auth/logout")
    assert lives(scene, mobile)
    assert swap(scene, mobile).status == 200


def test_there_is_one_session_per_kind_of_device(scene: Scene) -> None:
    email = scene.verified()
    old, mobile, new = sign_in(scene, email), sign_in(scene, email, "mobile"), sign_in(scene, email)
    assert not lives(scene, old)
    assert swap(scene, old).status == 401
    assert lives(scene, mobile)
    assert lives(scene, new)
    assert end_reasons(scene) == ["signed in elsewhere", None, None]


def test_of_many_who_sign_in_at_once_one_session_lives(scene: Scene) -> None:
    email = scene.verified()
    with ThreadPoolExecutor(4) as threads:
        given = list(threads.map(lambda _: sign_in(scene, email), range(4)))
    assert sum(lives(scene, tokens) for tokens in given) == 1
    assert end_reasons(scene).count(None) == 1


@pytest.mark.parametrize("status", ["suspended", "deleted"])
def test_a_suspended_member_gets_no_new_tokens(status: str, scene: Scene) -> None:
    tokens = scene.signed_in()
    scene.sql.execute_unnamed("UPDATE members SET status = $1", (status,))
    assert swap(scene, tokens).status == 401
    refused = scene.client(tokens["access_token"]).get("/v1/users/me")
    assert (refused.status, refused.problem) == (403, "member-suspended")


def test_an_expired_access_token_is_renewed_by_its_refresh_token(scene: Scene, tmp_path: Path) -> None:
    tokens = scene.signed_in()
    with moved_clock(tmp_path, timedelta(minutes=15, seconds=auth.CLOCK_SKEW_SECONDS + 5)):
        assert not lives(scene, tokens)
        assert lives(scene, swap(scene, tokens).body)
