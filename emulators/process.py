"""Child processes that never outlive the stack, free ports, and waiting on health instead of sleeping."""

import ctypes
import os
import pwd
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

STOP_SECONDS_MAX = 10.0
PORTS = (15_000, 30_000)
PORT_TRIES_MAX = 100
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def free_port(wish: int = 0) -> int:
    """A loopback port that nothing listens on; `wish` when it is free.

    Not from the range that the kernel hands out by itself: there, an outgoing connection may take it meanwhile.
    """
    for _ in range(PORT_TRIES_MAX):
        port = wish or random.randrange(*PORTS)  # noqa: S311 - nothing depends on nobody guessing it
        wish = 0
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError("no loopback port is free")


def wait_until(ready: Callable[[], bool], what: str, seconds_max: float = 30.0) -> None:
    """Poll `ready` until it is true; an OSError from it means "not yet"."""
    deadline = time.monotonic() + seconds_max
    while True:
        try:
            if ready():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not ready within {seconds_max:.0f} s")
        time.sleep(0.01)


def accepts_connections(port: int) -> bool:
    """True once something listens on the loopback port."""
    with socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True


def unprivileged_user() -> str | None:
    """Whom a server that refuses root runs as; None when this process is not root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


@dataclass
class Child:
    """One started process, its name and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = STOP_SECONDS_MAX

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
    ) -> Self:
        """Start it in its own session, writing to `log`; the kernel ends it should we die without stopping it."""
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
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads hold locks the one prctl call could need
            )
        return cls(name, process, log, stop_signal, stop_seconds)

    def wait_until_ready(self, ready: Callable[[], bool], seconds_max: float = 30.0) -> None:
        """Like `wait_until`, but gives up at once, showing the log's end, when the process has ended."""

        def alive_and_ready() -> bool:
            if self.process.poll() is not None:
                tail = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{tail}")
            return ready()

        wait_until(alive_and_ready, self.name, seconds_max)

    def ask_to_stop(self) -> None:
        """Ask it to end without waiting: several can end at the same time."""
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)

    def stop(self) -> None:
        """Ask it to end, then insist; harmless when it has ended already."""
        self.ask_to_stop()
        try:
            self.process.wait(self.stop_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the whole session at once, as a power cut would."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS_MAX)


def _die_with_parent() -> None:
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    except AttributeError:
        return  # not Linux: stop() is the only way
