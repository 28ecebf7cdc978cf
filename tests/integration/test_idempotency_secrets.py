"""A stored answer that holds a secret cannot be read out of the database, nor can what was sent with it."""

from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from shared.auth import Role
from tests import factories
from tests.client import answer_of
from tests.integration.test_idempotency_replies import (
    KEY,
    PASSWORD,
    Client,
    Scene,
    as_json,
    create_token,
    operation_of,
)


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


def everything(sql: Connection) -> str:
    """All rows of all tables as text; bytes appear as hexadecimal digits."""
    names = sql.execute_simple(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    ).rows
    return "\n".join(
        str(row[0]) for (name,) in names for row in sql.execute_simple(f"SELECT t::text FROM {name} AS t").rows
    )


def assert_unreadable(sql: Connection, *secrets: str) -> None:
    stored = everything(sql)
    assert "idempotency" not in stored  # the tables' rows, not their names
    assert len(stored) > 1000
    for secret in secrets:
        assert len(secret) >= 8
        assert secret not in stored
        assert secret.encode().hex() not in stored


def test_tokens_and_passwords_are_not_in_the_database(scene: Scene) -> None:
    email = scene.verified()
    request = as_json(scene.client(), "/v1/auth/login", {"email": email, "password": PASSWORD})
    first = answer_of(request.send(operation_of("login"), KEY)).body
    swap = as_json(scene.client(), "/v1/auth/refresh", {"refresh_token": first["refresh_token"]})
    second = answer_of(swap.send(operation_of("refresh"), f"{KEY}-2")).body

    assert_unreadable(scene.sql, PASSWORD, KEY, first["refresh_token"], second["refresh_token"])
    for tokens in (first, second):
        for part in tokens["access_token"].split("."):
            assert_unreadable(scene.sql, part)


def test_the_link_to_exported_codes_is_not_in_the_database(scene: Scene) -> None:
    body = {"batch_id": str(scene.exportable_batch())}
    request = as_json(scene.member(Role.OPERATIONS), "/v1/admin/qr/export", body)
    url = answer_of(request.send(operation_of("export"), KEY)).body["download_url"]
    (signature,) = parse_qs(urlsplit(url).query)["X-Goog-Signature"]
    assert_unreadable(scene.sql, url, signature)


def test_the_realtime_token_is_not_in_the_database(scene: Scene) -> None:
    token = answer_of(create_token(scene).send(operation_of("create_token"), KEY)).body["firebase_token"]
    assert_unreadable(scene.sql, token, token.split(".")[2])


def test_codes_are_not_in_the_database(scene: Scene) -> None:
    codes = factories.manufactured_codes(2)
    member = scene.member()
    for code in codes:
        request = as_json(member, "/v1/scans/submit", {"code": code})
        assert request.send(operation_of("submit"), str(uuid4())).status_code == 201
    assert_unreadable(scene.sql, *codes, *(code.replace("-", "") for code in codes))


def test_somebody_who_knows_the_key_but_not_the_password_learns_nothing(scene: Scene) -> None:
    email = scene.verified()
    right = as_json(scene.client(), "/v1/auth/login", {"email": email, "password": PASSWORD})
    wrong = as_json(scene.client(), "/v1/auth/login", {"email": email, "password": "Guess-Work-99!"})
    assert right.send(operation_of("login"), KEY).status_code == 200
    stolen = answer_of(wrong.send(operation_of("login"), KEY))
    assert (stolen.status, stolen.problem) == (409, "idempotency-key-reused")
