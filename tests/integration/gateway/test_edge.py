"""Limits and records see the client, not the load balancer; what came past the edge is refused."""

from collections.abc import Callable

from pg8000.dbapi import Connection

from emulators import contract
from emulators.gateway import BALANCER_ADDRESS
from tests import factories
from tests.client import FunctionClient, answer_of

Client = Callable[..., FunctionClient]

HTTP = sorted(name for name, function in contract.functions().items() if function.is_http)


def test_members_behind_one_balancer_have_their_own_addresses(client: Client, sql: Connection) -> None:
    codes = factories.manufactured_codes(2)
    for address, code in zip(("198.51.100.66", "203.0.113.5"), codes, strict=True):
        client(factories.member().token, address).post("/v1/scans/submit", {"code": code})
    stored = sql.execute_simple("SELECT host(ip_address) FROM scans ORDER BY number").rows
    assert stored == [["198.51.100.66"], ["203.0.113.5"]]


def test_forwarded_addresses_are_not_believed(client: Client, sql: Connection) -> None:
    (code,) = factories.manufactured_codes(1)
    caller = client(factories.member().token, "198.51.100.66")
    caller.headers = {"X-Forwarded-For": f"203.0.113.5, 198.51.100.66, {BALANCER_ADDRESS}"}
    caller.post("/v1/scans/submit", {"code": code})
    assert sql.execute_simple("SELECT host(ip_address) FROM scans").rows == [["198.51.100.66"]]


def test_every_http_function_refuses_what_came_past_the_edge(client: Client) -> None:
    """By the gateway's own name: with the gateway's token, and without the edge's key or with a guessed one."""
    for function in HTTP:
        for key in ("", "guessed"):
            headers = {"X-Edge-Key": key}
            answer = answer_of(client(factories.member().token).raw(function, "GET", "/", headers=headers))
            assert (answer.status, answer.problem) == (403, "not-through-the-gateway"), function


def test_every_http_function_is_given_the_edges_keys_and_no_job_is() -> None:
    for name, function in contract.functions().items():
        assert (function.secrets.get("EDGE_KEYS") == "edge-keys") is function.is_http, name
