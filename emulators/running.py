"""The folder of a running stack: it belongs to one stack at a time, and tells other commands how to reach it.

Standard library only, so that `make clean` can ask before anything is installed. The lock is the kernel's (flock): it
ends with the process that holds it, in whatever way that dies. The file itself stays; its content is for people.
"""

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NoReturn

LOCAL = Path(__file__).resolve().parent.parent / ".local"
FOLDER = LOCAL / "run"
LOCK = "lock"
STATE = "stack.json"
TOKEN = "token"  # noqa: S105 - a file's name; what the printed first call shows; kept fresh while the stack is up
CLOCK = "clock"
LOGS = "log"
OURS = frozenset({LOCK, LOGS, *(f"{name}{end}" for name in (STATE, TOKEN, CLOCK) for end in ("", ".new"))})
REFUSED = 2  # the exit code of a command that could not even be tried
TRIES = 20  # a command that only looks holds the lock for a moment
PAUSE_SECONDS = 0.02
DATABASE = ("DATABASE_INSTANCE", "DATABASE_NAME")  # settings that say which database is meant


@dataclass(frozen=True)
class Holder:
    """The process that keeps a stack running: its id, its start (ISO 8601, UTC), and the gateway's address if known."""

    pid: int
    since: str
    url: str = ""

    def __str__(self) -> str:
        place = f", {self.url}" if self.url else ""
        if not self.pid:
            return "a process that has not said which"
        return f"process {self.pid}, since {self.since}{place}"


class Lock:
    """A folder that this process holds from `take` to `release`."""

    def __init__(self, file: IO[str], folder: Path) -> None:
        self._file = file
        self._folder = folder
        self._holder = Holder(os.getpid(), datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"))
        self._write()

    @classmethod
    def take(cls, folder: Path) -> "Lock":
        """Create and empty the folder. Exits when another stack runs in it, or when it holds somebody's files."""
        try:
            if folder.exists() and not {path.name for path in folder.iterdir()} <= OURS:
                refuse(f"{folder} holds files that are no stack's: STACK_FOLDER must name a new or an empty folder")
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / LOCK).open("a+")
        except OSError as error:
            refuse(f"{folder} cannot be written to ({error.strerror}): STACK_FOLDER names another folder")
        if not _locked_in_time(file):
            where, by = os.path.relpath(folder), _read(file)
            file.close()
            refuse(
                f"a stack is running in {where} already ({by}). Stop it first, or give this one a folder of "
                "its own: make run STACK_FOLDER=.local/run2"
            )
        _empty(folder)
        return cls(file, folder)

    def tell(self, url: str) -> None:
        """Record the stack's address, for a command that finds the lock taken."""
        self._holder = Holder(self._holder.pid, self._holder.since, url)
        self._write()

    def release(self) -> None:
        """Release the folder to the next stack. Logs stay; the files that lead to this stack are removed."""
        for name in (STATE, TOKEN):
            (self._folder / name).unlink(missing_ok=True)
        self._file.close()

    def _write(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps(asdict(self._holder)))
        self._file.flush()


def folder() -> Path:
    """The folder where `make run` keeps its logs and its state: STACK_FOLDER, else .local/run."""
    return Path(os.environ.get("STACK_FOLDER") or FOLDER).absolute()


def holder(where: Path) -> Holder | None:
    """The process that runs a stack in the folder; None when there is none."""
    try:
        with (where / LOCK).open() as file:
            return None if _locked(file, fcntl.LOCK_SH) else _read(file)
    except FileNotFoundError:
        return None


def remember(where: Path, found: Mapping[str, object]) -> None:
    """Store how other commands reach the stack; only this user can read it."""
    private(where / STATE, json.dumps(found))


def private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, in one step: no reader sees half of it."""
    made = path.with_name(f"{path.name}.new")
    made.unlink(missing_ok=True)
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    made.replace(path)


def found() -> dict[str, Any]:
    """The settings for reaching the running stack. Exits when none runs, or while it still starts."""
    where = folder()
    by = holder(where)
    if by is None:
        refuse("no stack is running here: start one with make run")
    try:
        known: dict[str, Any] = json.loads((where / STATE).read_text())
    except FileNotFoundError:
        refuse(f"the stack here is still starting, or ending ({by}): try again in a moment")
    return known


def adopt_environment(*unless: str) -> None:
    """Adopt the settings of the local stack, unless the environment has one of these names (as for production)."""
    if not any(name in os.environ for name in unless):
        os.environ.update(found()["settings"])


def refuse(why: str) -> NoReturn:
    """Print the sentence on the error output and exit with code 2."""
    print(why, file=sys.stderr)
    sys.exit(REFUSED)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink()


def _locked_in_time(file: IO[str]) -> bool:
    for _ in range(TRIES):
        if _locked(file, fcntl.LOCK_EX):
            return True
        time.sleep(PAUSE_SECONDS)
    return False


def _locked(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: IO[str]) -> Holder:
    """The holder that the lock file names; process 0 while the file is not written yet."""
    file.seek(0)
    try:
        return Holder(**json.loads(file.read()))
    except (ValueError, TypeError):
        return Holder(0, "")
