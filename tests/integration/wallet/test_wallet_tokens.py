"""A member gets a token that opens their wallet at the wallet provider: once, for a minute, after a fresh sign-in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import jwt
import pytest
from pg8000.dbapi import Connection

from emulators.vendor import VendorError
from emulators.wallet_provider import WalletProviderStandIn
from functions.auth import rules
from tests import factories
from tests.client import FunctionClient
from tests.clock import moved_clock
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.wallet_provider_plugin"]

Client = Callable[..., FunctionClient]

PATH = "/v1/wallet/token"


def test_it_says_who_for_a_minute_to_the_wallet_provider_alone(client: Client, sql: Connection) -> None:
    somebody = factories.member()
    answer = client(somebody.token).post(PATH)
    assert answer.status == 201

    header = jwt.get_unverified_header(answer.body["token"])
    (published,) = client().get("/.well-known/jwks.json").body["keys"]
    assert header == {"alg": "RS256", "typ": "JWT", "kid": published["kid"]}
    claims = jwt.decode(
        answer.body["token"],
        jwt.PyJWK(published),
        ["RS256"],
        audience="blakjaks-wallet",
        issuer="https://api.blakjaks.com",
    )
    assert (claims["sub"], claims["exp"] - claims["iat"]) == (str(somebody.id), 60)
    assert abs(claims["iat"] - datetime.now(UTC).timestamp()) < 5
    assert datetime.fromisoformat(answer.body["expires_at"]).timestamp() == claims["exp"]
    assert set(claims) == {"iss", "aud", "sub", "jti", "iat", "exp"}
    kept = sql.execute_simple("SELECT id, member_id, session_id FROM wallet_tokens").rows
    ((session,),) = sql.execute_unnamed("SELECT id FROM sessions WHERE member_id = $1", (somebody.id,)).rows
    assert kept == [[UUID(claims["jti"]), somebody.id, session]]


def test_each_is_another_one_and_the_same_under_one_key(client: Client, sql: Connection) -> None:
    member = client(factories.member().token)
    made = {member.post(PATH).body["token"] for _ in range(3)}
    kept = {member.post(PATH, **{"Idempotency-Key": "wallet"}).body["token"] for _ in range(3)}
    assert (len(made), len(kept), made & kept) == (3, 1, set())
    assert sql.execute_simple("SELECT count(*) FROM wallet_tokens").rows == [[4]]
    stored = str(sql.execute_simple("SELECT i::text, w::text FROM idempotency_keys i, wallet_tokens w").rows)
    assert not [token for token in made | kept if token.rpartition(".")[2] in stored]


def test_it_is_no_access_token_and_an_access_token_opens_no_wallet(
    client: Client, provider: WalletProviderStandIn
) -> None:
    somebody = factories.member()
    token = client(somebody.token).post(PATH).body["token"]
    assert client(token).get("/v1/users/me").problem == "token-not-valid"
    with pytest.raises(VendorError):
        provider.connect(somebody.token)


def test_it_takes_a_sign_in_of_the_last_ten_minutes(client: Client, sql: Connection) -> None:
    member = client(factories.member().token)
    sql.execute_simple("UPDATE sessions SET created_at = created_at - interval '11 minutes'")
    before = rows_of_all_tables(sql, without=("attempt_counters",))
    answer = member.post(PATH)
    assert (answer.status, answer.problem) == (403, "sign-in-again")
    assert rows_of_all_tables(sql, without=("attempt_counters",)) == before


def test_a_member_who_is_suspended_gets_none(client: Client, sql: Connection) -> None:
    somebody = factories.member()
    sql.execute_simple("UPDATE members SET status = 'suspended'")
    assert client(somebody.token).post(PATH).problem == "member-suspended"
    assert sql.execute_simple("SELECT count(*) FROM wallet_tokens").rows == [[0]]


def test_who_asks_too_often_has_to_wait_and_nobody_else(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "WALLET_TOKENS_PER_HOUR", 2)
    member, other = client(factories.member().token), client(factories.member().token)
    assert [member.post(PATH).status for _ in range(2)] == [201, 201]
    refused = member.post(PATH)
    assert (refused.status, refused.problem) == (429, "too-many-wallet-tokens")
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert other.post(PATH).status == 201


def test_the_provider_takes_it_for_a_minute(client: Client, provider: WalletProviderStandIn, tmp_path: Path) -> None:
    member = client(factories.member().token)
    early, late = (member.post(PATH).body["token"] for _ in range(2))
    with moved_clock(tmp_path, timedelta(seconds=50)):
        assert provider.connect(early)
    with moved_clock(tmp_path, timedelta(seconds=70)), pytest.raises(VendorError, match="1m0s"):
        provider.connect(late)
