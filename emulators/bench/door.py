"""Starts a function at its own port: functions-framework in production mode (gunicorn, threads), as on Cloud Run."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from emulators import contract
from emulators.process import Child, accepts_connections, free_port
from emulators.stack import LOCAL, Stack
from shared.clock import CLOCK_FILE
from shared.config import service_name
from terraform.functions import Function

START_SECONDS_MAX = 60.0
FLOOR_FILE = Path(__file__).with_name("hello.py")
FLOOR_THREADS = 16


@dataclass(frozen=True)
class Target:
    """The program that functions-framework is to serve."""

    name: str
    source: Path
    threads: int
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Door:
    """A started process that will listen on `port`; `started_at` is of time.perf_counter()."""

    child: Child
    port: int
    started_at: float

    def wait(self) -> None:
        """Wait until the process listens."""
        self.child.wait_until_ready(lambda: accepts_connections(self.port), START_SECONDS_MAX)


HELLO = Target("hello", FLOOR_FILE, FLOOR_THREADS)
CONNECTOR = Target("cloud_sql_connector", FLOOR_FILE, FLOOR_THREADS)


def target(function: Function) -> Target:
    """The target for a function of ours, with the settings of its function.yaml."""
    source = contract.FUNCTIONS / function.name / "main.py"
    return Target(function.name, source, function.concurrency, function.environment)


@contextmanager
def opened(stack: Stack, served: Target) -> Iterator[Door]:
    """Start the process without waiting for it; it is killed at the end of the block."""
    port = free_port()
    command = [str(LOCAL / "venv" / "bin" / "python"), "-m", "functions_framework", "--target", served.name,
               "--source", str(served.source), "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip
    started_at = time.perf_counter()
    child = Child.start(f"bench-{served.name}", command, log(stack, served), _environment(stack, served))
    try:
        yield Door(child, port, started_at)
    finally:
        child.kill()


def log(stack: Stack, served: Target) -> Path:
    """The path of the process's log."""
    return stack.log(f"bench-{served.name}")


def _environment(stack: Stack, served: Target) -> Mapping[str, str]:
    """The variables that Cloud Run sets, and the stack's addresses; without the test clock, as in production."""
    given = {name: value for name, value in stack.environment.items() if name != CLOCK_FILE}
    # A schedule that continues for a minute would not measure a start.
    brief = {"ROLLUP_RUN_SECONDS": "0", "FIGURE_RUN_SECONDS": "0"}
    return {**given, **brief, **served.settings, "K_SERVICE": service_name(served.name), "THREADS": str(served.threads)}
