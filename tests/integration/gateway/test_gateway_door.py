"""The local gateway does what API Gateway does with a request, and cannot be talked into anything else."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from werkzeug.test import Client as WsgiClient
from werkzeug.test import TestResponse

from emulators import contract
from emulators.gateway import BALANCER_ADDRESS, EDGE_HEADERS, Gateway, KeySet
from shared import auth
from shared.values.api_keys import KEY_PREFIX
from tests import factories
from tests.client import FunctionClient, answer_of, app
from tests.clock import moved_clock
from tests.platform import Platform

ADDRESS = {"REMOTE_ADDR": "203.0.113.9"}
OURS = "https://blakjaks.com"
MISSING = {"message": "Jwt is missing", "code": 401}
NOTHING = {"message": "The current request is not defined by this API.", "code": 404}


@dataclass
class Spy:
    """A function that remembers what reached it."""

    seen: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.seen.append(dict(environ))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b"{}"]


@pytest.fixture
def spy() -> Spy:
    return Spy()


@pytest.fixture
def make(platform: Platform) -> Callable[[Mapping[str, Any]], WsgiClient]:
    """A gateway in front of other functions than the real ones, or of the real ones."""

    def made(backends: Mapping[str, Any]) -> WsgiClient:
        keys = KeySet(auth.published_keys)
        return WsgiClient(
            Gateway(
                contract.operations(), contract.token_rules(), backends, keys, platform.gateway_token, platform.edge_key
            )
        )

    return made


@pytest.fixture
def spied(make: Callable[[Mapping[str, Any]], WsgiClient], spy: Spy) -> WsgiClient:
    return make(dict.fromkeys(contract.functions(), spy))


@pytest.fixture
def real(make: Callable[[Mapping[str, Any]], WsgiClient]) -> WsgiClient:
    return make({name: app(name) for name, function in contract.functions().items() if function.gateway})


def ask(client: WsgiClient, method: str, path: str, **headers: str) -> TestResponse:
    return client.open(path, method=method, headers=headers, environ_overrides=ADDRESS)


def test_the_function_sees_the_gateway_and_the_callers_token_beside_it(
    platform: Platform, spied: WsgiClient, spy: Spy
) -> None:
    somebody = factories.member()
    ask(spied, "GET", "/v1/users/me", Authorization=f"Bearer {somebody.token}")
    (seen,) = spy.seen
    assert seen["HTTP_AUTHORIZATION"] == f"Bearer {platform.gateway_token('users')}"
    assert seen["HTTP_X_FORWARDED_AUTHORIZATION"] == f"Bearer {somebody.token}"
    info = seen["HTTP_X_APIGATEWAY_API_USERINFO"]
    assert json.loads(base64.urlsafe_b64decode(info + "=="))["sub"] == str(somebody.id)


def test_what_a_caller_says_the_gateway_has_said_is_not_handed_on(spied: WsgiClient, spy: Spy) -> None:
    somebody, victim = factories.member(), factories.member()
    forged = base64.urlsafe_b64encode(json.dumps({"sub": str(victim.id)}).encode()).decode()
    ask(
        spied,
        "GET",
        "/v1/users/me",
        **{
            "Authorization": f"Bearer {somebody.token}",
            "X-Forwarded-Authorization": f"Bearer {victim.token}",
            "X-Apigateway-Api-Userinfo": forged,
        },
    )
    (seen,) = spy.seen
    assert seen["HTTP_X_FORWARDED_AUTHORIZATION"] == f"Bearer {somebody.token}"
    assert str(victim.id) not in base64.urlsafe_b64decode(seen["HTTP_X_APIGATEWAY_API_USERINFO"] + "==").decode()


def test_a_token_in_the_header_of_the_gateway_alone_opens_nothing(real: WsgiClient) -> None:
    somebody = factories.member()
    answer = answer_of(ask(real, "GET", "/v1/users/me", **{"X-Forwarded-Authorization": f"Bearer {somebody.token}"}))
    assert (answer.status, answer.body) == (401, MISSING)


def test_a_public_operation_needs_no_token_and_is_not_stopped_by_a_bad_one(real: WsgiClient) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}):
        assert ask(real, "GET", "/.well-known/jwks.json", **headers).status_code == 200


def test_every_secured_operation_wants_a_token_and_every_other_does_not(real: WsgiClient) -> None:
    for operation in contract.operations():
        path = operation.template.replace("{notification_id}", "1").replace("{batch_id}", "1")
        answer = answer_of(ask(real, operation.method, path))
        refused = (answer.status, answer.body) == (401, MISSING)
        assert refused == operation.secured, operation.operation_id


def test_forwarded_addresses_are_written_as_the_load_balancer_writes_them(spied: WsgiClient, spy: Spy) -> None:
    ask(spied, "GET", "/.well-known/jwks.json")
    ask(spied, "GET", "/.well-known/jwks.json", **{"X-Forwarded-For": "198.51.100.1, 198.51.100.2"})
    addresses = [seen["HTTP_X_FORWARDED_FOR"] for seen in spy.seen]
    own = f"203.0.113.9, {BALANCER_ADDRESS}"
    assert addresses == [own, f"198.51.100.1, 198.51.100.2, {own}"]


def test_what_a_caller_says_the_edge_has_said_is_replaced(spied: WsgiClient, spy: Spy, platform: Platform) -> None:
    forged = {"X-Client-Address": "198.51.100.1", "X-Edge-Key": "guessed"}
    ask(spied, "GET", "/.well-known/jwks.json", **forged)
    (seen,) = spy.seen
    assert (seen["HTTP_X_CLIENT_ADDRESS"], seen["HTTP_X_EDGE_KEY"]) == ("203.0.113.9", platform.edge_key)


def test_a_preflight_reaches_the_function_without_a_token(real: WsgiClient) -> None:
    for operation in contract.operations():
        path = operation.template.replace("{notification_id}", "1").replace("{batch_id}", "1")
        answer = ask(real, "OPTIONS", path, Origin="https://blakjaks.com")
        assert answer.status_code == 204, path
        assert operation.method in answer.headers["Access-Control-Allow-Methods"].split(", ")


def test_an_unknown_path_or_method_does_not_reach_any_function(spied: WsgiClient, spy: Spy) -> None:
    for method, path, status in (
        ("GET", "/v1/nothing", 404),
        ("GET", "/", 404),
        ("GET", "/v1/users/me/", 404),
        ("GET", "/v1/notifications//read", 404),
        ("DELETE", "/v1/users/me", 405),
        ("GET", "/v1/auth/login", 405),
        ("PATCH", "/v1/notifications/1/read", 405),
    ):
        answer = answer_of(ask(spied, method, path))
        assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json"), path
        assert answer.body["code"] == status
        assert "Allow" not in answer.headers
        if status == 404:
            assert answer.body == NOTHING
    assert spy.seen == []


def test_a_token_that_is_no_good_does_not_reach_any_function(spied: WsgiClient, spy: Spy) -> None:
    token = factories.member().token
    for value in (
        "",
        "Bearer",
        "Bearer ",
        f"BEARER {token}",
        f"Basic {token}",
        token,
        "Bearer x.y.z",
        f"Bearer {token}x",
    ):
        assert ask(spied, "GET", "/v1/users/me", Authorization=value).status_code == 401, value[:20]
    assert spy.seen == []


def test_the_scheme_of_a_token_may_be_written_small(spied: WsgiClient, spy: Spy) -> None:
    """RFC 9110, section 11.1, takes any case; API Gateway takes what the contract lists."""
    somebody = factories.member()
    for scheme in ("Bearer", "bearer"):
        assert ask(spied, "GET", "/v1/users/me", Authorization=f"{scheme} {somebody.token}").status_code == 200
    infos = [base64.urlsafe_b64decode(seen["HTTP_X_APIGATEWAY_API_USERINFO"] + "==") for seen in spy.seen]
    assert [json.loads(info)["sub"] for info in infos] == [str(somebody.id)] * 2


def test_an_api_key_reaches_the_functions_of_admins_alone(spied: WsgiClient, spy: Spy) -> None:
    """Their paths pass no API gateway in the cloud; the function judges the key."""
    key = f"Bearer {KEY_PREFIX}x"
    assert ask(spied, "GET", "/v1/admin/health", Authorization=key).status_code == 200
    assert [seen["HTTP_X_FORWARDED_AUTHORIZATION"] for seen in spy.seen] == [key]
    assert ask(spied, "GET", "/v1/users/me", Authorization=key).status_code == 401
    assert len(spy.seen) == 1


def test_a_token_whose_time_is_over_ends_at_the_gateway_after_its_minute_of_grace(
    spied: WsgiClient, spy: Spy, tmp_path: Path
) -> None:
    token = factories.member().token
    for minutes, status in ((15.9, 200), (16.1, 401)):
        with moved_clock(tmp_path, timedelta(minutes=minutes)):
            answer = answer_of(ask(spied, "GET", "/v1/users/me", Authorization=f"Bearer {token}"))
        assert answer.status == status, minutes
    assert answer.body == {"message": "Jwt is expired", "code": 401}
    assert answer.headers["WWW-Authenticate"].endswith('error="invalid_token"')
    assert len(spy.seen) == 1


def test_our_pages_can_read_the_gateways_own_refusals_and_others_cannot(spied: WsgiClient) -> None:
    """Thanks to the load balancer: without it a page could not tell an expired token from a network that is down."""
    for method, path, status in (
        ("GET", "/v1/users/me", 401),
        ("GET", "/v1/nothing", 404),
        ("DELETE", "/v1/users/me", 405),
    ):
        ours = ask(spied, method, path, Origin=OURS)
        assert (ours.status_code, ours.headers["Access-Control-Allow-Origin"]) == (status, OURS)
        other = ask(spied, method, path, Origin="https://evil.example")
        assert not [name for name, _ in other.headers.items() if name.startswith("Access-Control")]


def test_the_load_balancers_headers_are_on_every_answer_once(real: WsgiClient) -> None:
    for path in ("/.well-known/jwks.json", "/v1/users/me", "/v1/nothing"):
        answer = ask(real, "GET", path, Origin=OURS)
        for name in (*EDGE_HEADERS, "Access-Control-Allow-Origin"):
            assert len(answer.headers.getlist(name)) == 1, f"{path} {name}"


def test_what_is_not_of_the_api_goes_to_the_web_site_without_a_token(platform: Platform, spy: Spy) -> None:
    keys = KeySet(auth.published_keys)
    door = WsgiClient(
        Gateway(
            contract.operations(), contract.token_rules(), {}, keys, platform.gateway_token, platform.edge_key, spy
        )
    )  # fmt: skip
    for path in ("/", "/en/awards", "/live.json", "/v2/users/me"):
        answer = ask(door, "GET", path, **{"X-Edge-Key": "guessed"})
        assert (answer.status_code, answer.headers.get("Referrer-Policy")) == (200, None), path
    assert [seen["PATH_INFO"] for seen in spy.seen] == ["/", "/en/awards", "/live.json", "/v2/users/me"]
    assert {seen["HTTP_X_EDGE_KEY"] for seen in spy.seen} == {platform.edge_key}
    assert not any("HTTP_AUTHORIZATION" in seen for seen in spy.seen)
    assert ask(door, "GET", "/v1/nothing").status_code == 404
    assert len(spy.seen) == 4


def test_more_than_32_mb_do_not_pass(spied: WsgiClient, spy: Spy) -> None:
    limit = 32 * 1024 * 1024
    for length, status in ((limit + 1, 413), (10**30, 413), (limit, 200)):
        answer = spied.open(
            "/v1/auth/signup", method="POST", environ_overrides={**ADDRESS, "CONTENT_LENGTH": str(length)}
        )
        assert answer.status_code == status
    assert len(spy.seen) == 1


def test_an_unknown_key_id_asks_for_the_keys_again_but_not_each_time() -> None:
    asked = 0

    def fetch() -> list[dict[str, Any]]:
        nonlocal asked
        asked += 1
        return []

    keys = KeySet(fetch)
    for _ in range(100):
        with pytest.raises(KeyError):
            keys.get("unknown")
    assert asked == 1


def test_the_functions_client_of_the_tests_is_such_a_gateway(platform: Platform, spied: WsgiClient, spy: Spy) -> None:
    """Other tests call functions with the headers that the gateway would have set, and rely on this."""
    somebody = factories.member()
    ask(spied, "GET", "/v1/users/me", Authorization=f"Bearer {somebody.token}")
    client = FunctionClient(platform.gateway_token, somebody.token)
    assert client.get("/v1/users/me").status == 200
    assert spy.seen[0]["HTTP_AUTHORIZATION"] == f"Bearer {client.service_token('users')}"
