"""The pool of connections: one per process, however many ask for it first, and a broken connection leaves nothing."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from emulators import cloud
from shared import db
from shared.config import read
from shared.database.session import Session
from shared.db import DatabaseConfig
from tests.platform import Platform

THREADS = 8


def test_many_who_ask_first_at_once_share_one_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    made, ready = [], threading.Barrier(THREADS)
    connector = db._connector

    def slow(config: DatabaseConfig) -> object:
        made.append(config)
        time.sleep(0.05)
        return connector(config)

    monkeypatch.setattr(db, "_connector", slow)
    db.close()

    def ask() -> int:
        ready.wait(timeout=10)
        return db.atomically(lambda tx: tx.run("SELECT 1"))

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _: ask(), range(THREADS)))

    assert len(made) == 1


def test_the_socket_of_a_broken_connection_is_closed_at_once(platform: Platform, database: str) -> None:
    """pg8000 would leave it to the garbage collector."""
    session = Session(db._connector(read(DatabaseConfig))())
    socket = session._connection._usock.fileno()
    with cloud.superuser(platform.postgres, database) as sql:
        sql.execute_simple(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    session.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(socket)
