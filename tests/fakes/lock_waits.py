"""Runs two transactions of which one must wait for the other."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pg8000.dbapi import Connection

from emulators.process import wait_until
from shared import db
from shared.db import Tx

T = TypeVar("T")

WAIT_SECONDS_MAX = 10.0
WAITING = """
    SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE NOT granted AND a.datname = current_database()
"""


def is_lock_awaited(sql: Connection) -> bool:
    """True if a session waits for a lock in the test's database."""
    return bool(sql.execute_simple(WAITING).rows[0][0])


def run_blocked(
    sql: Connection, holder: Callable[[Tx], object], other: Callable[[], T], *, before_the_end: Callable[[Tx], object]
) -> T:
    """Run `other`, which must wait for a transaction that has run `holder`; returns what `other` returns.

    `before_the_end` runs in that transaction, once a session waits.
    """
    with ThreadPoolExecutor(1) as threads:
        with db.transaction() as tx:
            holder(tx)
            begun = threads.submit(other)
            wait_until(lambda: begun.done() or is_lock_awaited(sql), "a lock that is waited for", WAIT_SECONDS_MAX)
            assert not begun.done(), f"nobody waited: {begun.result()}"
            before_the_end(tx)
        return begun.result(WAIT_SECONDS_MAX)
