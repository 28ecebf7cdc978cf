"""The load maker, a process of its own: `python -m emulators.bench.load` with a `Plan` as JSON on its input.

Each client keeps one connection and sends its next request when it has the whole answer to the last (a closed loop).
A plan with `per_second` asks at that pace instead: a request is due at its time, by whichever client is free, and its
milliseconds count from that time on, so that a slow answer makes those behind it late as well.
Requests are prepared beforehand and written as they are; of an answer only status and length are read. It prints a
`Load` as JSON.
"""

import json
import re
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS_MAX = 10.0
ANSWER_SECONDS_MAX = 30.0
PIECE_BYTES = 64 * 1024
HEADERS_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
NO_CONTENT = 204


@dataclass(frozen=True)
class Plan:
    """The requests for a server at a loopback port. `again` starts over when the requests are used up; `per_second` is
    the pace of all clients together, None as fast as the answers come.
    """

    port: int
    clients: int
    seconds: float
    requests: Sequence[str]
    again: bool = False
    per_second: float | None = None


@dataclass(frozen=True)
class Load:
    """The result: `seconds` until the last answer, one entry of `milliseconds` per answer."""

    seconds: float
    statuses: dict[str, int]
    milliseconds: list[float]
    reconnects: int
    cpu_seconds: float


def run(plan: Plan) -> Load:
    """Carry out the plan in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "emulators.bench.load"],
        cwd=ROOT,
        input=json.dumps(asdict(plan)),
        capture_output=True,
        text=True,
        timeout=START_SECONDS_MAX + plan.seconds + ANSWER_SECONDS_MAX,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the load maker failed:\n{done.stderr[-2000:]}")
    return Load(**json.loads(done.stdout))


class _Client:
    """One connection and the request that is under way on it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._received = bytearray()
        self.socket = self._connect()
        self.sent_at = 0.0

    def send(self, request: bytes, due_at: float | None = None) -> None:
        self.sent_at = due_at or time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> tuple[int, bool] | None:
        """Read what has arrived; once the answer is whole, its status and whether the server closes the connection."""
        piece = self.socket.recv(PIECE_BYTES)
        if not piece:
            raise ConnectionError("the server hung up in the middle of an answer")
        self._received += piece
        end = self._received.find(HEADERS_END)
        if end < 0:
            return None
        head = bytes(self._received[: end + 2])
        status, length = int(head[9:12]), LENGTH.search(head)
        if length is None and status != NO_CONTENT:
            raise ConnectionError("an answer without its length")
        if len(self._received) < end + len(HEADERS_END) + (int(length.group(1)) if length else 0):
            return None
        self._received.clear()
        return status, CLOSES.search(head) is not None

    def reconnect(self) -> None:
        self.socket.close()
        self.socket = self._connect()

    def _connect(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self._port), timeout=ANSWER_SECONDS_MAX)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made


class _Loop:
    """All clients, served as their answers arrive."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        prepared = [request.encode("latin-1") for request in plan.requests]
        self._requests: Iterator[bytes] = cycle(prepared) if plan.again else iter(prepared)
        self._selector = selectors.DefaultSelector()
        self._statuses: Counter[str] = Counter()
        self._milliseconds: list[float] = []
        self._reconnects = 0
        self._free: deque[_Client] = deque()  # those of a paced plan that wait for the next request's time
        self._due_at = 0.0

    def run(self) -> Load:
        clients = [_Client(self._plan.port) for _ in range(self._plan.clients)]
        cpu_before, began = time.process_time(), time.perf_counter()
        ends_at = began + self._plan.seconds
        self._due_at = began
        for client in clients:
            self._selector.register(client.socket, selectors.EVENT_READ, client)
            self._next(client, ends_at)
        while self._selector.get_map():
            waits = max(0.0, self._due_at - time.perf_counter()) if self._free else ANSWER_SECONDS_MAX
            ready = self._selector.select(waits)
            if not ready and not self._free:
                raise TimeoutError(f"no answer within {ANSWER_SECONDS_MAX} s")
            for key, _ in ready:
                self._answered(key.data, ends_at)
            self._send_due(ends_at)
        seconds = time.perf_counter() - began
        cpu = time.process_time() - cpu_before
        return Load(seconds, dict(self._statuses), self._milliseconds, self._reconnects, cpu)

    def _next(self, client: _Client, ends_at: float) -> None:
        """Send the client's next request, or let it wait for that one's time, unless time or requests are used up."""
        if self._plan.per_second:
            self._free.append(client)
            return
        request = next(self._requests, None) if time.perf_counter() < ends_at else None
        if request is None:
            self._let_go(client)
        else:
            client.send(request)

    def _send_due(self, ends_at: float) -> None:
        """Send what is due in a paced plan; at its end let go of the clients that wait."""
        pace = self._plan.per_second
        while self._free and pace:
            now = time.perf_counter()
            if now < min(self._due_at, ends_at):
                return
            client = self._free.popleft()
            request = next(self._requests, None) if now < ends_at else None
            if request is None:
                self._let_go(client)
                continue
            client.send(request, self._due_at)
            self._due_at += 1 / pace

    def _let_go(self, client: _Client) -> None:
        self._selector.unregister(client.socket)
        client.socket.close()

    def _answered(self, client: _Client, ends_at: float) -> None:
        answer = client.receive()
        if answer is None:
            return
        status, closes = answer
        self._milliseconds.append(round((time.perf_counter() - client.sent_at) * 1000, 3))
        self._statuses[str(status)] += 1
        if closes:
            self._selector.unregister(client.socket)
            client.reconnect()
            self._selector.register(client.socket, selectors.EVENT_READ, client)
            self._reconnects += 1
        self._next(client, ends_at)


def main() -> None:
    """Read the plan from the input and print the load."""
    print(json.dumps(asdict(_Loop(Plan(**json.load(sys.stdin))).run())))


if __name__ == "__main__":
    main()
