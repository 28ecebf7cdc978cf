"""Webhooks reach public https addresses only, whatever a name says from one look to the next, and wait for nobody."""

import ssl
from collections.abc import Sequence

import pytest

from shared.ports import receivers
from shared.ports.receivers import AddressRefused, Answered, HostAddress
from tests.fakes.hook_receiver import HookReceiver

pytest_plugins = ["tests.fakes.hook_receiver"]

URL = "https://receiver.test/hooks?tenant=7"
HEADERS = {"webhook-id": "msg_1"}
PUBLIC = "93.184.216.34"
NOT_PUBLIC = (
    # this machine, private networks, link-local with the metadata server, carriers, tests, multicast, broadcast
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),  # noqa: S104 - refused
    *("100.64.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "192.88.99.1"),
    # the same in IPv6, and addresses that have an IPv4 address in them
    *("::", "::1", "fc00::1", "fd20:ce::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "100::1"),
    *("::ffff:10.0.0.1", "::ffff:93.184.216.34", "::10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1"),
    *("2001::1", "2001:db8::1", "2002:a00:1::1", "3fff::1"),
)
NOT_A_URL = (
    *("http://example.com/", "https://127.0.0.1/", "https://[::1]/", "https://2130706433/", "https://0x7f.1/"),
    *("https://localhost/", "https://example.com:8443/", "https://example.com:443/", "https://me@example.com/"),
    *("https://example.com/#x", "https://example.com\\@10.0.0.1/", "https://example.com/\r\nx: y"),
    *("https://exa mple.com/", "https://EXAMPLE.com/", "https://example.com?x", "https://b\u00fccher.example/"),
    *("https:///x", "https://.com/", "https://example.com/" + "x" * 500, "file:///etc/passwd", ""),
)


def test_an_address_that_is_not_public_is_refused_wherever_it_comes_among_others() -> None:
    for address in NOT_PUBLIC:
        for places in ([HostAddress(address)], [HostAddress(PUBLIC), HostAddress(address)]):
            resolve = {"example.com": places}.__getitem__
            with pytest.raises(AddressRefused, match="not_public"):
                receivers.check("https://example.com/x", resolve)
            answered = receivers.deliver("https://example.com/x", {}, b"{}", resolve)
            assert answered == Answered(None, "not_public"), address


def test_public_addresses_are_taken() -> None:
    receivers.check("https://example.com/x", lambda _: [HostAddress(PUBLIC), HostAddress("2606:2800:220:1::1")])


def test_an_address_of_another_form_is_refused_before_anybody_is_asked() -> None:
    def nobody(name: str) -> Sequence[HostAddress]:
        raise AssertionError(name)

    for url in NOT_A_URL:
        with pytest.raises(AddressRefused, match="form"):
            receivers.check(url, nobody)


def test_a_name_without_an_address_is_refused() -> None:
    with pytest.raises(AddressRefused, match="unknown_name"):
        receivers.check("https://example.com/", lambda _: [])


def test_a_name_is_resolved_once_and_the_connection_goes_where_it_was_looked_at(
    receiver: HookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that changes between the look and the connection would lead to 127.0.0.1:1 with the second answer."""
    monkeypatch.setattr(receivers, "is_public", lambda address: address == "127.0.0.1")  # as if this machine were
    answers = [[HostAddress("127.0.0.1", receiver.port)], [HostAddress("127.0.0.1", 1)]]
    asked: list[str] = []

    def rebinding(name: str) -> Sequence[HostAddress]:
        asked.append(name)
        return answers[len(asked) - 1]

    assert receivers.deliver("https://other.test/x", HEADERS, b"{}", rebinding) == Answered(204, None)
    assert asked == ["other.test"]
    assert receiver.names == ["other.test"]  # the certificate is for the name, not for the address
    assert receiver.taken[0].headers["host"] == "other.test"


def test_a_name_that_turns_private_after_its_registration_is_sent_nothing() -> None:
    receivers.check("https://example.com/", lambda _: [HostAddress(PUBLIC)])
    answered = receivers.deliver("https://example.com/", HEADERS, b"{}", lambda _: [HostAddress("10.0.0.1")])
    assert answered == Answered(None, "not_public")


def test_a_stand_in_opens_no_other_machine_and_no_other_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_STAND_INS", "a.test=10.0.0.1:443, example.com=127.0.0.1:443,b.test=169.254.169.254:80,")
    for name in ("a.test", "example.com", "b.test"):
        with pytest.raises(AddressRefused, match="unknown_name"):
            receivers.check(f"https://{name}/", lambda _: [])


def test_a_message_is_posted_with_its_headers(receiver: HookReceiver) -> None:
    assert receivers.deliver(URL, HEADERS, b'{"a":1}') == Answered(204, None)
    (taken,) = receiver.taken
    assert taken.line == "POST /hooks?tenant=7 HTTP/1.1"
    assert taken.body == b'{"a":1}'
    assert taken.headers["webhook-id"] == "msg_1"
    assert taken.headers["content-type"] == "application/json"


def test_authorities_are_read_once_for_all_messages(receiver: HookReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[ssl.SSLContext] = []
    make = ssl.create_default_context

    def counted() -> ssl.SSLContext:
        read.append(make())
        return read[-1]

    monkeypatch.setattr(ssl, "create_default_context", counted)
    for _ in range(3):
        assert receivers.deliver(URL, HEADERS, b"{}") == Answered(204, None)
    assert (len(receiver.taken), len(read)) == (3, 1)


@pytest.mark.parametrize(("status", "is_taken"), [(200, True), (299, True), (301, False), (307, False), (410, False),
                                                  (429, False), (500, False)])  # fmt: skip
def test_an_answer_is_its_status_and_a_redirect_is_not_followed(
    receiver: HookReceiver, status: int, *, is_taken: bool
) -> None:
    receiver.status(status, f"Location: {URL}\r\n")
    answered = receivers.deliver(URL, HEADERS, b"{}")
    assert (answered, answered.is_taken) == (Answered(status, None), is_taken)
    assert len(receiver.taken) == 1


def test_a_hint_before_the_answer_is_passed_over(receiver: HookReceiver) -> None:
    receiver.answer = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
    assert receivers.deliver(URL, HEADERS, b"{}") == Answered(200, None)


def test_of_a_huge_body_nothing_is_read(receiver: HookReceiver) -> None:
    receiver.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 200_000
    assert receivers.deliver(URL, HEADERS, b"{}") == Answered(200, None)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 9_000, "too_long"), (b"SSH-2.0-x\r\n\r\n", "not_http"), (b"", "no_answer"),
     (b"HTTP/1.1 2000 OK\r\n\r\n", "not_http")],
    ids=["endless head", "another protocol", "hung up", "no status"],
)  # fmt: skip
def test_what_is_no_answer_is_a_fault(receiver: HookReceiver, answer: bytes, fault: str) -> None:
    receiver.answer = answer
    assert receivers.deliver(URL, HEADERS, b"{}") == Answered(None, fault)


@pytest.mark.parametrize("how", ["is_silent", "is_dripping"])
def test_nobody_is_waited_for_longer_than_the_whole_time(receiver: HookReceiver, how: str) -> None:
    setattr(receiver, how, True)
    assert receivers.deliver(URL, HEADERS, b"{}") == Answered(None, "timeout")


def test_a_certificate_that_nobody_knows_is_a_fault(receiver: HookReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK_STAND_IN_AUTHORITY")
    assert receivers.deliver(URL, HEADERS, b"{}") == Answered(None, "certificate")
    assert receiver.taken == []


def test_nobody_listening_is_a_fault(receiver: HookReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    assert receiver.port
    monkeypatch.setenv("HOOK_STAND_INS", "receiver.test=127.0.0.1:1")
    assert receivers.deliver(URL, HEADERS, b"{}") == Answered(None, "connection")
