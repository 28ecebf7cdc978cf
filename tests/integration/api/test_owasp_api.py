"""The OWASP API Security Top 10 (2023), one by one, tried at the functions as an attacker would."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from pg8000.dbapi import Connection

from emulators import contract
from functions.auth import passwords
from functions.governance.models import RECEIPTS_MAX
from shared import auth, config
from shared.auth import Role
from tests import factories
from tests.client import Answer, FunctionClient, answer_of
from tests.fakes.cheap_hashes import use_cheap_hashes
from tests.operations.examples import example_of, operations_with_body, path_of, schema_of
from tests.operations.scene import PASSWORD, Scene
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

PRIVILEGED = {
    "id": "7c6b5a49-3827-4615-9403-f2e1d0c9b8a7", "role": "owner", "is_admin": True, "permissions": ["*"],
    "permanent_tier": "whale", "email_verified_at": "2026-01-01T00:00:00Z", "referred_by_id": None, "number": 1,
    "wallet_balance": 1e6, "password_hash": "x", "totp_at": "2026-01-01T00:00:00Z", "created_at": "2020-01-01",
}  # fmt: skip
SECRETS = ("password", "hash", "sealed", "secret", "_mac", "totp", "kms", "attempts", "ip_address")
GETS = [found for found in contract.operations() if found.method == "GET"]


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


@pytest.fixture
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_cheap_hashes(monkeypatch)


def send(client: FunctionClient, operation: contract.Operation, body: object) -> Answer:
    return client.send(
        operation.method, path_of(operation), json.dumps(body).encode(), {"Content-Type": "application/json"}
    )


def names_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from names_in(inner)
    if isinstance(value, list):
        for inner in value:
            yield from names_in(inner)


def test_api1_object_level_authorization_a_wallet_is_not_linked_by_somebody_elses_challenge(scene: Scene) -> None:
    """Ids in paths are tried for every operation in test_access.py; this one is named in a body."""
    victim, thief, wallet = scene.member(), scene.member(), Account.create()
    asked = victim.post("/v1/wallet/challenge", {"address": wallet.address}).body
    signature = wallet.sign_message(encode_defunct(text=asked["message"])).signature.to_0x_hex()
    before = rows_of_all_tables(scene.sql)
    answer = thief.post("/v1/wallet/link", {"challenge_id": asked["challenge_id"], "signature": signature})
    assert (answer.status, answer.problem) == (422, "wallet-challenge-not-valid")
    assert rows_of_all_tables(scene.sql) == before


def test_api1_object_level_authorization_lists_have_the_callers_own_things_only(scene: Scene) -> None:
    owner = factories.member()
    factories.trip(owner)
    stranger = scene.member()
    for path in ("/v1/users/me/comps", "/v1/comps/trips", "/v1/notifications", "/v1/scans/recent"):
        assert stranger.get(path).body["items"] == [], path


def test_api2_authentication_a_token_counts_in_its_own_header_only(scene: Scene) -> None:
    token = factories.member().token
    for path, headers in (
        (f"/v1/users/me?access_token={token}", {}),
        ("/v1/users/me", {"Cookie": f"access_token={token}; token={token}; Authorization=Bearer {token}"}),
        ("/v1/users/me", {"X-Access-Token": token, "X-Auth-Token": token, "Proxy-Authorization": f"Bearer {token}"}),
    ):
        answer = scene.client().send("GET", path, headers=headers)
        assert (answer.status, answer.problem) == (401, "token-missing"), path


def test_api2_authentication_each_secret_serves_its_own_purpose(scene: Scene) -> None:
    tokens = scene.signed_in()
    for name in ("refresh_token", "device_token"):
        assert scene.client(tokens[name]).get("/v1/users/me").problem == "token-not-valid"
    for name in ("access_token", "device_token"):
        answer = scene.client().post("/v1/auth/refresh", {"refresh_token": tokens[name][:200]})
        assert answer.problem == "token-not-valid"


@pytest.mark.usefixtures("_cheap_hashes")
def test_api3_property_level_authorization_nothing_takes_a_field_that_it_does_not_offer(scene: Scene) -> None:
    """Mass assignment."""
    admin, wrong = scene.member(Role.OWNER), []
    before = rows_of_all_tables(scene.sql)
    for operation in operations_with_body():
        schema, valid = schema_of(operation), example_of(operation)
        assert schema
        assert valid
        for name, value in PRIVILEGED.items():
            if name in schema["properties"]:
                continue
            answer = send(admin, operation, {**valid, name: value})
            if answer.status != 422 or f"/{name}" not in {error["field"] for error in answer.body["errors"]}:
                wrong.append(f"{operation.operation_id} {name}: {answer.status} {answer.body}")
    assert not wrong, "\n".join(wrong)
    assert rows_of_all_tables(scene.sql) == before


def test_api3_property_level_authorization_no_answer_has_what_is_ours(scene: Scene) -> None:
    somebody = scene.with_password()
    factories.second_factor(somebody)
    client = scene.client(somebody.token)
    for operation in GETS:
        if operation.function in ("auth", "users", "affiliate", "notifications") and "{" not in operation.template:
            query = "?full_name=Ada" if operation.operation_id == "suggest_usernames" else ""
            names = list(names_in(client.get(operation.template + query).body))
            assert not [name for name in names if any(word in name for word in SECRETS)], operation.operation_id


def test_api4_resource_consumption_no_page_is_longer_than_a_hundred(scene: Scene) -> None:
    admin, tried = scene.member(Role.OWNER), 0
    for operation in GETS:
        parameters = contract.document()["paths"][operation.template]["get"].get("parameters", [])
        if not any(parameter.get("name") == "limit" for parameter in parameters):
            continue
        tried += 1
        too_many = RECEIPTS_MAX + 1 if operation.operation_id == "list_receipts" else 101
        for query in (
            "limit=1000000000",
            f"limit={too_many}",
            "limit=0",
            "limit=-1",
            f"cursor={'A' * 10_000}",
            "limit=1e9",
        ):
            answer = admin.get(f"{path_of(operation)}?{query}")
            assert (answer.status, answer.problem) == (422, "not-valid"), f"{operation.operation_id} {query}"
    assert tried >= 8


def test_api4_resource_consumption_no_body_is_longer_than_it_may_be(scene: Scene) -> None:
    admin = scene.member(Role.OWNER)
    for operation in operations_with_body():
        answer = admin.send(
            operation.method, path_of(operation), b'"' + b"x" * 2**21 + b'"', {"Content-Type": "application/json"}
        )
        assert (answer.status, answer.problem) == (413, "body-too-large"), operation.operation_id


def test_api4_resource_consumption_a_password_of_a_million_letters_is_not_hashed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_hasher", None)  # whoever asks for it fails
    for length in (129, 10_000):
        answer = scene.client().post("/v1/auth/login", {"email": "ada@example.com", "password": "x" * length})
        assert (answer.status, answer.problem) == (422, "not-valid")


def test_api5_function_level_authorization_no_other_method_gets_around_a_role(scene: Scene) -> None:
    member = scene.member()
    before = rows_of_all_tables(scene.sql)
    for operation in contract.operations():
        if not operation.function.startswith("admin_"):
            continue
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "TRACE", "PROPFIND"):
            for headers in ({}, {"X-HTTP-Method-Override": operation.method, "X-Method-Override": operation.method}):
                response = member.raw(operation.function, method, path_of(operation), b"{}", headers)
                assert response.status_code in (403, 404, 405, 415, 422), f"{method} {operation.template}"
                assert response.status_code != 422 or method == operation.method, f"{method} {operation.template}"
    assert rows_of_all_tables(scene.sql) == before


def test_api5_function_level_authorization_paths_are_exact(scene: Scene) -> None:
    for path in ("/v1/admin/qr/batches/", "//v1/admin/qr/batches", "/v1//admin/qr/batches", "/V1/ADMIN/QR/BATCHES",
                 "/v1/users/../admin/qr/batches", "/v1/admin/qr/batches;x", "/v1/admin/qr/batches%2f"):  # fmt: skip
        answer = answer_of(scene.member().raw("admin_codes", "GET", path))
        assert answer.status in (401, 403, 404), path


@pytest.mark.usefixtures("_cheap_hashes")
def test_api6_business_flows_accounts_are_not_made_by_the_thousand(scene: Scene) -> None:
    """Each new member's first comp is money."""

    def sign_up(number: int, address: str) -> Answer:
        body = {
            "email": f"m{number}@example.com",
            "password": PASSWORD,
            "full_name": "A",
            "date_of_birth": "1990-01-01",
        }
        return scene.client(address=address).post("/v1/auth/signup", body)

    assert sign_up(1, "203.0.113.7").status == 201
    scene.sql.execute_simple("UPDATE attempt_counters SET attempts = 100")
    before = rows_of_all_tables(scene.sql, without=("attempt_counters",))
    refused = sign_up(2, "203.0.113.7")
    assert (refused.status, refused.problem) == (429, "too-many-sign-ups")
    assert rows_of_all_tables(scene.sql, without=("attempt_counters",)) == before
    assert sign_up(2, "192.0.2.1").status == 201


@pytest.mark.usefixtures("_cheap_hashes")
def test_api7_server_side_request_forgery_no_field_makes_us_call_an_address(scene: Scene) -> None:
    """Every text of every body is an address of ours that listens: nobody knocks."""
    admin, member = scene.member(Role.OWNER), scene.member()
    with socket.create_server(("127.0.0.1", 0)) as ear:
        ear.setblocking(False)
        url = f"http://127.0.0.1:{ear.getsockname()[1]}/latest/meta-data/"
        tried = 0
        for operation in operations_with_body():
            valid = example_of(operation)
            assert valid
            for name in [name for name, value in valid.items() if isinstance(value, str)]:
                for client in (admin, member):
                    send(client, operation, valid | {name: url})
                    tried += 1
        headers = {"Referer": url, "Origin": url, "X-Forwarded-Host": url, "X-Original-URL": url, "X-Callback": url}
        member.send("GET", "/v1/users/me", headers=headers)
        assert tried >= 40
        with pytest.raises(BlockingIOError):
            ear.accept()


def test_api7_server_side_request_forgery_only_webhooks_take_an_address_to_call() -> None:
    """A new field for one has to be looked at, and be tried above. Those of webhooks lead to public machines only
    (tests/unit/test_hook_receivers.py).
    """
    found = [
        f"{operation.operation_id}.{name}"
        for operation in operations_with_body()
        for name, said in (schema_of(operation) or {})["properties"].items()
        if said.get("format") in ("uri", "url", "hostname")
        or (any(word in name for word in ("url", "webhook", "host")) and name != "host_name")  # of a person
    ]
    assert sorted(found) == ["create_account_webhook.url", "create_webhook.url"]


def test_api8_misconfiguration_other_origins_read_nothing_and_tokens_are_kept_by_nobody(scene: Scene) -> None:
    client = scene.client()
    body = {"email": scene.verified(), "password": PASSWORD}
    for origin in ("https://evil.example", "null", "https://blakjaks.com.evil.example", "http://blakjaks.com"):
        answer = client.send("GET", "/.well-known/jwks.json", headers={"Origin": origin})
        assert not [name for name in answer.headers if name.startswith("Access-Control")], origin
    signed_in = client.post("/v1/auth/login", body)
    renewed = client.post("/v1/auth/refresh", {"refresh_token": signed_in.body["refresh_token"]})
    assert {answer.headers["Cache-Control"] for answer in (signed_in, renewed)} == {"no-store"}


def test_api8_misconfiguration_a_bug_tells_nothing_of_itself(scene: Scene) -> None:
    somebody = scene.member()
    scene.sql.execute_simple("ALTER TABLE member_totals RENAME TO elsewhere")
    answer = somebody.get("/v1/users/me/stats")
    assert (answer.status, answer.problem) == (500, "internal-error")
    assert set(answer.body) == {"type", "title", "status"}


def test_api9_inventory_nothing_answers_beside_the_contract(scene: Scene) -> None:
    client = scene.member(Role.OWNER)
    paths = ("/", "/v0/users/me", "/v2/users/me", "/users/me", "/v1", "/openapi.json", "/openapi.yaml", "/docs",
             "/swagger", "/debug", "/metrics", "/health", "/admin", "/.git/config", "/.env", "/status")  # fmt: skip
    for function, said in contract.functions().items():
        if said.gateway:
            for path in paths:
                assert client.raw(function, "GET", path).status_code == 404, f"{function} {path}"


@contextmanager
def answering(status: int, body: bytes, **headers: str) -> Iterator[str]:
    """A server of an attacker's, or a broken one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/certs"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"{}", b'{"keys": {}}', b'{"keys": [{}]}', b'{"keys": [{"kty": "oct", "k": "eA", "kid": "x"}]}',
        b'{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "x"}]}',
    ],
)  # fmt: skip
def test_api10_unsafe_consumption_who_gets_nonsense_for_keys_lets_nobody_in(
    body: bytes, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = scene.member(Role.OWNER)
    auth._verified_services.clear()
    with answering(200, body) as url:
        monkeypatch.setenv("OIDC_JWKS_URL", url)
        config.read.cache_clear()
        auth.forget_keys()
        before = rows_of_all_tables(scene.sql)
        response = client.raw("auth", "POST", "/v1/auth/logout")
        assert response.status_code >= 400
        assert rows_of_all_tables(scene.sql) == before
