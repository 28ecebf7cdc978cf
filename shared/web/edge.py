"""Reads what our edge says of a request: its client address, and that it came through the load balancer at all.

The load balancer (terraform/edge.tf) sets both headers on every request and replaces what a caller has put there. The
key is a secret between it and the functions. A request that bypassed it, by the gateway's own name, is refused: what
such a request says of its address cannot be trusted, and Cloud Armor has not checked it.
"""

import hmac
import ipaddress
from functools import lru_cache

from flask import Request

from shared.config import Config, read
from shared.values.problems import NotThroughTheGateway
from shared.web.http import Client

KEY_HEADER = "X-Edge-Key"
ADDRESS_HEADER = "X-Client-Address"
USER_AGENT_MAX = 500
COOKIE_MAX = 200


class EdgeConfig(Config):
    """The keys that the edge may show, separated by commas: the first is in use, two during a rotation."""

    edge_keys: str


def require(request: Request) -> None:
    """Check that the edge has forwarded the request. Raises NotThroughTheGateway."""
    shown = request.headers.get(KEY_HEADER, "").encode()
    known = [key.strip().encode() for key in read(EdgeConfig).edge_keys.split(",") if key.strip()]
    # Every key is compared, even after a match, to take constant time.
    matching = [hmac.compare_digest(shown, key) for key in known]
    if not any(matching):
        raise NotThroughTheGateway


def client_of(request: Request) -> Client:
    """The client that the edge has seen; X-Forwarded-For is not read. Raises NotThroughTheGateway if unknown."""
    address = _canonical(request.headers.get(ADDRESS_HEADER, ""))
    if address is None:
        raise NotThroughTheGateway
    return Client(
        address,
        request.headers.get("User-Agent", "")[:USER_AGENT_MAX].replace("\x00", ""),
        {name: value for name, value in request.cookies.items() if len(value) <= COOKIE_MAX},
    )


@lru_cache(maxsize=1000)
def _canonical(text: str) -> str | None:
    """The address in canonical form, without an IPv6 zone; None if the text is not an address.

    An IPv4 address that is written as an IPv6 one is the IPv4 address.
    """
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
