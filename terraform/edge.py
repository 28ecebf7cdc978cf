"""Asks the deployed edge from two addresses which client address it sees, before anybody relies on it."""

import ipaddress
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from terraform.environment import CommandFailed, Environment

PATH = "/v1/auth/client-address"
PROBES = 50  # if new revisions get a tenth of the calls, one in 200 such series meets none of them
ASK_SECONDS_MAX = 10.0
FORGED = "198.51.100.1"  # an address of a documentation network, from which nobody calls
FORGED_HEADERS = {"X-Client-Address": FORGED, "X-Forwarded-For": FORGED, "X-Edge-Key": "guessed"}


class EdgeBlind(Exception):
    """Raised when functions do not learn a client's address, or believe what a client says of it."""


def check(at: Environment) -> None:
    """Ask from this machine and from a Polygon node. Raises EdgeBlind, or CommandFailed if it cannot be asked."""
    outputs = {name: output["value"] for name, output in json.loads(at.terraform("output", "-json")).items()}
    here, there = _from_here(outputs["api_url"]), _from_node(at, outputs)
    balancers = set(outputs["edge_address"].values())
    for address in sorted(here | there):
        if address == FORGED:
            raise EdgeBlind("functions believe the address that a client writes into a header")
        if address in balancers or not ipaddress.ip_address(address).is_global:
            raise EdgeBlind(f"functions take {address} for a client")
    if here & there:
        raise EdgeBlind(f"two clients are told apart by nothing: both are {', '.join(sorted(here & there))}")
    if _status(outputs["gateway_url"]) != HTTPStatus.FORBIDDEN:
        raise EdgeBlind("the gateway answers under its own name, past the edge")


def _from_here(api_url: str) -> set[str]:
    """The addresses that functions see for this machine, which also sends forged headers."""
    asked = Request(api_url + PATH, headers=FORGED_HEADERS)  # noqa: S310 - our own API
    try:
        return {_address(urlopen(asked, timeout=ASK_SECONDS_MAX).read()) for _ in range(PROBES)}  # noqa: S310 - ours
    except (URLError, TimeoutError) as fault:
        raise CommandFailed(f"the edge cannot be asked: {fault}") from None


def _from_node(at: Environment, outputs: Mapping[str, Any]) -> set[str]:
    """The addresses that functions see for a Polygon node, which calls through the NAT of the private network."""
    node = outputs["node"]
    asked = f"for n in $(seq {PROBES}); do curl -fsS {outputs['api_url']}{PATH}; echo; done"
    told = at.gcloud(
        "compute", "ssh", node["name"], f"--zone={node['zone']}", "--tunnel-through-iap", "--quiet",
        f"--command={asked}",
    )  # fmt: skip
    return {_address(line.encode()) for line in told.splitlines() if line}


def _status(url: str) -> int:
    try:
        with urlopen(url + PATH, timeout=ASK_SECONDS_MAX) as answer:  # noqa: S310 - our own gateway
            return int(answer.status)
    except HTTPError as refused:
        return refused.code
    except (URLError, TimeoutError) as fault:
        raise CommandFailed(f"the gateway cannot be asked: {fault}") from None


def _address(answer: bytes) -> str:
    return str(json.loads(answer)["address"])
