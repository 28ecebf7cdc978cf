"""Cold starts: the time from starting the process to the first answer, each measured right after one of hello world."""

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from emulators.bench import calls, door, processes
from emulators.bench.calls import Call, NoCall
from emulators.bench.door import CONNECTOR, HELLO, START_SECONDS_MAX, Door, Target
from emulators.bench.load import ANSWER_SECONDS_MAX, HEADERS_END, LENGTH, PIECE_BYTES
from emulators.bench.world import World
from terraform.functions import Function

REQUESTS_BEFORE_MEMORY = 200
LOOK_SECONDS = 0.001
SUCCESS = range(200, 300)
PROBLEM_SHOWN_MAX = 300


class Failed(Exception):
    """Raised when a function does not answer as it should; the message says how."""


@dataclass(frozen=True)
class Candidate:
    """A program to start, and the request that it must answer; without a request, `failure` says why."""

    target: Target
    kind: str
    call: Call | None
    said: str = ""
    failure: str = ""


@dataclass(frozen=True)
class Start:
    """One cold start: wall and CPU time until the first answer, memory then and (where asked for) later, in bytes."""

    seconds: float
    cpu_seconds: float
    memory: int
    memory_later: int | None = None


@dataclass
class Starts:
    """The cold starts of one candidate, and of hello world right before each."""

    candidate: Candidate
    own: list[Start] = field(default_factory=list)
    hello: list[Start] = field(default_factory=list)
    failure: str = ""


def candidate(world: World, function: Function) -> Candidate:
    """The candidate for a function, with its cheapest real request."""
    kind, target = ("http" if function.is_http else "job"), door.target(function)
    try:
        call = calls.cheapest(world.stack, function, world.admin.token)
    except NoCall as missing:
        return Candidate(target, kind, None, failure=str(missing))
    return Candidate(target, kind, call, f"{call.method} {call.target}" if function.is_http else "a delivery")


def connector() -> Candidate:
    """Hello world plus the import of the Cloud SQL connector, which functions need only in the cloud."""
    return Candidate(CONNECTOR, "part", Call("GET", "/"), "GET / and import")


def measure(world: World, candidates: Sequence[Candidate], rounds: int) -> list[Starts]:
    """Measure all candidates round by round, so that a slow minute of the machine affects all of them.

    The first round only warms bytecode and page cache, and does not count.
    """
    found = [Starts(candidate, failure=candidate.failure) for candidate in candidates]
    for turn in range(rounds + 1):
        for starts in found:
            target, call = starts.candidate.target, starts.candidate.call
            if call is None or starts.failure:
                continue
            try:
                if turn:
                    starts.hello.append(start(world, HELLO, call, later=turn == rounds))
                    starts.own.append(start(world, target, call, later=turn == rounds))
                else:
                    start(world, target, call, later=False)
            except (Failed, RuntimeError, OSError) as failure:
                starts.failure = str(failure)
    return found


def start(world: World, target: Target, call: Call, *, later: bool) -> Start:
    """Start the target and call it until the first answer; for memory `later`, call it some hundred times more."""
    request = call.text.encode("latin-1")
    with door.opened(world.stack, target) as opened:
        _ask(_connected(opened), request, target)
        seconds = time.perf_counter() - opened.started_at
        cpu = processes.cpu_seconds(opened.child.process.pid)
        memory = processes.memory_bytes(opened.child.process.pid)
        if not later:
            return Start(seconds, cpu, memory)
        for _ in range(REQUESTS_BEFORE_MEMORY - 1):
            _ask(_connected(opened), request, target)
        return Start(seconds, cpu, memory, processes.memory_bytes(opened.child.process.pid))


def _connected(opened: Door) -> socket.socket:
    """A connection as soon as the port listens; it waits in the backlog for the worker."""
    deadline = opened.started_at + START_SECONDS_MAX
    while time.perf_counter() < deadline and opened.child.process.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", opened.port), timeout=ANSWER_SECONDS_MAX)
        except ConnectionRefusedError:
            time.sleep(LOOK_SECONDS)
    raise Failed(f"it did not listen; see {opened.child.log}")


def _ask(connection: socket.socket, request: bytes, target: Target) -> None:
    """Send one request on its own connection and read the whole answer: a function of one thread keeps none alive."""
    with connection:
        connection.sendall(request)
        received = bytearray()
        while (end := received.find(HEADERS_END)) < 0 or len(received) < _whole(received, end):
            piece = connection.recv(PIECE_BYTES)
            if not piece:
                raise Failed(f"{target.name} hung up")
            received += piece
    if int(received[9:12]) not in SUCCESS:
        problem = bytes(received[end:]).decode(errors="replace").strip()[:PROBLEM_SHOWN_MAX]
        raise Failed(f"{target.name} answered {received[9:12].decode()}: {problem}")


def _whole(received: bytearray, end: int) -> int:
    length = LENGTH.search(received, 0, end + 2)
    return end + len(HEADERS_END) + (int(length.group(1)) if length else 0)
