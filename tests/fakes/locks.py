"""Sessions that hold locks, and waiting until others wait for them: interleavings that are forced, not hoped for."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError

from emulators import cloud
from tests.platform import Platform

LOCK_NOT_AVAILABLE = "55P03"
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


def is_locked(sql: Connection, table: str, condition: str) -> bool:
    """Whether another session has locked a row of the table for which the condition holds."""
    try:
        sql.execute_simple(f"SELECT 1 FROM {table} WHERE {condition} FOR UPDATE NOWAIT")
    except DatabaseError as error:
        if error.args[0]["C"] != LOCK_NOT_AVAILABLE:
            raise
        return True
    return False


def until_waiting(sql: Connection, sessions: int) -> None:
    """Wait until so many sessions wait for a lock. Raises TimeoutError."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while sql.execute_simple(WAITERS).rows[0][0] < sessions:
        if time.monotonic() > deadline:
            raise TimeoutError(f"fewer than {sessions} sessions wait")
        time.sleep(0.01)
