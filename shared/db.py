"""Postgres: one transaction per piece of work, one typed call per query, a small pool underneath."""

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, LiteralString, TypeVar, cast, get_args, get_type_hints

from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError, InterfaceError

from shared.config import Config, read
from shared.money import Usdt
from shared.session import SHUTTING_DOWN, CommitUnknown, Refused, Session, sqlstate

__all__ = [
    "OUTAGES",
    "CommitUnknown",
    "FetchFirst",
    "PoolExhausted",
    "Refused",
    "Tx",
    "atomically",
    "close",
    "connect",
    "transaction",
]

T = TypeVar("T")
Row = TypeVar("Row")

ATTEMPTS_MAX = 3  # of a transaction that Postgres asks to repeat
ACQUIRE_SECONDS_MAX = 5.0
STATEMENT_TIMEOUT = "15s"
LOCK_TIMEOUT = "5s"
IDLE_IN_TRANSACTION_TIMEOUT = "30s"
RETRYABLE = frozenset({"40001", "40P01", "55P03", "0A000"})  # serialization, deadlock, lock timeout, stale plan


class DatabaseConfig(Config):
    """Where Postgres is. With an instance name the Cloud SQL connector is used, otherwise host and port."""

    database_instance: str | None = None
    database_host: str = "127.0.0.1"
    database_port: int = 5432
    database_user: str = "blakjaks_app"
    database_password: str | None = None
    database_name: str = "blakjaks"
    database_connections: int | None = None  # at most so many; as many as threads when nothing is said
    threads: int = 8


# Short statements come by the thousand: compiling one (jit) takes longer than running it.
LIMITS = (
    f"SET statement_timeout = '{STATEMENT_TIMEOUT}'; SET lock_timeout = '{LOCK_TIMEOUT}';"
    f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_TIMEOUT}'; SET timezone = 'UTC'; SET jit = off"
)


class PoolExhausted(Exception):
    """No connection became free in time."""


class FetchFirst(Exception):
    """The work needs something that is far away: it is undone, `fetch` is called outside the transaction,
    and it is repeated.
    """

    def __init__(self, fetch: Callable[[], None]) -> None:
        super().__init__("something has to be fetched before this transaction")
        self.fetch = fetch


OUTAGES = (PoolExhausted, CommitUnknown, InterfaceError, OSError)  # whatever the work was, it is not to blame


class Tx:
    """An open transaction. `row` is a dataclass whose fields are the query's columns, in order."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self, row: type[Row], sql: LiteralString, **parameters: object) -> list[Row]:
        """Every row."""
        columns, rows, _ = self._session.execute(sql, parameters)
        make: Callable[[list[Any]], Row] = _row_maker(cast("Hashable", row), columns)
        return [make(values) for values in rows]

    def first(self, row: type[Row], sql: LiteralString, **parameters: object) -> Row | None:
        """The first row, or None when there is none."""
        found = self.all(row, sql, **parameters)
        return found[0] if found else None

    def one(self, row: type[Row], sql: LiteralString, **parameters: object) -> Row:
        """The one row there must be."""
        found = self.all(row, sql, **parameters)
        assert len(found) == 1, f"{len(found)} rows where one was expected"
        return found[0]

    def run(self, sql: LiteralString, **parameters: object) -> int:
        """How many rows the statement touched."""
        return self._session.execute(sql, parameters)[2]

    def run_later(self, sql: LiteralString, **parameters: object) -> None:
        """Run it without waiting: it travels with the next statement, and fails there or at commit."""
        self._session.execute_later(sql, parameters)

    def plan_once(self) -> None:
        """Until the commit, plans are made without looking at the values: right for statements about lists of keys,
        for which Postgres would plan anew each time (postgresql.org/docs/current/sql-prepare.html).
        """
        self._session.command_later("SET LOCAL plan_cache_mode = force_generic_plan")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What is raised inside undoes only what was done inside."""
        self._session.command_later("SAVEPOINT inner_work")
        try:
            yield
            self._session.command_later("RELEASE SAVEPOINT inner_work")
            self._session.settle()
        except BaseException:
            self._session.command_later("ROLLBACK TO SAVEPOINT inner_work")
            raise


def atomically(work: Callable[[Tx], T]) -> T:
    """Run `work` in a transaction and commit; repeat it when Postgres asks to (deadlock, lost connection) or when
    something has to be fetched first.

    `work` may run several times: it must have no effect outside the transaction. Whatever it raises rolls back.
    """
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            with transaction() as tx:
                return work(tx)
        except FetchFirst as needed:
            if attempt == ATTEMPTS_MAX:
                raise
            needed.fetch()
        except DatabaseError as error:
            if attempt == ATTEMPTS_MAX or sqlstate(error) not in RETRYABLE | SHUTTING_DOWN:
                raise
        except (InterfaceError, OSError):
            if attempt == ATTEMPTS_MAX:
                raise
    raise AssertionError("unreachable")


@contextmanager
def transaction() -> Iterator[Tx]:
    """One transaction on a pooled connection: committed at the end of the block, rolled back by an exception."""
    pool = _pool()
    session = pool.acquire()
    healthy = False
    try:
        session.begin()
        yield Tx(session)
        session.commit()
        healthy = True
    except BaseException as error:
        broken = isinstance(error, InterfaceError | OSError | CommitUnknown) or not isinstance(error, Exception)
        healthy = not broken and session.rolled_back()  # who is killed may leave an answer half read
        raise
    finally:
        pool.release(session, healthy=healthy)


def connect(config: DatabaseConfig) -> Connection:
    """A connection of its own, outside the pool and without its time limits."""
    return (_cloud_sql(config) if config.database_instance else _direct(config))()


def close() -> None:
    """Close the pool's connections; the next transaction opens a new pool."""
    with _opening:
        if _opened.cache_info().currsize:
            _opened().close()
            _opened.cache_clear()


class _Pool:
    """At most `size` connections; the one used last is used next, so that idle ones can age out."""

    def __init__(self, size: int, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._idle: list[Session] = []
        self._free = threading.Semaphore(size)
        self._closed = False

    def acquire(self) -> Session:
        if not self._free.acquire(timeout=ACQUIRE_SECONDS_MAX):
            raise PoolExhausted
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            return Session(self._connect())
        except BaseException:
            self._free.release()
            raise

    def release(self, session: Session, *, healthy: bool) -> None:
        if healthy and not self._closed:
            self._idle.append(session)
        else:
            session.close()
        self._free.release()

    def close(self) -> None:
        """Those that are in use are closed when they are given back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()


_opening = threading.Lock()


def _pool() -> _Pool:
    with _opening:  # of many who ask first at once, the cache would let each make one
        return _opened()


@cache
def _opened() -> _Pool:
    config = read(DatabaseConfig)
    return _Pool(config.database_connections or config.threads, _connector(config))


def _connector(config: DatabaseConfig) -> Callable[[], Connection]:
    opened = _cloud_sql(config) if config.database_instance else _direct(config)

    def connect() -> Connection:
        connection = opened()
        try:
            connection.execute_simple(LIMITS)
        except BaseException:
            Session(connection).close()
            raise
        return connection

    return connect


def _direct(config: DatabaseConfig) -> Callable[[], Connection]:
    return lambda: Connection(
        config.database_user,
        host=config.database_host,
        port=config.database_port,
        database=config.database_name,
        password=config.database_password,
        timeout=None,
        ssl_context=False,
    )


def _cloud_sql(config: DatabaseConfig) -> Callable[[], Connection]:
    """Cloud SQL with IAM login and certificates refreshed when needed, which suits an instance without idle CPU."""
    from google.cloud.sql.connector import Connector, IPTypes, RefreshStrategy

    assert config.database_instance
    instance = config.database_instance
    connector = Connector(refresh_strategy=RefreshStrategy.LAZY, ip_type=IPTypes.PRIVATE, enable_iam_auth=True)
    return lambda: connector.connect(instance, "pg8000", user=config.database_user, db=config.database_name)


@cache
def _row_maker(row: Hashable, columns: tuple[str, ...]) -> Callable[[list[Any]], Any]:
    """Makes the dataclass of a row's values; its field names must be the query's columns, in order."""
    assert isinstance(row, type)
    assert is_dataclass(row), f"{row.__name__} is not a dataclass"
    names = tuple(field.name for field in fields(row))
    assert names == columns, f"{row.__name__} has {names}, the query has {columns}"
    hints = get_type_hints(row)
    casts = [(position, made) for position, name in enumerate(names) if (made := _cast(hints[name]))]

    def make(values: list[Any]) -> object:
        for position, made in casts:
            if values[position] is not None:
                values[position] = made(values[position])
        return row(*values)

    return make


def _cast(hint: object) -> Callable[[Any], object] | None:
    """Amounts and enums come back as what they are; the rest is what pg8000 makes of it."""
    candidates = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    for candidate in candidates:
        if candidate is Usdt:
            return lambda micro: Usdt(int(micro))
        if isinstance(candidate, type) and issubclass(candidate, Enum):
            return candidate
        if candidate in (bytes, int):
            return cast("Callable[[Any], object]", candidate)  # pg8000 gives bytearray, and Decimal for numeric
    return None
