"""Functions are called by the gateway or by our own services: everybody else is refused, whatever else they bring."""

import base64
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pg8000.dbapi import Connection

from emulators import cloud, contract
from emulators.identity import ISSUER
from shared import auth, config
from shared.auth import Role
from shared.config import service_name
from tests import factories
from tests.client import FunctionClient, answer_of
from tests.platform import AUDIENCE, Platform
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

# The web site is for everybody; who comes around the balancer is refused in tests/integration/pages/test_pages.py.
FUNCTIONS = {name: found for name, found in contract.functions().items() if not found.site}
REFUSED = (403, "not-through-the-gateway")
REMOVED = "SIGNATURE_REMOVED_BY_GOOGLE"


def claims(email: str, audience: str) -> dict[str, Any]:
    now = int(time.time())
    identity = {"iss": ISSUER, "aud": audience, "sub": "1", "azp": "1", "email": email, "email_verified": True}
    return {**identity, "iat": now, "exp": now + 3600}


def audience_of(function: str) -> str:
    return AUDIENCE.format(service=service_name(function))


def unsigned(content: Mapping[str, object], signature: str = "", algorithm: str = "RS256") -> str:
    parts = [{"alg": algorithm, "typ": "JWT", "kid": "x"}, content]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, signature])


def ask(function: str, authorization: str | None, token: str | None = None) -> tuple[int, str]:
    """An HTTP function's first operation, or a job's delivery, with this `Authorization` and a member's token."""
    operations = [found for found in contract.operations() if found.function == function]
    method, path = (operations[0].method, operations[0].template) if operations else ("POST", "/")
    headers = {"Content-Type": "application/json"} | ({"Authorization": authorization} if authorization else {})
    client = FunctionClient(lambda _: "", token, headers=headers)
    answer = answer_of(client.raw(function, method, path, b"{}", headers))
    return answer.status, answer.problem


def genuine(function: str) -> str:
    return cloud.GATEWAY_ACCOUNT if FUNCTIONS[function].gateway else cloud.INVOKER_ACCOUNT


@pytest.fixture(scope="module")
def stranger() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def on_cloud_run() -> Iterator[None]:
    """There the platform has checked the caller's token and handed it on without its signature."""
    os.environ["K_SERVICE"] = "some-service"
    config.read.cache_clear()
    yield
    del os.environ["K_SERVICE"]
    config.read.cache_clear()


def test_whoever_comes_around_the_gateway_or_the_queue_is_refused_by_every_function(
    platform: Platform, stranger: rsa.RSAPrivateKey, sql: Connection
) -> None:
    admin = factories.member(role=Role.OWNER)
    before = rows_of_all_tables(sql)
    wrong = []
    for function in FUNCTIONS:
        account, audience = genuine(function), audience_of(function)
        other_account = ({cloud.GATEWAY_ACCOUNT, cloud.INVOKER_ACCOUNT} - {account}).pop()
        other_function = "users" if function != "users" else "scans"
        right, sign = claims(account, audience), platform.identity.sign
        tokens: dict[str, str | None] = {
            "nothing": None,
            "an empty header": "",
            "no token": "Bearer ",
            "a password": "Basic YTpi",
            "nonsense": "Bearer x.y.z",
            "the admin's own token": f"Bearer {admin.token}",
            "the other account": f"Bearer {platform.identity.mint(other_account, audience)}",
            "a stranger's account": f"Bearer {platform.identity.mint('eve@evil.iam.gserviceaccount.com', audience)}",
            "another function's token": f"Bearer {platform.identity.mint(account, audience_of(other_function))}",
            "no audience": f"Bearer {platform.identity.mint(account, '')}",
            "a longer audience": f"Bearer {platform.identity.mint(account, f'{audience}/')}",
            "expired": f"Bearer {sign(right | {'iat': 1, 'exp': int(time.time()) - 60})}",
            "not yet valid": f"Bearer {sign(right | {'nbf': int(time.time()) + 3600})}",
            "without an end": f"Bearer {sign({name: value for name, value in right.items() if name != 'exp'})}",
            "an unproved address": f"Bearer {sign(right | {'email_verified': False})}",
            "an address proved by a string": f"Bearer {sign(right | {'email_verified': 'true'})}",
            "an address in other letters": f"Bearer {sign(right | {'email': account.upper()})}",
            "no address": f"Bearer {sign({name: value for name, value in right.items() if name != 'email'})}",
            "another issuer": f"Bearer {sign(right | {'iss': 'https://evil.example'})}",
            "the issuer without its scheme": f"Bearer {sign(right | {'iss': 'accounts.google.com.evil.example'})}",
            "a stranger's key": f"Bearer {jwt.encode(right, stranger, 'RS256', {'kid': platform.identity.key_id})}",
            "alg none": f"Bearer {unsigned(right, algorithm='none')}",
            "the signature removed, but not by Google": f"Bearer {unsigned(right, REMOVED)}",
        }
        for name, authorization in tokens.items():
            if (outcome := ask(function, authorization, admin.token)) != REFUSED:
                wrong.append(f"{function}, {name}: {outcome}")
    assert not wrong, "\n".join(wrong)
    assert len(FUNCTIONS) >= 15
    assert rows_of_all_tables(sql) == before


def test_the_right_caller_is_let_in_by_every_function(platform: Platform) -> None:
    for function in FUNCTIONS:
        token = platform.identity.mint(genuine(function), audience_of(function))
        assert ask(function, f"Bearer {token}") != REFUSED, function


def test_a_token_that_was_let_in_once_does_not_open_another_function(platform: Platform) -> None:
    """Verified tokens are remembered: what is remembered must be for this very function."""
    token = f"Bearer {platform.identity.mint(cloud.GATEWAY_ACCOUNT, audience_of('users'))}"
    assert ask("users", token) != REFUSED
    assert ask("scans", token) == REFUSED
    assert ask("email_send", token) == REFUSED


def test_a_token_that_was_let_in_once_is_not_remembered_beyond_its_end(platform: Platform) -> None:
    ended = int(time.time()) - 10  # within the skew that is forgiven, for once
    token = platform.identity.sign(claims(cloud.GATEWAY_ACCOUNT, audience_of("users")) | {"exp": ended})
    assert ask("users", f"Bearer {token}") != REFUSED
    assert auth._verified_services[token][0] == ended


@pytest.mark.usefixtures("on_cloud_run")
def test_on_cloud_run_the_platform_has_checked_the_signature() -> None:
    right = claims(cloud.GATEWAY_ACCOUNT, audience_of("users"))
    now = int(time.time())
    assert ask("users", f"Bearer {unsigned(right, REMOVED)}") == (401, "token-missing")
    refused = {
        "another audience": right | {"aud": audience_of("scans")},
        "another account": right | {"email": cloud.INVOKER_ACCOUNT},
        "an unproved address": right | {"email_verified": False},
        "another issuer": right | {"iss": "https://evil.example"},
        "expired": right | {"iat": now - 7200, "exp": now - 3600},
        "no end": {name: value for name, value in right.items() if name != "exp"},
        "an endless end": right | {"exp": float("inf")},
        "an end that is no number": right | {"exp": "tomorrow"},
    }
    for name, content in refused.items():
        assert ask("users", f"Bearer {unsigned(content, REMOVED)}") == REFUSED, name
    for name, signature in {"another word": "SIGNATURE_REMOVED", "nothing": "", "a forged one": "c2ln"}.items():
        assert ask("users", f"Bearer {unsigned(right, signature)}") == REFUSED, name


def test_headers_that_name_a_caller_do_not_make_one(client: Client, sql: Connection) -> None:
    """Only the tokens count: what the gateway says of itself in other headers can be said by anybody."""
    somebody = factories.member()
    info = base64.urlsafe_b64encode(json.dumps({"sub": str(somebody.id), "sid": "x"}).encode()).decode()
    before = rows_of_all_tables(sql)
    for headers in (
        {"X-Apigateway-Api-Userinfo": info},
        {"X-Endpoint-API-UserInfo": info},
        {"X-Goog-Authenticated-User-Email": "accounts.google.com:owner@blakjaks.com"},
        {"X-Serverless-Authorization": f"Bearer {somebody.token}"},
        {"X-CloudScheduler": "true", "X-CloudTasks-TaskName": "x", "X-CloudTasks-QueueName": "payout-send"},
        {"Cookie": f"token={somebody.token}"},
    ):
        answer = client().send("GET", "/v1/users/me", headers=headers)
        assert (answer.status, answer.problem) == (401, "token-missing"), headers
    assert rows_of_all_tables(sql) == before
