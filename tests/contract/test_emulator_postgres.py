"""Does the Postgres launcher start a real server that is ours alone, and leave nothing behind?"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pg8000.dbapi
import pytest

from emulators import postgres
from emulators.postgres import Access, Home, Postgres
from emulators.process import wait_until
from tests.fakes.postgres_servers import SOURCES, running_server

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, which alone runs the server as somebody else")


@pytest.fixture(scope="module", params=SOURCES)
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with running_server(request.param) as started:
        yield started


@pytest.fixture
def throwaway() -> Iterator[Postgres]:
    """A server that the test itself stops or breaks."""
    started = Postgres(durable=False)
    started.start()
    yield started
    started.stop()


def connect(to: Access, database: str = "postgres", password: str | None = None) -> Any:
    chosen = to.password if password is None else password
    return pg8000.dbapi.connect(
        to.user, host=to.host, port=to.port, database=database, password=chosen, ssl_context=False
    )


def ask(to: Access, query: str, database: str = "postgres") -> Any:
    connection = connect(to, database)
    try:
        cursor = connection.cursor()
        cursor.execute(query)
        return cursor.fetchone()[0]
    finally:
        connection.close()


def test_it_is_version_15_or_newer(server: Postgres) -> None:
    assert int(ask(server.access, "SHOW server_version_num")) >= 150000
    assert ask(server.access, "SHOW server_version").split(" ")[0] == server.version.split(" ")[1]


def test_the_password_is_needed(server: Postgres) -> None:
    with pytest.raises(pg8000.dbapi.Error, match="28P01"):
        connect(server.access, password="guess")


def test_no_rule_lets_anybody_in_without_a_password(server: Postgres) -> None:
    methods = "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules"
    assert ask(server.access, methods) == "scram-sha-256"


def test_it_listens_on_loopback_only(server: Postgres) -> None:
    assert ask(server.access, "SHOW listen_addresses") == "127.0.0.1"
    assert ask(server.access, "SHOW unix_socket_directories") == ""


@pytest.mark.parametrize(
    ("setting", "value"), [("max_connections", "200"), ("shared_buffers", "256MB"), ("TimeZone", "UTC")]
)
def test_it_has_the_settings_of_a_laptop(server: Postgres, setting: str, value: str) -> None:
    assert ask(server.access, f"SHOW {setting}") == value


def test_letters_beyond_ascii_fold_and_order_is_by_code_point(server: Postgres) -> None:
    assert ask(server.access, "SELECT lower('ÉCOLE')") == "école"
    assert ask(server.access, "SELECT 'Z' < 'a'") is True


def test_a_database_copies_its_template(server: Postgres) -> None:
    server.create_database("migrated")
    connection = connect(server.access, "migrated")
    connection.cursor().execute("CREATE TABLE tiers AS SELECT 7 AS threshold")
    connection.commit()
    connection.close()
    server.create_database("one_test", template="migrated")
    assert ask(server.access, "SELECT threshold FROM tiers", "one_test") == 7


def test_a_database_is_dropped_under_whoever_is_connected(server: Postgres) -> None:
    server.create_database("doomed")
    connection = connect(server.access, "doomed")
    server.drop_database("doomed")
    with pytest.raises(pg8000.dbapi.Error, match="3D000"):
        connect(server.access, "doomed")
    connection._usock.close()


def test_dropping_an_absent_database_is_fine(server: Postgres) -> None:
    server.drop_database("never_was")


def test_a_name_that_is_no_identifier_is_refused(server: Postgres) -> None:
    with pytest.raises(ValueError, match="no name of a database"):
        server.create_database('x" OWNER "y')


def test_durability_is_on_unless_given_up(throwaway: Postgres) -> None:
    assert ask(throwaway.access, "SHOW fsync") == "off"
    durable = Postgres()
    durable.start()
    try:
        assert [ask(durable.access, f"SHOW {name}") for name in ("fsync", "full_page_writes")] == ["on", "on"]
        assert ask(durable.access, "SHOW synchronous_commit") == "on"
    finally:
        durable.stop()


def test_nothing_is_left_after_stop_even_with_a_client_that_stays(throwaway: Postgres) -> None:
    home = throwaway._home
    assert home is not None
    access = throwaway.access
    connection = connect(access)
    began = time.monotonic()
    throwaway.stop()
    assert time.monotonic() - began < 5.0
    assert not home.folder.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((access.host, access.port), timeout=1.0)
    connection._usock.close()


def test_each_start_has_a_password_of_its_own(throwaway: Postgres) -> None:
    first = throwaway.access.password
    throwaway.stop()
    throwaway.start()
    assert throwaway.access.password != first
    assert first not in repr(throwaway.access)


def test_a_server_that_cannot_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Home] = []
    make = Home.make

    def remembered() -> Home:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(Home, "make", remembered)
    monkeypatch.setattr(postgres, "SETTINGS", ("no_such_setting=1",))
    with pytest.raises(RuntimeError, match="no_such_setting"):
        Postgres(durable=False).start()
    assert [home.folder.exists() for home in made] == [False]


ABANDONING = """
import os
from emulators.postgres import Postgres
server = Postgres(durable=False)
server.start()
assert server._home.folder.is_dir()
print(server._home.folder, flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_run_left_is_cleared_by_the_next() -> None:
    command = [sys.executable, "-c", ABANDONING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -9, done.stderr
    left = Path(done.stdout.strip())
    assert left.name
    fresh = Postgres(durable=False)
    fresh.start()
    fresh.stop()
    wait_until(lambda: not left.exists(), "the end of the folder", 30)  # another test's server may be clearing it


@as_root
def test_root_runs_it_as_an_ordinary_user(throwaway: Postgres) -> None:
    home = throwaway._home
    assert home is not None
    assert home.data.stat().st_uid != 0
    assert home.data.stat().st_mode & 0o077 == 0


@as_root
def test_it_starts_from_a_checkout_that_its_user_may_not_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = postgres.find_binaries("embedded").parents[1]
    tmp_path.chmod(0o700)
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, tmp_path / part.name)
    monkeypatch.setattr("emulators.postgres.LOCAL", tmp_path)
    monkeypatch.setattr(postgres, "find_binaries", lambda _: tmp_path / package.name / "pginstall" / "bin")
    monkeypatch.chdir(tmp_path)
    hidden = Postgres(durable=False)
    hidden.start()
    try:
        assert ask(hidden.access, "SHOW data_directory").startswith(tempfile.gettempdir())
    finally:
        hidden.stop()
