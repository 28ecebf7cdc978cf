"""Whatever we need may be away for a while: 503 with Retry-After, nothing kept under the key, and later it succeeds."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError, InterfaceError

from emulators import cloud
from functions.admin_treasury import rules as treasury_rules
from shared import auth, config, db
from shared.auth import Role
from shared.credentials import vault
from shared.db import Tx
from shared.ports import kms
from shared.ports.polygon import nodes, wallets
from shared.values import problems
from shared.values.problems import Problem
from tests import factories
from tests.client import Answer, FunctionClient
from tests.fakes.treasury_admins import treasury_admin
from tests.fakes.wholesale_client import application
from tests.operations.scene import PASSWORD, Scene
from tests.platform import Platform

Client = Callable[..., FunctionClient]

KEY = {"Idempotency-Key": "patient"}
AWAY = "http://127.0.0.1:1"  # nothing listens there
RECIPIENT = "0x8617E340B3D01FA5F11F306F4090FD50E238070D"


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


@pytest.fixture
def hung() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def setting(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    config.read.cache_clear()
    for connect in (nodes.connect, wallets.connect):
        connect.cache_clear()


def assert_passing(answer: Answer, problem: str = "overloaded") -> None:
    assert (answer.status, answer.problem) == (503, problem)
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


def kept(sql: Connection) -> list[list[str]]:
    return [list(row) for row in sql.execute_simple("SELECT scope FROM idempotency_keys").rows]


def test_without_a_database_everybody_is_told_to_come_again(
    client: Client, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    member, (code,) = factories.member(), factories.manufactured_codes(1)
    asks: list[Callable[[], Answer]] = [
        lambda: client(member.token).get("/v1/users/me"),
        lambda: client(member.token).post("/v1/scans/submit", {"code": code}, **KEY),
        lambda: client().post("/v1/auth/login", {"email": member.email, "password": PASSWORD}, **KEY),
        lambda: client().get("/.well-known/jwks.json"),
    ]
    assert client(member.token).get("/v1/users/me").status == 200
    db.close()
    with monkeypatch.context() as gone:
        setting(gone, "DATABASE_PORT", "1")
        for ask in asks:
            assert_passing(ask())
    db.close()
    config.read.cache_clear()
    assert kept(sql) == []
    assert asks[1]().status == 201


def test_a_database_that_ends_every_connection_is_an_outage(
    client: Client, platform: Platform, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when it restarts in the middle of a request."""
    member = factories.member()

    def ask_an_ended_connection(tx: Tx, *_: object) -> int:
        with cloud.superuser(platform.postgres) as sql:
            sql.execute_unnamed(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", (database,)
            )
        return tx.run("SELECT 1")

    with monkeypatch.context() as restarting:
        restarting.setattr("functions.users.store.profile", ask_an_ended_connection)
        assert_passing(client(member.token).get("/v1/users/me"))
    assert client(member.token).get("/v1/users/me").status == 200


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (DatabaseError({"C": "40001"}), True),  # a serialization failure after the last repetition
        (DatabaseError({"C": "40P01"}), True),  # a deadlock
        (DatabaseError({"C": "55P03"}), True),  # a lock that somebody held too long
        (DatabaseError({"C": "57014"}), True),  # a statement that took too long
        (DatabaseError({"C": "53300"}), True),  # too many connections
        (DatabaseError({"C": "57P01"}), True),  # the server is shut down
        (InterfaceError("network error"), True),
        (db.PoolExhausted(), True),
        (db.Unreachable("no connection"), True),
        (ConnectionResetError(), True),
        (DatabaseError({"C": "42703"}), False),  # no such column
        (DatabaseError({"C": "22P02"}), False),  # no such number
        (FileNotFoundError("main.py"), False),
        (ZeroDivisionError(), False),
    ],
    ids=repr,
)
def test_what_passes_is_told_from_a_bug(
    error: Exception, passing: bool, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise error

    token = factories.member().token
    monkeypatch.setattr("shared.api.db.atomically", fail)
    answer = client(token).get("/v1/users/me")
    if passing:
        assert_passing(answer)
    else:
        assert (answer.status, answer.problem) == (500, "internal-error")


def test_without_kms_a_sign_in_comes_again_under_its_key(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"email": scene.verified(), "password": PASSWORD}
    with monkeypatch.context() as gone:
        gone.setattr(kms, "_client", lambda: kms._client_of(-1, "127.0.0.1:1"))
        gone.setattr(kms, "TOTAL_SECONDS_MAX", 0.3)
        gone.setattr(kms, "CALL_SECONDS_MAX", 0.2)
        assert_passing(scene.client().post("/v1/auth/login", body, **KEY))
    assert scene.client().post("/v1/auth/login", body, **KEY).status == 200
    assert scene.sql.execute_simple("SELECT count(*) FROM sessions").rows == [[1]]


def test_without_kms_a_second_factor_is_set_up_later(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    client = scene.client(scene.with_password().token)
    monkeypatch.setattr(vault, "_unwrapped", {})
    with monkeypatch.context() as gone:
        gone.setattr(kms, "_client", lambda: kms._client_of(-1, "127.0.0.1:1"))
        gone.setattr(kms, "TOTAL_SECONDS_MAX", 0.3)
        gone.setattr(kms, "CALL_SECONDS_MAX", 0.2)
        assert_passing(client.post("/v1/auth/2fa/setup", {"password": PASSWORD}, **KEY))
    assert kept(scene.sql) == []
    assert client.post("/v1/auth/2fa/setup", {"password": PASSWORD}, **KEY).status == 200


def test_without_kms_an_application_comes_again_under_its_key(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    client, body = scene.member(), application()
    monkeypatch.setattr(vault, "_unwrapped", {})
    with monkeypatch.context() as gone:
        gone.setattr(kms, "_client", lambda: kms._client_of(-1, "127.0.0.1:1"))
        gone.setattr(kms, "TOTAL_SECONDS_MAX", 0.3)
        gone.setattr(kms, "CALL_SECONDS_MAX", 0.2)
        assert_passing(client.post("/v1/wholesale/apply", body, **KEY))
    assert kept(scene.sql) == []
    assert client.post("/v1/wholesale/apply", body, **KEY).status == 201
    assert scene.sql.execute_simple("SELECT count(*) FROM wholesale_accounts").rows == [[1]]


def test_without_the_signer_of_tokens_a_listener_comes_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    member = client(factories.member().token)
    with monkeypatch.context() as gone:
        setting(gone, "IAM_CREDENTIALS_URL", AWAY)
        assert_passing(member.post("/v1/realtime/token", {}, **KEY))
    assert member.post("/v1/realtime/token", {}, **KEY).status == 200


def test_without_the_keys_of_our_own_services_nobody_is_refused_for_good(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = client(factories.member().token)
    monkeypatch.setattr(auth, "_verified_services", {})
    assert member.get("/v1/users/me").status == 200
    auth._verified_services.clear()
    with monkeypatch.context() as gone:
        setting(gone, "OIDC_JWKS_URL", AWAY)
        gone.setattr(auth, "KEYS_FRESH_SECONDS", -1.0)
        assert member.get("/v1/users/me").status == 200  # the keys that are known are good
        auth.forget_keys()
        auth._verified_services.clear()
        assert_passing(member.get("/v1/users/me"))
    config.read.cache_clear()
    assert member.get("/v1/users/me").status == 200


def test_without_storage_an_export_of_codes_comes_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, admin = scene.exportable_batch(), scene.client(factories.member(role=Role.OPERATIONS).token)
    with monkeypatch.context() as gone:
        setting(gone, "IAM_CREDENTIALS_URL", AWAY)
        setting(gone, "STORAGE_EMULATOR_HOST", AWAY)
        assert_passing(admin.post("/v1/admin/qr/export", {"batch_id": str(batch)}, **KEY))
    assert admin.post("/v1/admin/qr/export", {"batch_id": str(batch)}, **KEY).status == 200


def test_a_node_that_hangs_holds_a_transfer_up_for_three_seconds_and_nothing_is_kept(
    client: Client, sql: Connection, hung: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(monkeypatch, "RPC_URLS", f"{hung},{hung}")
    person = treasury_admin(client)
    started = time.monotonic()
    answer = person.send()
    assert_passing(answer, "chain-not-readable")
    assert time.monotonic() - started < treasury_rules.CHAIN_SECONDS_MAX + 2
    assert kept(sql) == []


def test_a_node_that_hangs_holds_a_withdrawal_up_for_three_seconds(
    client: Client, sql: Connection, hung: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(monkeypatch, "RPC_URLS", f"{hung},{hung}")
    member = client(factories.member(wallet="0x9F8F72aA9304c8B593d555F12eF6589cC3A579A2").token)
    started = time.monotonic()
    answer = member.post("/v1/wallet/withdraw", {"to_address": RECIPIENT, "amount": 25}, **KEY)
    assert (answer.status, answer.problem, answer.headers["Retry-After"]) == (409, "chain-unavailable", "5")
    assert time.monotonic() - started < wallets.ANSWER_SECONDS_MAX + 2
    assert kept(sql) == []


def test_every_problem_that_asks_to_come_again_keeps_nothing() -> None:
    """503 and 429 tell to repeat the same request: an answer that is kept for ever under its key would forbid it."""

    def all_below(kind: type[Problem]) -> Iterator[type[Problem]]:
        for problem in kind.__subclasses__():
            yield problem
            yield from all_below(problem)

    found = [problem for problem in all_below(Problem) if getattr(problem, "status", 0) in (429, 503)]
    assert problems.Overloaded in found
    assert treasury_rules.ChainNotReadable in found
    assert [problem.__name__ for problem in found if not problem.passing] == []
