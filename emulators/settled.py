"""Is everything done that the stack's clock has made due? Asks the outbox, Pub/Sub and Cloud Tasks."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pg8000.dbapi import Connection

PAUSE_SECONDS = 0.01


class PubSubPart(Protocol):
    """The embedded Pub/Sub, as far as it is asked here."""

    def drain(self, seconds_max: float) -> None: ...


class TasksPart(Protocol):
    """The embedded Cloud Tasks, as far as they are asked here."""

    def settle(self, seconds_max: float) -> None: ...


class Database:
    """The database of the functions, reached as they reach it. One connection, from the first use to `close`."""

    def __init__(self, settings: Callable[[], Mapping[str, str]]) -> None:
        """`settings` returns DATABASE_HOST and its like; it is asked at the first use."""
        self._settings = settings
        self._connection: Connection | None = None

    def close(self) -> None:
        """Close the connection; the next use opens another one."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def project(self) -> str | None:
        """The Google Cloud project for which this database was set up; None if nothing says so."""
        rows = self._rows("SELECT project FROM installation")
        return str(rows[0][0]) if rows else None

    def outbox(self) -> tuple[int, int]:
        """How many rows of the outbox are not published, and the newest row's id."""
        ((unpublished, newest),) = self._rows(
            """
            SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL), (SELECT coalesce(max(id), 0) FROM outbox)
            """
        )
        return int(unpublished), int(newest)

    def _rows(self, sql: str) -> list[list[Any]]:
        if self._connection is None:
            given = self._settings()
            self._connection = Connection(
                given["DATABASE_USER"],
                host=given["DATABASE_HOST"],
                port=int(given["DATABASE_PORT"]),
                database=given["DATABASE_NAME"],
                password=given["DATABASE_PASSWORD"],
                ssl_context=False,
            )
            self._connection.autocommit = True
        return [list(row) for row in self._connection.execute_simple(sql).rows]


def wait(outbox: Callable[[], tuple[int, int]], pubsub: PubSubPart, tasks: TasksPart, seconds_max: float) -> None:
    """Wait until the outbox is published, every message delivered, and no task due: all of it without a new row of the
    outbox in between. Raises TimeoutError, which says what is left.
    """
    ends_at = time.monotonic() + seconds_max
    while True:
        unpublished, newest = outbox()
        if not unpublished:
            left = max(0.0, ends_at - time.monotonic())
            pubsub.drain(left)
            tasks.settle(left)
            if outbox() == (0, newest):
                return
        if time.monotonic() >= ends_at:
            raise TimeoutError(f"{unpublished} rows of the outbox are not published within {seconds_max} s")
        time.sleep(PAUSE_SECONDS)
