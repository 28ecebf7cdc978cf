"""Ports keep their connections, and ask nothing twice: what may have arrived is never sent again by itself."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import pytest

from emulators.http_server import Handler, HttpServer
from emulators.process import free_port, wait_until
from shared.ports import google_sessions, sessions, vendors
from shared.ports.vendors import VendorSilent

ASKED = {"authorization": "Bearer ours"}


class Echo(Handler):
    """Answers every request with the number of its connection; the path says what else it does."""

    server: "Counting"

    def do_POST(self) -> None:  # noqa: N802 - the name is http.server's
        self.body()
        self.server.requests.append(self.client_address)
        self.server.cookies.append(self.headers.get("cookie"))
        if self.path == "/hang-up":
            self.close_connection = True
            return
        content = b" " * self.server.padding + b"{}"
        self.answer(HTTPStatus.OK, content, "application/json", {"set-cookie": "who=somebody"})
        if self.path == "/then-close":
            self.close_connection = True


class Counting(HttpServer):
    def __init__(self) -> None:
        super().__init__(Echo)
        self.requests: list[tuple[str, int]] = []
        self.cookies: list[str | None] = []
        self.padding = 0

    @property
    def connections(self) -> int:
        return len(set(self.requests))


@pytest.fixture
def server() -> Iterator[Counting]:
    made = Counting()
    made.start()
    yield made
    sessions.close()
    made.stop()


def ask(server: Counting, path: str = "/") -> None:
    assert vendors.ask("POST", server.url + path, ASKED, {"a": 1}).ok


def test_calls_share_a_connection(server: Counting) -> None:
    for _ in range(5):
        ask(server)
    assert (len(server.requests), server.connections) == (5, 1)


def test_a_connection_that_the_other_side_has_closed_is_replaced_before_anything_is_sent(server: Counting) -> None:
    ask(server, "/then-close")
    wait_until(lambda: not server._open, "the server's closing", 5.0)
    ask(server)
    assert (len(server.requests), server.connections) == (2, 2)


def test_a_request_that_may_have_arrived_is_not_sent_again(server: Counting) -> None:
    ask(server)
    with pytest.raises(VendorSilent):
        ask(server, "/hang-up")
    assert len(server.requests) == 2
    ask(server)
    assert (len(server.requests), server.connections) == (3, 2)


def test_an_answer_without_an_end_costs_its_connection(server: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(server)
    server.padding = 300_000
    with monkeypatch.context() as patched:
        patched.setattr(vendors, "ANSWER_BYTES_MAX", 100_000)
        with pytest.raises(VendorSilent, match="does not end"):
            ask(server)
    server.padding = 0
    ask(server)
    assert (len(server.requests), server.connections) == (3, 2)


def test_after_a_long_rest_it_connects_anew(server: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "IDLE_SECONDS_MAX", 0.0)
    for _ in range(2):
        ask(server)
    assert server.connections == 2


def test_after_a_failure_the_next_call_connects_anew(server: Counting) -> None:
    """All connections may be broken, so none of those that were kept is used."""
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: ask(server), range(20)))
    before = set(server.requests)
    with pytest.raises(VendorSilent):
        ask(server, "/hang-up")
    del server.requests[:]
    ask(server)
    assert not before & set(server.requests)


def test_the_failure_of_one_vendor_costs_no_other_its_connections(server: Counting) -> None:
    ask(server)
    with pytest.raises(VendorSilent):
        vendors.ask("POST", f"http://127.0.0.1:{free_port()}", ASKED)
    ask(server)
    assert server.connections == 1


def test_a_forked_process_does_not_use_the_connections_of_its_parent(server: Counting) -> None:
    ask(server)
    child = os.fork()
    if not child:
        os._exit(0 if vendors.ask("POST", server.url, ASKED, {"a": 1}).ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    ask(server)
    assert (len(server.requests), server.connections) == (3, 2)


def test_no_cookie_of_one_request_gets_into_another(server: Counting) -> None:
    for _ in range(2):
        ask(server)
    assert server.cookies == [None, None]


def test_threads_share_the_session(server: Counting) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: ask(server), range(80)))
    assert len(server.requests) == 80
    assert server.connections <= 8


def test_a_login_is_not_sent_to_this_machine_and_the_connection_is_that_of_all(server: Counting) -> None:
    ask(server)
    with google_sessions.authorized(server.url, "https://www.googleapis.com/auth/cloud-platform") as session:
        assert session.post(server.url, timeout=5).ok
    assert server.connections == 1
