"""The edge says who a client is, and nobody else does."""

from collections.abc import Iterator

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from shared import config
from shared.values.problems import NotThroughTheGateway
from shared.web import edge


@pytest.fixture(autouse=True)
def _two_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As during a rotation."""
    monkeypatch.setenv("EDGE_KEYS", "new-key, old-key")
    config.read.cache_clear()
    yield
    config.read.cache_clear()


def request(**headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(EnvironBuilder(headers=list(named.items())).get_environ())


@pytest.mark.parametrize("key", ["new-key", "old-key"])
def test_both_keys_of_a_rotation_open(key: str) -> None:
    edge.require(request(X_Edge_Key=key, X_Client_Address="203.0.113.7"))


@pytest.mark.parametrize("key", [None, "", "new-key,old-key", "new-key, old-key", "newer-key", "new-key,new-key", "é"])
def test_no_other_key_opens(key: str | None) -> None:
    shown = {"X_Edge_Key": key} if key is not None else {}
    with pytest.raises(NotThroughTheGateway):
        edge.require(request(X_Client_Address="203.0.113.7", **shown))


@pytest.mark.parametrize("keys", ["", ",", " , "])
def test_keys_that_are_empty_open_nothing(keys: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "read", lambda _: edge.EdgeConfig(edge_keys=keys))
    with pytest.raises(NotThroughTheGateway):
        edge.require(request(X_Edge_Key="", X_Client_Address="203.0.113.7"))


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
    ],
)
def test_the_address_is_the_edges_and_forwarded_ones_do_not_matter(told: str, address: str) -> None:
    asked = request(X_Client_Address=told, X_Forwarded_For="198.51.100.1, 198.51.100.2")
    assert edge.client_of(asked).ip_address == address


@pytest.mark.parametrize("told", ["", "unknown", "203.0.113.7:80", "198.51.100.1, 203.0.113.7", "203.0.113.7,"])
def test_what_is_no_single_address_is_refused(told: str) -> None:
    """Were the load balancer to append to what a caller wrote, the caller would be refused and not believed."""
    with pytest.raises(NotThroughTheGateway):
        edge.client_of(request(X_Edge_Key="new-key", X_Client_Address=told))
