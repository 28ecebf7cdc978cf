"""Sessions that hold locks, and waiting until others wait for them: interleavings that are forced, not hoped for."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pg8000.dbapi import Connection

from emulators import cloud
from tests.platform import Platform

WAIT_SECONDS_MAX = 4.0  # less than db.LOCK_TIMEOUT
WAITERS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@contextmanager
def held(platform: Platform, statement: str) -> Iterator[None]:
    """Run the statement in a transaction of the superuser, which commits at the end of the block."""
    with cloud.superuser(platform.postgres, os.environ["DATABASE_NAME"]) as connection:
        connection.execute_simple("BEGIN")
        connection.execute_simple(statement)
        yield
        connection.execute_simple("COMMIT")


def until_waiting(sql: Connection, sessions: int) -> None:
    """Wait until so many sessions wait for a lock. Raises TimeoutError."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while sql.execute_simple(WAITERS).rows[0][0] < sessions:
        if time.monotonic() > deadline:
            raise TimeoutError(f"fewer than {sessions} sessions wait")
        time.sleep(0.01)
