"""Child processes that never outlive the stack, free ports, and waiting for health instead of sleeping."""

import atexit
import ctypes
import errno
import http.client
import os
import pwd
import random
import signal
import socket
import subprocess
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

STOP_SECONDS_MAX = 10.0
PORTS = (15_000, 30_000)
PORT_TRIES_MAX = 100
CLAIM_ADDRESS = "127.0.0.2"
CLAIMS_MAX = 64
_claims: deque[socket.socket] = deque()  # of the newest ports: an older one's server listens by now
BACKLOG = 128  # connections that wait until a server has started
TAIL_CHARACTERS = 2000
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class NotReady(TimeoutError):
    """Raised when the awaited condition did not become true in time."""


def free_port(wish: int = 0) -> int:
    """A loopback port that nothing listens on; `wish` if it is free.

    It is not from the range that the kernel assigns by itself: an outgoing connection may take such a port meanwhile.
    No other process is given it before its server listens: the same port of CLAIM_ADDRESS stays bound for a while.
    """
    for _ in range(PORT_TRIES_MAX):
        port = wish or random.randrange(*PORTS)  # noqa: S311 - nothing depends on nobody guessing it
        if not wish and not _claim(port):
            continue
        wish = 0
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError("no loopback port is free")


@atexit.register
def _let_go() -> None:
    while _claims:
        _claims.popleft().close()


def _claim(port: int) -> bool:
    """False when a server that is starting was given the port; the claim ends with this process at the latest."""
    claim = socket.socket()
    try:
        claim.bind((CLAIM_ADDRESS, port))
    except OSError as refused:
        claim.close()
        return refused.errno == errno.EADDRNOTAVAIL  # a system whose loopback has one address, as macOS
    _claims.append(claim)
    if len(_claims) > CLAIMS_MAX:
        _claims.popleft().close()
    return True


def listening(port: int = 0) -> socket.socket:
    """A loopback socket that already listens, for a server that is started later; 0 stands for any free port.

    Raises OSError when the port is taken or not allowed.
    """
    for _ in range(PORT_TRIES_MAX):
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind(("127.0.0.1", port or free_port()))
            made.listen(BACKLOG)
        except OSError:
            made.close()
            if port:
                raise
        else:
            return made
    raise OSError("no loopback port is free")


def wait_until(ready: Callable[[], bool], what: str, seconds_max: float = 30.0) -> None:
    """Call `ready` until it is true; an OSError from it means "not yet". Raises NotReady."""
    deadline = time.monotonic() + seconds_max
    while True:
        try:
            if ready():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise NotReady(f"{what} was not ready within {seconds_max:.0f} s")
        time.sleep(0.01)


def accepts_connections(port: int) -> bool:
    """True once a process listens on the loopback port."""
    with socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True


def answers(port: int) -> bool:
    """True once a server answers a request on the loopback port, whatever the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
    try:
        connection.request("GET", "/")
        return bool(connection.getresponse().status)
    except http.client.HTTPException:
        return False
    finally:
        connection.close()


def unprivileged_user() -> str | None:
    """The user for a server that refuses root; None when this process is not root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


class PartEnded(RuntimeError):
    """Raised when a process of the stack ended by itself; the message says how, with the end of its log."""

    def __init__(self, child: "Child") -> None:
        tail = child.log.read_text(errors="replace")[-TAIL_CHARACTERS:].strip()
        where = os.path.relpath(child.log)
        super().__init__(f"{child.name} ended {child.end}; its log, {where}, ends so:\n{tail or '(it is empty)'}")


@dataclass
class Child:
    """A started process with its name and its log. `is_wanted` is true until this process asks it to end."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = STOP_SECONDS_MAX
    is_wanted: bool = True

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_seconds: float = STOP_SECONDS_MAX,
        handed_on: Sequence[int] = (),
    ) -> Self:
        """Start it in its own session, writing to `log`; the kernel ends it if this process dies without stopping it.

        `handed_on` are file descriptors of this process that it gets under the same numbers.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment) if environment is not None else None,
                user=user,
                group=pwd.getpwnam(user).pw_gid if user else None,
                extra_groups=[] if user else None,
                start_new_session=True,
                pass_fds=handed_on,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads hold locks the one prctl call could need
            )
        child = cls(name, process, log, stop_signal, stop_seconds)
        _note(child)
        return child

    def wait_until_ready(self, ready: Callable[[], bool], seconds_max: float = 30.0) -> None:
        """Call `wait_until`, but raise PartEnded at once, with the log's end, when the process has ended."""

        def alive_and_ready() -> bool:
            if self.process.poll() is not None:
                self.is_wanted = False  # the caller reports it
                raise PartEnded(self)
            return ready()

        wait_until(alive_and_ready, self.name, seconds_max)

    @property
    def end(self) -> str:
        """How it ended, in words; it must have ended."""
        code = self.process.returncode
        return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"

    def ask_to_stop(self) -> None:
        """Ask it to end without waiting, so that several processes can end at the same time."""
        self.is_wanted = False
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)

    def stop(self) -> None:
        """Ask it to end, then kill it if it does not; harmless when it has ended already."""
        self.ask_to_stop()
        try:
            self.process.wait(self.stop_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill the whole session at once, as a power cut would."""
        self.is_wanted = False
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS_MAX)


_started: list[weakref.ref[Child]] = []  # children of this process, for `ended_unasked`
_started_lock = threading.Lock()


def _note(child: Child) -> None:
    with _started_lock:
        _started[:] = [known for known in _started if (old := known()) and old.is_wanted]
        _started.append(weakref.ref(child))


def ended_unasked(logs: Path) -> list[Child]:
    """Children of this process that write into the folder and ended although this process did not ask them to."""
    with _started_lock:
        there = [child for known in _started if (child := known())]
    return [
        child for child in there if child.is_wanted and child.log.parent == logs and child.process.poll() is not None
    ]


def _die_with_parent() -> None:
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    except AttributeError:
        return  # not Linux: stop() is the only way
