"""A Postgres connection whose statements are prepared once and travel together where nobody waits for an answer.

pg8000 flushes after each part of each statement and waits; over a network every wait is a round trip, some of them
with the busiest row of the platform locked. Here a statement that needs no answer of its own (BEGIN, a savepoint, an
insert) is written to the socket and read with the next one. Each still ends with Sync, so that the server handles
them one by one (postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING).
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
from pg8000.native import to_statement

from shared.money import Usdt

SHUTTING_DOWN = frozenset({"57P01", "57P02", "57P03"})  # the server ends or is not up yet
DATA_EXCEPTION = "22"  # its messages repeat what was sent
TOLD = frozenset("SCMsntcdFLR")  # of an error's fields (protocol-error-fields.html): what failed, not on which values
EXECUTE_AND_SYNC = b"E\x00\x00\x00\x09\x00\x00\x00\x00\x00" + b"S\x00\x00\x00\x04"
NULL = b"\xff\xff\xff\xff"
TEXT_FORMAT = b"\x00\x00"


class CommitUnknown(Exception):
    """The connection was lost while committing: the work is done or it is not; ask again idempotently."""


class Refused(Exception):
    """A constraint or trigger of the schema refused the statement."""

    def __init__(self, sqlstate: str, constraint: str, message: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.constraint = constraint


class _Prepared(NamedTuple):
    name: bytes
    columns: list[dict[str, Any]]
    readers: list[Any]


class Session:
    """A connection, its prepared statements, and what it has sent and not yet read the answers to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._prepared: dict[str, _Prepared] = {}
        self._unread: list[Context] = []
        self._answered = False
        connection.register_out_adapter(Usdt, lambda amount: str(amount.micro))

    def begin(self) -> None:
        """A transaction begins with the first statement that is waited for."""
        self._answered = False
        self.command_later("BEGIN")

    def execute(self, sql: str, parameters: Mapping[str, object]) -> tuple[tuple[str, ...], list[list[Any]], int]:
        """Column names, rows, rows touched. Raises Refused for a violated constraint."""
        prepared, context = self._write(sql, parameters)
        self.settle()
        return tuple(column["name"] for column in prepared.columns or ()), context.rows or [], context.row_count

    def execute_later(self, sql: str, parameters: Mapping[str, object]) -> None:
        """Like `execute`, together with whatever is waited for next; a failure is raised there."""
        self._write(sql, parameters)

    def command_later(self, sql: str) -> None:
        """A statement that has neither parameters nor rows, likewise."""
        self._connection.send_QUERY(sql)
        self._unread.append(Context(sql))

    def settle(self) -> None:
        """Send what is written and read all answers. Of several failures the first is raised, the cause of the rest."""
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
                if failure is None:  # otherwise pg8000's word for a COMMIT that the failure has turned into a rollback
                    raise
        self._answered = True
        if failure:
            raise _refusal(failure) or failure

    def commit(self) -> None:
        """Deferred constraints speak here: they raise Refused like the others.

        Whether the connection lives is found out before: a dead one means that nothing was done, not CommitUnknown.
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
        except (DatabaseError, Refused, InterfaceError, OSError):
            return False
        return True

    def close(self) -> None:
        """Close the connection; of one that is broken already, what pg8000 leaves to the garbage collector."""
        socket = self._connection._usock  # noqa: SLF001 - pg8000 has no other way to it
        try:
            self._connection.close()
        except (DatabaseError, InterfaceError, OSError):
            if socket is not None and (descriptor := socket.detach()) >= 0:
                os.close(descriptor)

    def _write(self, sql: str, parameters: Mapping[str, object]) -> tuple[_Prepared, Context]:
        """Bind, Execute and Sync, in text format as pg8000 has it, but without a Flush after each."""
        prepared, statement, values_of = self._prepare(sql)
        values = make_params(self._connection.py_types, [_plain(value) for value in values_of(parameters)])
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
        context = Context(statement, columns=prepared.columns, input_funcs=prepared.readers)
        self._unread.append(context)
        return prepared, context

    def _prepare(self, sql: str) -> tuple[_Prepared, str, Callable[[Mapping[str, object]], tuple[object, ...]]]:
        statement, values_of = _parsed(sql)
        if sql not in self._prepared:
            self.settle()
            try:
                self._prepared[sql] = _Prepared(*self._connection.prepare_statement(statement, ()))
            except DatabaseError as error:
                raise _without_values(error) from None
        return self._prepared[sql], statement, values_of


def sqlstate(error: DatabaseError) -> str:
    """The five characters (postgresql.org/docs/current/errcodes-appendix.html), empty when there are none."""
    details = error.args[0] if error.args else None
    return str(details.get("C", "")) if isinstance(details, dict) else ""


def _without_values(error: DatabaseError) -> DatabaseError:
    """Postgres quotes the failing row, and the text that it could not read: that belongs into no log."""
    details = error.args[0] if error.args else None
    if not isinstance(details, dict):
        return error
    told = TOLD if not sqlstate(error).startswith(DATA_EXCEPTION) else TOLD - {"M"}
    return type(error)({field: said for field, said in details.items() if field in told})


def _refusal(error: DatabaseError) -> Refused | None:
    """Integrity constraint violations, whether the schema's own or raised by its triggers (SQLSTATE class 23)."""
    state = sqlstate(error)
    if not state.startswith("23"):
        return None
    details = error.args[0]
    return Refused(state, details.get("n", ""), details.get("M", ""))


@cache
def _parsed(sql: str) -> tuple[str, Callable[[Mapping[str, object]], tuple[object, ...]]]:
    statement, values_of = to_statement(sql)
    return statement, values_of


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    return _array(value) if isinstance(value, list) else value


def _array(values: list[object]) -> str:
    """An array literal (postgresql.org/docs/current/arrays.html#ARRAYS-IO); pg8000 looks at every character for it."""
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
