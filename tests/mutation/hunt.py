"""Makes one break at a time in a copy of the tree, and runs the tests that may notice it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.coverage import Coverage
from tests.mutation.place import Place

GRACE_SECONDS = 20.0  # for a test session that is interrupted, so that its servers stop with it
START_SECONDS_MAX = 300.0  # of a test session on a busy machine
SLOWNESS = 8.0  # how many times longer than when it was recorded a test may take
TESTS_PASSED, TESTS_FAILED, NO_TESTS = 0, 1, 5
TIME = "time"


@dataclass(frozen=True)
class Fate:
    """`by` is the test that failed, TIME when they did not end, "" for a survivor; `tests` is how many were chosen."""

    by: str
    tests: int
    seconds: float


@dataclass(frozen=True)
class Copy:
    """A copy of the tree that shares its `.local` (packages, tools)."""

    path: Path

    @classmethod
    def of(cls, root: Path, path: Path) -> "Copy":
        shutil.rmtree(path, ignore_errors=True)
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True)
        for name in names.stdout.splitlines():
            if (root / name).is_file():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, path / name)
        (path / ".local").symlink_to(root / ".local")
        return cls(path)

    @contextmanager
    def broken(self, place: Place) -> Iterator[None]:
        file = self.path / place.path
        whole = file.read_text()
        file.write_text(place.broken(whole))
        try:
            yield
        finally:
            file.write_text(whole)


def hunt(copy: Copy, place: Place, coverage: Coverage, seconds_max: float, without: Iterable[str]) -> Fate:
    """Break the place, and run the chosen tests until one fails."""
    chosen = coverage.chosen(place, seconds_max, without)
    began = time.monotonic()
    if not chosen:
        return Fate("", 0, 0.0)
    patience = START_SECONDS_MAX + SLOWNESS * sum(it.seconds for it in chosen)
    with copy.broken(place):
        by = first_failure(copy, [it.name for it in chosen], patience)
    return Fate(by, len(chosen), round(time.monotonic() - began, 1))


def first_failure(copy: Copy, tests: Sequence[str], patience: float) -> str:
    """The first test that fails, TIME when they do not end, "" when all pass."""
    failed = failures(copy, tests, patience, "-x")
    return failed[0] if failed else ""


def failures(copy: Copy, tests: Sequence[str], patience: float, *options: str) -> list[str]:
    """The names of the tests that fail; [TIME] when they do not end."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-n", "0", *options, *tests]
    session = subprocess.Popen(
        command,
        cwd=copy.path,
        env=os.environ | {"PYTHONPATH": str(copy.path), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        told, _ = session.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        _end(session)
        return [TIME]
    if session.returncode == TESTS_PASSED:
        return []
    failed = [line.split()[1] for line in told.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return failed or [f"pytest ended with {session.returncode}"]  # not even the imports succeed


def _end(session: "subprocess.Popen[str]") -> None:
    """Interrupt the session and what it has started; kill what is left."""
    for signal_number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(session.pid, signal_number)
            session.communicate(timeout=GRACE_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
