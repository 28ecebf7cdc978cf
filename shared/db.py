"""Postgres: one transaction per piece of work, one typed call per query, and a small connection pool."""

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from ssl import SSLError
from types import NoneType
from typing import Any, Concatenate, LiteralString, ParamSpec, TypeVar, cast, get_args, get_type_hints

from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError, InterfaceError
from pydantic import BaseModel

from shared.config import Config, read
from shared.database.session import SHUTTING_DOWN, CommitUnknown, ConstraintViolated, Session, sqlstate
from shared.values.money import Usdt

__all__ = [
    "OUTAGES",
    "CommitUnknown",
    "ConstraintViolated",
    "FetchFirst",
    "PoolExhausted",
    "Tx",
    "acting_for",
    "atomically",
    "close",
    "connect",
    "is_outage",
    "rule_of",
    "transaction",
]

T = TypeVar("T")
P = ParamSpec("P")
Row = TypeVar("Row")
Value = TypeVar("Value")

ATTEMPTS_MAX = 3  # attempts of a transaction that Postgres asks to repeat
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
    # The role of each transaction where many functions share a login; it contains {function}
    database_role: str | None = None
    database_name: str = "blakjaks"
    database_connections: int | None = None  # the pool's size; None means one per thread
    threads: int = 8


# Compiling a statement (jit) takes longer than running a short one, and short ones come by the thousand.
LIMITS = (
    f"SET statement_timeout = '{STATEMENT_TIMEOUT}'; SET lock_timeout = '{LOCK_TIMEOUT}';"
    f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_TIMEOUT}'; SET timezone = 'UTC'; SET jit = off"
)


class PoolExhausted(Exception):
    """Raised when no connection became free in time."""


class FetchFirst(Exception):
    """Raised when a transaction needs something that must be fetched from outside.

    The transaction is rolled back, `fetch` is called outside of it, and it is repeated.
    """

    def __init__(self, fetch: Callable[[], None]) -> None:
        super().__init__("something has to be fetched before this transaction")
        self.fetch = fetch


# Failures for which the work itself is never the cause.
OUTAGES = (PoolExhausted, CommitUnknown, InterfaceError, OSError)
PASSING_CLASSES = frozenset({"08", "40", "53", "57", "58"})  # connection, rollback, resources, operator, system
PASSING = RETRYABLE | {"25P03"}  # and a transaction that was idle for too long


def is_outage(error: BaseException) -> bool:
    """True if the database is away, full, or asked for a repetition that failed too: the same may succeed later."""
    if isinstance(error, DatabaseError):
        state = sqlstate(error)
        return state in PASSING or state[:2] in PASSING_CLASSES
    return isinstance(error, PoolExhausted | CommitUnknown | InterfaceError | ConnectionError | TimeoutError | SSLError)


class Unreachable(ConnectionError):
    """Raised when no connection could be opened; `__cause__` says why."""


def rule_of(failure: Exception) -> str:
    """The rule of the schema that was violated; for any other failure the name of its type."""
    return failure.constraint if isinstance(failure, ConstraintViolated) else type(failure).__name__


class Tx:
    """An open transaction. `row` is a dataclass, or the model of a reply that shows the row as it is: its fields are
    the query's columns, in order.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self, row: type[Row], sql: LiteralString, **parameters: object) -> list[Row]:
        """All rows of the query's result."""
        columns, rows, _ = self._session.execute(sql, parameters)
        make: Callable[[list[Any]], Row] = _row_maker(cast("Hashable", row), columns)
        return [make(values) for values in rows]

    def first(self, row: type[Row], sql: LiteralString, **parameters: object) -> Row | None:
        """The first row, or None when there is none."""
        found = self.all(row, sql, **parameters)
        return found[0] if found else None

    def one(self, row: type[Row], sql: LiteralString, **parameters: object) -> Row:
        """The only row; an AssertionError if there is not exactly one."""
        found = self.all(row, sql, **parameters)
        assert len(found) == 1, f"{len(found)} rows where one was expected"
        return found[0]

    def column(self, kind: type[Value], sql: LiteralString, /, **parameters: object) -> list[Value]:
        """The values of a query that has one column, a value for each row. A null fails, as does a second column."""
        values = self._values(kind, sql, parameters)
        assert None not in values, "a column with a null where none was expected"
        return cast("list[Value]", values)

    def scalar(self, kind: type[Value], sql: LiteralString, /, **parameters: object) -> Value:
        """The value of a query that has one column and one row. No row fails, as do several, and a null."""
        values = self.column(kind, sql, **parameters)
        assert len(values) == 1, f"{len(values)} rows where one was expected"
        return values[0]

    def scalar_or_none(self, kind: type[Value], sql: LiteralString, /, **parameters: object) -> Value | None:
        """The value in the first row of a query that has one column; None when there is no row, or a null in it."""
        values = self._values(kind, sql, parameters)
        return values[0] if values else None

    def run(self, sql: LiteralString, **parameters: object) -> int:
        """Run the statement; returns how many rows it changed, or found if it is a SELECT."""
        return self._session.execute(sql, parameters)[2]

    def run_later(self, sql: LiteralString, **parameters: object) -> None:
        """Send the statement with the next one, without waiting; a failure is raised there or at the commit."""
        self._session.execute_later(sql, parameters)

    def plan_once(self) -> None:
        """Have Postgres make plans without looking at the values, until the commit.

        This is right for statements with lists of keys, for which Postgres would otherwise plan anew each time
        (postgresql.org/docs/current/sql-prepare.html).
        """
        self._session.command_later("SET LOCAL plan_cache_mode = force_generic_plan")

    def in_index_order(self) -> None:
        """Have Postgres read rows in the order of an index, and not collect them first and sort them, until the commit.

        This is for portions of rows that came so fast that Postgres does not know of them yet: where it expects two
        rows it would collect all that are left, to take the first thousands of them.
        """
        self._session.command_later("SET LOCAL enable_bitmapscan = off")

    def allow(self, seconds: int) -> None:
        """Let each statement take so long, until the commit, instead of STATEMENT_TIMEOUT.

        This is for steps of jobs that do something with everybody at once.
        """
        self._session.command_later(f"SET LOCAL statement_timeout = '{seconds}s'")

    def check_deferred(self) -> None:
        """Check now what the schema checks at the commit. Raises ConstraintViolated."""
        self._session.command_later("SET CONSTRAINTS ALL IMMEDIATE")
        self._session.settle()

    def _values(self, kind: type[Value], sql: LiteralString, parameters: Mapping[str, object]) -> list[Value | None]:
        columns, rows, _ = self._session.execute(sql, parameters)
        assert len(columns) == 1, f"the query has {columns} where one column was expected"
        made = _cast(kind)
        return [made(value) if made and value is not None else value for (value,) in rows]

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """An exception inside the block undoes only what was done inside the block. Blocks may be nested."""
        self._session.command_later("SAVEPOINT inner_work")
        try:
            yield
            self._session.command_later("RELEASE SAVEPOINT inner_work")
            self._session.settle()
        except BaseException:
            self._session.command_later("ROLLBACK TO SAVEPOINT inner_work")
            self._session.command_later("RELEASE SAVEPOINT inner_work")  # the name is that of the outer block again
            raise


def atomically(work: Callable[Concatenate[Tx, P], T], /, *args: P.args, **named: P.kwargs) -> T:
    """Run `work(tx, *args, **named)` in a transaction, commit, and return its result. Repeat it when Postgres asks to
    (deadlock, lost connection) or when something has to be fetched first.

    `work` may run several times: it must have no effect outside the transaction. Whatever it raises rolls back. After
    ATTEMPTS_MAX runs the failure is raised; CommitUnknown and PoolExhausted are raised at once. The arguments are
    computed once, before the transaction; give a lambda where each run must ask anew, as for the time.
    """
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            with transaction() as tx:
                return work(tx, *args, **named)
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


_function: ContextVar[str] = ContextVar("database_function", default="")


@contextmanager
def acting_for(function: str) -> Iterator[None]:
    """Transactions inside the block have the rights of that function's own login, where DATABASE_ROLE is set.

    In the cloud each function has a login of its own and DATABASE_ROLE is not set. Where one process serves all
    functions, each transaction takes the role of the function that it works for.
    """
    token = _function.set(function)
    try:
        yield
    finally:
        _function.reset(token)


def _role() -> str | None:
    template, function = read(DatabaseConfig).database_role, _function.get()
    return template.format(function=function) if template and function else None


@contextmanager
def transaction() -> Iterator[Tx]:
    """One transaction on a pooled connection: committed at the end of the block, rolled back by an exception."""
    pool = _pool()
    session = pool.acquire()
    healthy = False
    try:
        session.begin(_role())
        yield Tx(session)
        session.commit()
        healthy = True
    except BaseException as error:
        broken = isinstance(error, InterfaceError | OSError | CommitUnknown) or not isinstance(error, Exception)
        healthy = not broken and session.rolled_back()  # a killed thread may leave an answer half read
        raise
    finally:
        pool.release(session, healthy=healthy)


def connect(config: DatabaseConfig) -> Connection:
    """Open a connection outside the pool and without its time limits."""
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
        """Close all idle connections; those in use are closed when they are released."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()


_opening = threading.Lock()


def _pool() -> _Pool:
    with _opening:  # if many threads ask first at once, the cache would let each create a pool
        return _opened()


@cache
def _opened() -> _Pool:
    config = read(DatabaseConfig)
    return _Pool(config.database_connections or config.threads, _connector(config))


def _connector(config: DatabaseConfig) -> Callable[[], Connection]:
    opened = _cloud_sql(config) if config.database_instance else _direct(config)

    def connect() -> Connection:
        try:
            connection = opened()
        except Exception as error:  # the connector and its libraries have exceptions of their own
            raise Unreachable(f"no connection: {type(error).__name__}") from error
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
    """Connect to Cloud SQL with IAM login; certificates are refreshed on use, which needs no CPU while idle."""
    from google.cloud.sql.connector import Connector, IPTypes, RefreshStrategy

    assert config.database_instance
    instance = config.database_instance
    connector = Connector(refresh_strategy=RefreshStrategy.LAZY, ip_type=IPTypes.PRIVATE, enable_iam_auth=True)
    return lambda: connector.connect(instance, "pg8000", user=config.database_user, db=config.database_name)


@cache
def _row_maker(row: Hashable, columns: tuple[str, ...]) -> Callable[[list[Any]], Any]:
    """A function that makes the dataclass or model from a row's values; its fields must be the query's columns, in
    order.
    """
    assert isinstance(row, type)
    names, is_model = _fields_of(row), issubclass(row, BaseModel)
    assert names == columns, f"{row.__name__} has {names}, the query has {columns}"
    hints = get_type_hints(row)
    casts = [(position, made) for position, name in enumerate(names) if (made := _cast(hints[name]))]

    def make(values: list[Any]) -> object:
        for position, made in casts:
            if values[position] is not None:
                values[position] = made(values[position])
        return row(**dict(zip(names, values, strict=True))) if is_model else row(*values)

    return make


def _fields_of(row: type) -> tuple[str, ...]:
    if issubclass(row, BaseModel):
        return tuple(row.model_fields)
    assert is_dataclass(row), f"{row.__name__} is neither a dataclass nor a model"
    return tuple(field.name for field in fields(row))


def _cast(hint: object) -> Callable[[Any], Any] | None:
    """The conversion for a field's type: to Usdt, enums, bytes and int; other values stay as pg8000 returns them."""
    candidates = get_args(hint) if NoneType in get_args(hint) else (hint,)
    for candidate in candidates:
        if candidate is Usdt:
            return lambda micro: Usdt(int(micro))
        if isinstance(candidate, type) and issubclass(candidate, Enum):
            return candidate
        if candidate in (bytes, int):
            return cast("Callable[[Any], object]", candidate)  # pg8000 returns bytearray, and Decimal for numeric
    return None
