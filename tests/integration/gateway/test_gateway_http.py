"""The socket of the local gateway answers requests that no decent client would send."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from emulators import contract
from emulators.process import Child, answers, listening
from tests import factories
from tests.platform import TEMPLATE, Platform, environment

START_SECONDS_MAX = 60.0
ANSWER_SECONDS_MAX = 20.0
PIECE = bytes(256 * 1024)
CHUNK = b"40000\r\n" + PIECE + b"\r\n"
LAST_CHUNK = b"0\r\n\r\n"
FIFTY_MB = 200  # pieces, or chunks
CANARY = "c4n4ry"
JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"
VERIFY = "/v1/auth/verify-email"
GUESS = b'{"email":"c4n4ry@example.com","code":"123456"}'

BROKEN_CHUNKS: dict[str, bytes] = {
    "no number": b"zz\r\nabc\r\n0\r\n\r\n",
    "a negative size": b"-1\r\nabc\r\n",
    "a size beyond all measure": b"ffffffffffffffffffff\r\nabc",
    "fewer bytes than promised": b"a\r\nabc\r\n0\r\n\r\n",
    "more bytes than promised": b"3\r\nabcdef\r\n0\r\n\r\n",
    "no end": b"3\r\nabc\r\n",
    "nothing at all": b"",
}
UNACCEPTABLE_HEADERS = (
    "Content-Length: -1", "Content-Length: abc", "Content-Length: 99999999999999999999",
    "Content-Length: 5\r\nContent-Length: 6",
    f"Content-Length: 5\r\n{CHUNKED}", "Transfer-Encoding: gzip", "Transfer-Encoding: chunked, identity",
    f"X: {CANARY}\r\n folded", f"X: {CANARY}\x00", f"X {CANARY}: z", f": {CANARY}", f"X: {CANARY * 20_000}",
    "\r\n".join(f"X{number}: {CANARY}" for number in range(300)), "Expect: a miracle",
    "Host: a b", "Host: one\r\nHost: two", "Idempotency-Key: a\x01b", "Authorization: Bearer \x7f\x00",
)  # fmt: skip
UNACCEPTABLE_LINES = (
    b"", b"\r\n\r\n\r\n", b"GET /\r\n\r\n", b"GET /v1/users/me HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", bytes(10_000), b"GET /v1/users/me HTTP/1.1\nHost: x\n\n",
    b"get /v1/users/me HTTP/1.1\r\n\r\n", b"G\x00T / HTTP/1.1\r\n\r\n", b"X" * 300 + b" / HTTP/1.1\r\n\r\n",
    b"GET * HTTP/1.1\r\n\r\n", b"GET  HTTP/1.1\r\n\r\n", b"GET /v1/users/\xff HTTP/1.1\r\n\r\n",
    b"GET /v1/users/me HTTP/1.1 x\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.9\r\n",
)  # fmt: skip
NOWHERE = (
    "//v1/users/me", "/v1//users/me", "/v1/users/me/", "/v1/users/me//", "/V1/users/me", "/v1/users/Me",
    "/v1/users/me%00", "/v1/users/me%20", "/v1/users/me%0d%0aX:y", "/v1/users/%zz", "/v1/users/%ff", "/v1/users/me;a=1",
    "/v1/users/./me", "/v1/users/../users/me", "/v1/users/%2e%2e/users/me", "/v1/users/me\\..", "/v1/users/%252e",
    "/v1/admin/qr/batches/7c6b5a49-3827-4615-9403-f2e1d0c9b8a7%0A", "/v1/admin/qr/batches/%0d%0a",
    "/v1/admin/qr/batches/", "/v1/notifications//read", "/robots.txt", "/favicon.ico", "/v1/" + "a" * 20_000,
    "/" + "a/" * 5_000,
)  # fmt: skip


@dataclass(frozen=True)
class Raw:
    """An answer as it came from the socket; status 0 when the server hung up without one."""

    status: int
    content_type: str
    body: bytes

    @property
    def problem(self) -> str:
        return str(json.loads(self.body)["type"]).removeprefix("/problems/")


def refusal_of(answer: Raw) -> tuple[int, str, int]:
    """The parts of the gateway's own answers: status, content type, and the status once more that is in the body."""
    return answer.status, answer.content_type, int(json.loads(answer.body)["code"])


@dataclass(frozen=True)
class Served:
    """The gateway and all functions in a process of their own, as `make run` has them."""

    port: int
    log: Path

    def exchange(self, *pieces: bytes, end: bool = False) -> Raw:
        """Send the bytes and read one answer, which may come before the last byte has been sent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_SECONDS_MAX) as connection:
            try:
                for piece in pieces:
                    connection.sendall(piece)
                if end:
                    connection.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before all of it was sent; the answer is there all the same
            return _read(connection)


@pytest.fixture(scope="module")
def process(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    name = f"served_{os.getpid()}"
    platform.postgres.create_database(name, TEMPLATE)
    platform.identity.secret = "known to the gateway"
    gateway, router, log = listening(), listening(), tmp_path_factory.mktemp("served") / "functions.log"
    port = gateway.getsockname()[1]
    settings = {
        **os.environ,
        **platform.settings,
        "DATABASE_NAME": name,
        "PYTHONPATH": str(contract.ROOT),
        "IDENTITY_URL": platform.identity.url,
        "IDENTITY_SECRET": platform.identity.secret,
        "GATEWAY_SOCKET": str(gateway.fileno()),
        "ROUTER_SOCKET": str(router.fileno()),
        "THREADS": "8",
    }
    python = str(contract.ROOT / ".local" / "venv" / "bin" / "python")
    handed_on = (gateway.fileno(), router.fileno())
    child = Child.start("functions", [python, "-m", "emulators.serve"], log, settings, handed_on=handed_on)
    gateway.close()
    router.close()
    try:
        child.wait_until_ready(lambda: answers(port), START_SECONDS_MAX)
        yield Served(port, log), name
    finally:
        child.process.send_signal(signal.SIGINT)
        child.stop()
        platform.identity.secret = None
        platform.postgres.drop_database(name)


@pytest.fixture
def served(process: tuple[Served, str], platform: Platform) -> Iterator[Served]:
    """Beside the process, this test works in its database."""
    made, name = process
    with environment({**platform.settings, "DATABASE_NAME": name}):
        yield made


def _read(connection: socket.socket) -> Raw:
    try:
        with connection.makefile("rb") as stream:
            status = stream.readline().split(b" ")
            if len(status) < 2:
                return Raw(0, "", b"")
            headers = {}
            while (line := stream.readline().strip()) and b":" in line:
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip().decode("latin-1")
            body = stream.read(int(headers.get(b"content-length", "0")))
            return Raw(int(status[1]), headers.get(b"content-type", ""), body)
    except ConnectionResetError:
        return Raw(0, "", b"")


def request(method: str, target: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def still_serves(served: Served) -> bool:
    return served.exchange(request("GET", "/.well-known/jwks.json")).status == 200


def token(served: Served) -> str:
    del served  # its database is the one that the factories write to
    return f"Authorization: Bearer {factories.member().token}"


@pytest.mark.parametrize(
    ("start", "pieces"),
    [
        (request("POST", "/v1/auth/signup", JSON, f"Content-Length: {FIFTY_MB * len(PIECE)}"), [PIECE] * FIFTY_MB),
        (request("POST", "/v1/auth/signup", JSON, f"Content-Length: {80 * len(PIECE)}"), [PIECE] * 80),
        (request("POST", "/v1/auth/signup", JSON, f"Content-Length: {2**63 - 1}"), [PIECE]),
        (request("POST", "/v1/auth/signup", JSON, CHUNKED), [*[CHUNK] * FIFTY_MB, LAST_CHUNK]),
    ],
    ids=["50 MB", "20 MB", "the greatest length there is", "50 MB in chunks"],
)
def test_a_body_that_is_too_large_is_refused_over_the_wire(served: Served, start: bytes, pieces: list[bytes]) -> None:
    answer = served.exchange(start, *pieces)
    if answer.content_type == "application/json":  # longer than what passes the gateway at all
        assert refusal_of(answer) == (413, "application/json", 413)
    else:
        assert (answer.status, answer.problem) == (413, "body-too-large")
    assert still_serves(served)


def test_a_chunked_body_without_a_length_is_read_like_any_other(served: Served) -> None:
    chunks = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in GUESS) + LAST_CHUNK
    answer = served.exchange(request("POST", VERIFY, JSON, CHUNKED), chunks)
    assert (answer.status, answer.problem) == (422, "verification-code-not-valid")


def test_a_body_that_breaks_off_is_the_fault_of_its_sender(served: Served) -> None:
    for name, broken in BROKEN_CHUNKS.items():
        answer = served.exchange(request("POST", VERIFY, JSON, CHUNKED), broken, end=True)
        assert (answer.status, answer.content_type) == (400, "application/problem+json"), name
        assert answer.problem == "body-not-readable"
    assert still_serves(served)


def test_a_body_that_breaks_off_where_none_is_wanted_does_not_matter(served: Served) -> None:
    signed_in = token(served)
    for name, broken in BROKEN_CHUNKS.items():
        answer = served.exchange(request("POST", "/v1/realtime/token", signed_in, CHUNKED), broken, end=True)
        assert answer.status in (0, 200, 400), name
    assert still_serves(served)


def test_a_body_that_is_shorter_than_its_length_is_the_fault_of_its_sender(served: Served) -> None:
    answer = served.exchange(request("POST", VERIFY, JSON, "Content-Length: 100"), GUESS[:20], end=True)
    assert (answer.status, answer.problem) == (400, "body-not-readable")


def test_headers_that_http_does_not_know_are_refused_by_the_server(served: Served) -> None:
    length = f"Content-Length: {len(GUESS)}"
    for header in UNACCEPTABLE_HEADERS:
        given = [JSON, header] if "Length" in header or "Transfer" in header else [JSON, length, header]
        answer = served.exchange(request("POST", VERIFY, *given), GUESS, end=True)
        assert answer.status in (0, 400, 417, 431, 501), header[:60]
    assert still_serves(served)
    assert CANARY not in served.log.read_text(errors="replace")


def test_bytes_that_are_no_request_are_refused_or_hung_up_on(served: Served) -> None:
    for line in UNACCEPTABLE_LINES:
        assert served.exchange(line, end=True).status in (0, 400, 501, 505), line[:40]
    assert still_serves(served)


def test_paths_that_only_resemble_an_operation_lead_nowhere(served: Served) -> None:
    signed_in = token(served)
    for target in NOWHERE:
        answer = served.exchange(request("GET", target, signed_in))
        if answer.content_type == "application/json":
            assert refusal_of(answer) == (404, "application/json", 404), target[:60]
        elif answer.content_type.startswith("text/html"):  # not below /v1/: the web site has no such page
            assert answer.status == 404, target[:60]
        else:  # an id that is none reaches the function
            assert (answer.status, answer.problem) == (404, "not-found"), target[:60]


def test_an_operation_may_be_written_with_escapes_and_a_very_long_query_is_judged(served: Served) -> None:
    signed_in = token(served)
    for target in ("/v1/users/%6De", "http://evil.example/v1/users/me"):
        assert served.exchange(request("GET", target, signed_in)).status == 200, target[:60]
    answer = served.exchange(request("GET", "/v1/users/me?" + "a" * 200_000, signed_in))
    assert (answer.status, answer.problem) == (422, "not-valid")


def test_the_head_of_an_answer_comes_without_its_body(served: Served) -> None:
    """And what comes next on the connection is the next answer: no body was left in it."""
    signed_in = token(served)
    asked = request("HEAD", "/v1/users/me", signed_in) + request("HEAD", "/v1/users/me")
    with socket.create_connection(("127.0.0.1", served.port), timeout=ANSWER_SECONDS_MAX) as connection:
        connection.sendall(asked + request("GET", "/v1/users/me", signed_in, "Connection: close"))
        with connection.makefile("rb") as stream:
            everything = stream.read()
    first, second, third = everything.removeprefix(b"HTTP/1.1 ").split(b"\r\nHTTP/1.1 ")
    assert (first[:3], second[:3], third[:3]) == (b"200", b"401", b"200")
    assert first.endswith(b"\r\n")
    assert second.endswith(b"\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", first)
    assert length
    assert len(third.partition(b"\r\n\r\n")[2]) == int(length[1]) > 0


def test_another_method_is_refused(served: Served) -> None:
    signed_in = token(served)
    for method in ("TRACE", "CONNECT", "PROPFIND", "PATCH", "DELETE", "PUT", "POST", "FOO"):
        answer = served.exchange(request(method, "/v1/users/me", signed_in), end=True)
        assert refusal_of(answer) == (405, "application/json", 405), method
    answer = served.exchange(request("HEAD", VERIFY), end=True)
    assert (answer.status, answer.body) == (405, b"")


def test_what_follows_a_refused_body_is_not_taken_for_a_request_of_its_own(served: Served) -> None:
    hidden = request("GET", "/.well-known/jwks.json")
    body = hidden + bytes(100_000) + hidden
    start = request("POST", VERIFY, JSON, f"Content-Length: {len(body)}")
    with socket.create_connection(("127.0.0.1", served.port), timeout=ANSWER_SECONDS_MAX) as connection:
        connection.sendall(start + body)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as stream:
            everything = stream.read()
    assert everything.count(b"HTTP/1.1 ") == 1
    assert everything.startswith(b"HTTP/1.1 413 ")


def test_headers_between_neighbours_do_not_reach_the_function(served: Served) -> None:
    """Hop-by-hop headers (RFC 9110, section 7.6.1): the framework would answer an upgrade with a page of its own."""
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
    answer = served.exchange(request("POST", VERIFY, JSON, f"Content-Length: {len(GUESS)}", upgrade), GUESS)
    assert (answer.status, answer.content_type) == (422, "application/problem+json")


def test_nothing_that_was_sent_is_logged(served: Served) -> None:
    signed_in = token(served)
    served.exchange(request("GET", f"/v1/users/me?{CANARY}={CANARY}", signed_in))
    served.exchange(request("POST", VERIFY, JSON, f"Content-Length: {len(GUESS)}"), GUESS)
    served.exchange(request("POST", VERIFY, JSON, CHUNKED), b"6\r\nc4n4ry\r\nc4n4ry\r\n", end=True)
    written = served.log.read_text(errors="replace")
    assert CANARY not in written
    assert signed_in.removeprefix("Authorization: Bearer ") not in written
    assert '"operation": "get_me"' in written
