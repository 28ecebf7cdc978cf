"""Guesses are counted by network: an IPv4 address, or what one household has of IPv6."""

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from shared.web import edge
from shared.web.http import Client


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:0:0:ffff:ffff:ffff:ffff", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
    ],
)
def test_the_network_of_an_address(address: str, network: str) -> None:
    assert Client(address, "").network == network


def test_cookies_are_read_and_long_ones_left_out() -> None:
    headers = {"Cookie": f"a=1; b={'x' * 201}; c=%22; a=2", "X-Client-Address": "203.0.113.7"}
    given = edge.client_of(Request(EnvironBuilder(headers=list(headers.items())).get_environ()))
    assert set(given.cookies) == {"a", "c"}
