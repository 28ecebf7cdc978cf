"""A receiver of webhooks on this machine: https, under names below .test, with the faults that receivers have."""

import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from emulators.bank_certificates import Authority
from shared.ports import receivers

NAMES = ("receiver.test", "other.test")
READ_SECONDS_MAX = 5.0
DRIPS = 200


@dataclass(frozen=True)
class Taken:
    """A message as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class HookReceiver:
    """Answers as `answer` says; `silent` and `dripping` never finish one."""

    port: int
    answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n"
    is_silent: bool = False
    is_dripping: bool = False
    taken: list[Taken] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)  # that clients have asked for, by SNI
    stopping: threading.Event = field(default_factory=threading.Event)

    def status(self, status: int, headers: str = "") -> None:
        """Answer with this status from now on."""
        self.answer = f"HTTP/1.1 {status} Whatever\r\n{headers}\r\n".encode()

    def serve(self, listening: socket.socket, context: ssl.SSLContext) -> None:
        while not self.stopping.is_set():
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            plain.settimeout(READ_SECONDS_MAX)
            try:
                with context.wrap_socket(plain, server_side=True) as client:
                    self._answer(client)
            except OSError:
                plain.close()

    def _answer(self, client: ssl.SSLSocket) -> None:
        self.taken.append(_read(client))
        if self.is_silent:
            client.recv(1)  # until the other side has had enough
            return
        if self.is_dripping:
            for _ in range(DRIPS):
                client.sendall(b"H")
                self.stopping.wait(0.02)
            return
        client.sendall(self.answer)


def _read(client: ssl.SSLSocket) -> Taken:
    given = bytearray()
    while (end := given.find(b"\r\n\r\n")) < 0:
        given += client.recv(4096)
    line, *lines = bytes(given[:end]).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
    body = bytearray(given[end + 4 :])
    while len(body) < int(headers["content-length"]):
        body += client.recv(4096)
    return Taken(line, headers, bytes(body))


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[HookReceiver]:
    """A receiver to whom receiver.test leads. A try may take half a second."""
    if "platform" in request.fixturenames:
        request.getfixturevalue("database")  # its environment comes first
    authority = Authority()
    pair = authority.server(*NAMES)
    certificate = tmp_path / "receiver.pem"
    certificate.write_text(pair.certificate + pair.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = HookReceiver(listening.getsockname()[1])
        context.sni_callback = lambda _socket, name, _context: made.names.append(name)
        monkeypatch.setenv("HOOK_STAND_INS", f"receiver.test=127.0.0.1:{made.port}")
        monkeypatch.setenv("HOOK_STAND_IN_AUTHORITY", authority.certificate)
        monkeypatch.setattr(receivers, "WHOLE_SECONDS_MAX", 0.5)
        thread = threading.Thread(target=made.serve, args=(listening, context), daemon=True)
        thread.start()
        yield made
        made.stopping.set()
        with socket.socket() as knock:
            knock.connect_ex(("127.0.0.1", made.port))
        listening.close()
        thread.join(READ_SECONDS_MAX)
