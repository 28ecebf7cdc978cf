"""Sends webhooks to addresses that others have chosen, and keeps them from reaching anything that is not public.

An address is https on port 443 of a name. The name is resolved once for each message, every address that it has must
be public, and the connection goes to one of the addresses that were looked at: a name that changes between the look and
the connection gains nothing. Redirects are not followed, and of an answer only its status is read, within bounds.

HOOK_STAND_INS names receivers on this machine, `name.test=127.0.0.1:9443` with commas between them, and
HOOK_STAND_IN_AUTHORITY (PEM) is whom their certificates are by. Names below .test exist nowhere else (RFC 6761), so
that the two open no other address.
"""

import ipaddress
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import urlsplit

PORT = 443
URL_LENGTH_MAX = 500
URL = re.compile(r"https://(?P<name>[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z][a-z0-9-]*)(?P<path>/[\x21\x24-\x5b\x5d-\x7e]*)?")
NAME_LENGTH_MAX = 253
RESOLVE_SECONDS_MAX = 3.0
OPEN_SECONDS_MAX = 3.0
WHOLE_SECONDS_MAX = 10.0  # from the connection's beginning to the end of the answer's head
HEAD_BYTES_MAX = 16 * 1024
PIECE_BYTES = 4 * 1024
ADDRESSES_TRIED_MAX = 2
CONTEXTS_MAX = 4
STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})( [^\r\n]*)?\r\n")
END_OF_HEAD = b"\r\n\r\n"
USER_AGENT = "BlakJaks-Webhooks/1"
STAND_IN = ".test"

PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
# Public by their form, but they lead to an IPv4 address that is written in them, or to nobody's machine in particular.
NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
    )
)


class AddressRefused(Exception):
    """Raised for an address that nothing is sent to; the message is why: form, unknown_name or not_public."""


@dataclass(frozen=True)
class HostAddress:
    """An address to connect to."""

    address: str
    port: int = PORT


@dataclass(frozen=True)
class Answered:
    """The outcome of a try: the status of the answer, or what went wrong before there was one."""

    status: int | None
    fault: str | None

    @property
    def is_taken(self) -> bool:
        """True if the receiver has taken the message."""
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(frozen=True)
class _Target:
    name: str
    path: str = field(repr=False)  # it may hold a receiver's own secret


class _Fault(Exception):
    """Raised when there is no status; the message says why."""


Resolve = Callable[[str], Sequence[HostAddress]]


def is_public(text: str) -> bool:
    """True for the IP address of a machine that everybody can reach."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in PUBLIC_IPV6:
        return False  # IPv4 addresses in IPv6 form (::ffff:0:0/96, 64:ff9b::/96) among them
    return not any(address.version == network.version and address in network for network in NOT_PUBLIC)


def check(url: str, resolve: Resolve | None = None) -> None:
    """Check that messages may be sent to this URL now. Raises AddressRefused."""
    _places(_target(url), resolve or places_of)


def deliver(url: str, headers: Mapping[str, str], body: bytes, resolve: Resolve | None = None) -> Answered:
    """POST a body of JSON, once. Whatever happens is an outcome, and none of it is repeated here."""
    try:
        target = _target(url)
        places = _places(target, resolve or places_of)
        return Answered(_sent(target, places, _request(target, headers, body)), None)
    except (AddressRefused, _Fault) as failure:
        return Answered(None, str(failure))


def places_of(name: str) -> Sequence[HostAddress]:
    """The addresses of a name. Raises AddressRefused when it has none, or when nobody tells them in time."""
    found: list[HostAddress] = []

    def look() -> None:
        try:
            found.extend(
                HostAddress(str(each[4][0])) for each in socket.getaddrinfo(name, PORT, type=socket.SOCK_STREAM)
            )
        except (OSError, UnicodeError):
            found.clear()

    thread = threading.Thread(target=look, name="webhook-name", daemon=True)  # getaddrinfo has no time-out of its own
    thread.start()
    thread.join(RESOLVE_SECONDS_MAX)
    if thread.is_alive() or not found:
        raise AddressRefused("unknown_name")
    return list(found)


def _target(url: str) -> _Target:
    """The name and path of a URL. Raises AddressRefused. No port, no login, no IP address in place of a name."""
    matched = URL.fullmatch(url)
    if matched is None or len(url) > URL_LENGTH_MAX or len(matched["name"]) > NAME_LENGTH_MAX:
        raise AddressRefused("form")
    assert urlsplit(url).netloc == matched["name"], "the pattern leaves room for nothing else before the path"
    return _Target(matched["name"], matched["path"] or "/")


def _places(target: _Target, resolve: Resolve) -> list[HostAddress]:
    """The places to connect to, IPv4 first. Raises AddressRefused if one of them is not public."""
    if target.name.endswith(STAND_IN) and target.name in (stand_ins := _stand_ins()):
        return [stand_ins[target.name]]
    found = list(resolve(target.name))
    if not found:
        raise AddressRefused("unknown_name")
    if not all(is_public(place.address) for place in found):
        raise AddressRefused("not_public")
    return sorted(found, key=lambda place: ":" in place.address)[:ADDRESSES_TRIED_MAX]


def _stand_ins() -> dict[str, HostAddress]:
    """The stand-ins on this machine, by name. Addresses of other machines are left out."""
    found = {}
    for each in os.environ.get("HOOK_STAND_INS", "").split(","):
        name, _, place = each.strip().partition("=")
        address, _, port = place.rpartition(":")
        if name.endswith(STAND_IN) and address == "127.0.0.1" and port.isdigit():
            found[name] = HostAddress(address, int(port))
    return found


def _request(target: _Target, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.name}",
        f"User-Agent: {USER_AGENT}",
        "Accept: */*",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    assert not any("\r" in line or "\n" in line for line in lines), "a header ends where its line ends"
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _sent(target: _Target, places: Sequence[HostAddress], request: bytes) -> int:
    """The status of the answer. Raises _Fault."""
    deadline = time.monotonic() + WHOLE_SECONDS_MAX
    try:
        with _connected(places) as plain:
            plain.settimeout(_left(deadline))
            with _trusting(_authority_of(target.name)).wrap_socket(plain, server_hostname=target.name) as secure:
                secure.settimeout(_left(deadline))
                secure.sendall(request)
                return _status(secure, deadline)
    except TimeoutError:
        raise _Fault("timeout") from None
    except ssl.SSLCertVerificationError:
        raise _Fault("certificate") from None
    except ssl.SSLError:
        raise _Fault("tls") from None
    except OSError:
        raise _Fault("connection") from None


def _connected(places: Sequence[HostAddress]) -> socket.socket:
    """A connection to the first of the places that takes one. Raises OSError."""
    failure: OSError | None = None
    for place in places:
        try:
            return socket.create_connection((place.address, place.port), OPEN_SECONDS_MAX)
        except OSError as error:
            failure = error
    assert failure, "there is at least one place"
    raise failure


def _authority_of(name: str) -> str | None:
    """The certificate (PEM) by which a stand-in on this machine is known; None for everybody else."""
    return os.environ.get("HOOK_STAND_IN_AUTHORITY") or None if name.endswith(STAND_IN) else None


@lru_cache(maxsize=CONTEXTS_MAX)
def _trusting(authority: str | None) -> ssl.SSLContext:
    """Trust the authorities of this machine, and this one. They are read once, because there are more than a hundred of
    them; an SSLContext serves any number of threads.
    """
    context = ssl.create_default_context()
    if authority is not None:
        context.load_verify_locations(cadata=authority)
    return context


def _status(secure: ssl.SSLSocket, deadline: float) -> int:
    """The status of the answer, whose head is read and whose body is not. Raises _Fault, OSError."""
    head = bytearray()
    while True:
        while (end := head.find(END_OF_HEAD)) < 0:
            if len(head) > HEAD_BYTES_MAX:
                raise _Fault("too_long")
            secure.settimeout(_left(deadline))
            piece = secure.recv(PIECE_BYTES)
            if not piece:
                raise _Fault("no_answer")
            head += piece
        matched = STATUS_LINE.match(bytes(head))
        if matched is None:
            raise _Fault("not_http")
        status = int(matched[1])
        if status >= HTTPStatus.OK:
            return status
        del head[: end + len(END_OF_HEAD)]  # a hint (1xx) comes before the answer


def _left(deadline: float) -> float:
    """The seconds until the deadline. Raises TimeoutError after it."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
