"""A Postgres connection with prepared statements, which are sent together when no answer is waited for.

pg8000 flushes after each part of each statement and waits; over a network every wait is a round trip, some of them with
the busiest row of the platform locked. Here a statement that needs no answer of its own (BEGIN, a savepoint, an insert)
is written to the socket and read with the next one. Each still ends with Sync, so that the server handles them one by
one (postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING).
"""

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from pg8000.converters import make_params
from pg8000.core import Context
from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import identifier, to_statement

from shared.values.money import Usdt

SHUTTING_DOWN = frozenset({"57P01", "57P02", "57P03"})  # the server shuts down or is not up yet
DATA_EXCEPTION = "22"  # messages of this class repeat the value that was sent
# The error fields (protocol-error-fields.html) that are kept: they say what failed, without values.
TOLD = frozenset("SCMsntcdFLR")
EXECUTE_AND_SYNC = b"E\x00\x00\x00\x09\x00\x00\x00\x00\x00" + b"S\x00\x00\x00\x04"
NULL = b"\xff\xff\xff\xff"
TEXT_FORMAT = b"\x00\x00"


class CommitUnknown(Exception):
    """Raised when the connection is lost during the commit: the work may be done or not; ask again idempotently."""


class ConstraintViolated(Exception):
    """Raised when a constraint or trigger of the schema refuses a statement."""

    def __init__(self, sqlstate: str, constraint: str, message: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.constraint = constraint


class _Prepared(NamedTuple):
    name: bytes
    columns: list[dict[str, Any]]
    readers: list[Any]


class Session:
    """A connection, its prepared statements, and the statements whose answers are not read yet."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._prepared: dict[str, _Prepared] = {}
        self._unread: list[Context] = []
        self._answered = False
        connection.register_out_adapter(Usdt, lambda amount: str(amount.micro))

    def begin(self, role: str | None = None) -> None:
        """Begin a transaction, as `role` if one is given; both are sent with the next statement that is waited for."""
        self._answered = False
        self.command_later("BEGIN")
        if role:
            self.command_later(f"SET LOCAL ROLE {identifier(role)}")

    def execute(self, sql: str, parameters: Mapping[str, object]) -> tuple[tuple[str, ...], list[list[Any]], int]:
        """Run a statement; returns column names, rows, and how many rows it touched. Raises ConstraintViolated."""
        prepared, context = self._write(sql, parameters)
        self.settle()
        return tuple(column["name"] for column in prepared.columns or ()), context.rows or [], context.row_count

    def execute_later(self, sql: str, parameters: Mapping[str, object]) -> None:
        """Send a statement together with the next one that is waited for; a failure is raised there."""
        self._write(sql, parameters)

    def command_later(self, sql: str) -> None:
        """Send a statement without parameters and rows together with the next one; a failure is raised there."""
        self._connection.send_QUERY(sql)
        self._unread.append(Context(sql))

    def settle(self) -> None:
        """Send what is written and read all answers. Of several failures the first is raised: it causes the others."""
        unread, self._unread = self._unread, []
        if unread:
            self._connection._sock.flush()  # noqa: SLF001 - pg8000 has no pipeline of its own
        failure: DatabaseError | None = None
        for context in unread:
            try:
                self._connection.handle_messages(context)
            except DatabaseError as error:
                failure = failure or _without_values(error)
            except InterfaceError:
                if failure is None:  # after a failure, pg8000's error for the COMMIT (now a rollback) is ignored
                    raise
        self._answered = True
        if failure:
            raise _refusal(failure) or failure

    def commit(self) -> None:
        """Commit. Deferred constraints are checked here and raise ConstraintViolated like others. Raises CommitUnknown.

        The connection is tested first: if it is dead before the COMMIT is sent, nothing was done, and CommitUnknown is
        not raised.
        """
        if not self._answered:
            self.settle()
        try:
            self.command_later("COMMIT")
            self.settle()
        except DatabaseError as error:
            if sqlstate(error) in SHUTTING_DOWN:
                raise CommitUnknown from error
            raise
        except (InterfaceError, OSError) as error:
            raise CommitUnknown from error

    def rolled_back(self) -> bool:
        """Roll back; False when the connection is no longer usable."""
        try:
            self.command_later("ROLLBACK")
            self.settle()
        except (DatabaseError, ConstraintViolated, InterfaceError, OSError):
            return False
        return True

    def close(self) -> None:
        """Close the connection; for a broken one, also the socket that pg8000 would leave to the garbage collector."""
        socket = self._connection._usock  # noqa: SLF001 - pg8000 has no other way to it
        try:
            self._connection.close()
        except (DatabaseError, InterfaceError, OSError):
            if socket is not None and (descriptor := socket.detach()) >= 0:
                os.close(descriptor)

    def _write(self, sql: str, parameters: Mapping[str, object]) -> tuple[_Prepared, Context]:
        """Write Bind, Execute and Sync, in text format as pg8000 does, but without a Flush after each."""
        parsed, prepared = self._prepare(sql)
        assert parameters.keys() == parsed.names, f"given {sorted(parameters)}, asked for {sorted(parsed.names)}"
        values = make_params(self._connection.py_types, [_plain(value) for value in parsed.values_of(parameters)])
        parts = [b"\x00", prepared.name, TEXT_FORMAT, len(values).to_bytes(2, "big")]
        for value in values:
            if value is None:
                parts.append(NULL)
            else:
                encoded = value.encode()
                parts += [len(encoded).to_bytes(4, "big"), encoded]
        bind = b"".join([*parts, TEXT_FORMAT])
        message = b"B" + (len(bind) + 4).to_bytes(4, "big") + bind + EXECUTE_AND_SYNC
        self._connection._sock.write(message)  # noqa: SLF001 - as above
        context = Context(parsed.statement, columns=prepared.columns, input_funcs=prepared.readers)
        self._unread.append(context)
        return prepared, context

    def _prepare(self, sql: str) -> tuple["_Parsed", _Prepared]:
        parsed = _parsed(sql)
        if sql not in self._prepared:
            self.settle()
            try:
                self._prepared[sql] = _Prepared(*self._connection.prepare_statement(parsed.statement, ()))
            except DatabaseError as error:
                raise _without_values(error) from None
        return parsed, self._prepared[sql]


def sqlstate(error: DatabaseError) -> str:
    """The error's code of five characters (postgresql.org/docs/current/errcodes-appendix.html); "" without one."""
    details = error.args[0] if error.args else None
    return str(details.get("C", "")) if isinstance(details, dict) else ""


def _without_values(error: DatabaseError) -> DatabaseError:
    """The error without the row and the text that Postgres quotes, which must not be logged."""
    details = error.args[0] if error.args else None
    if not isinstance(details, dict):
        return error
    told = TOLD if not sqlstate(error).startswith(DATA_EXCEPTION) else TOLD - {"M"}
    return type(error)({field: said for field, said in details.items() if field in told})


def _refusal(error: DatabaseError) -> ConstraintViolated | None:
    """The error as ConstraintViolated if the schema or a trigger refused the change (SQLSTATE class 23); else None."""
    state = sqlstate(error)
    if not state.startswith("23"):
        return None
    details = error.args[0]
    return ConstraintViolated(state, details.get("n", ""), details.get("M", ""))


class _Parsed(NamedTuple):
    """A statement with $1 for its first parameter. An argument that is not in `names` is a forgotten condition."""

    statement: str
    values_of: Callable[[Mapping[str, object]], tuple[object, ...]]
    names: frozenset[str]


class _Names(dict[str, None]):
    """Collects the names that are looked up in it."""

    def __missing__(self, name: str) -> None:
        self[name] = None


@cache
def _parsed(sql: str) -> _Parsed:
    statement, values_of = to_statement(sql)
    names = _Names()
    values_of(names)
    return _Parsed(statement, values_of, frozenset(names))


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    return _array(value) if isinstance(value, list) else value


def _array(values: list[object]) -> str:
    """A list as an array literal (postgresql.org/docs/current/arrays.html#ARRAYS-IO); pg8000 makes it slowly."""
    return "{" + ",".join([_element(value) for value in values]) + "}"


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bytes | bytearray):
        return f'"\\\\x{value.hex()}"'
    if isinstance(value, datetime):
        return f'"{value.isoformat()}"'
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert isinstance(value, int | UUID), f"no array of {type(value).__name__} is sent"
    return str(value)
