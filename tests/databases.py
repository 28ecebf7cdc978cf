"""Databases for tests: each test gets one equal to the template; one in which only rows changed is used again.

A copy of the template is a thousand files, and takes most of a second on a busy machine; emptying takes milliseconds. A
database that its rows alone cannot restore (another schema, other privileges, much data) is dropped and copied anew.
The connection that empties a database stays open: a new one would read all the catalogues first, after each test.
"""

import io
import itertools
import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import literal

from emulators import cloud
from emulators.postgres import Postgres

GROWN_BYTES_MAX = 8 * 1024 * 1024
LEAVE_MILLISECONDS_MAX = 10_000

_numbers = itertools.count(1)

# Changing a schema, or analysing a table, writes rows of these tables; copying a database does not. Nothing is vacuumed
# or analysed automatically (emulators/postgres.py): plans are those of a new database.
CATALOGUES = (
    *("pg_class", "pg_attrdef", "pg_constraint", "pg_namespace", "pg_policy", "pg_proc", "pg_trigger", "pg_type"),
    *("pg_extension", "pg_event_trigger", "pg_default_acl"),
    "pg_statistic",  # statistics of a full table would give wrong plans for an empty one, and the reverse
)
SCHEMA = " UNION ALL ".join(
    f"SELECT '{catalogue}', count(*), sum(xmin::text::bigint) FROM {catalogue}" for catalogue in CATALOGUES
)
SETTINGS = "SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE datname = "
WRITTEN = """  -- tables that have, or had, a row, with the bytes of their rows
    SELECT quote_ident(relname), bytes FROM pg_class CROSS JOIN LATERAL pg_relation_size(oid) AS bytes
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND bytes > 0 ORDER BY relname
"""
SEQUENCES = (
    "SELECT quote_ident(sequencename), coalesce(last_value, start_value), last_value IS NOT NULL FROM pg_sequences"
)
OTHERS = f"""
    SELECT bool_and(pg_terminate_backend(pid, {LEAVE_MILLISECONDS_MAX})) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@dataclass
class Databases:
    """The databases of one process. Nobody may be connected to the template."""

    postgres: Postgres
    template: str
    _free: list[str] = field(default_factory=list)
    _open: dict[str, ExitStack] = field(default_factory=dict)
    _connections: dict[str, Connection] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with cloud.superuser(self.postgres, self.template) as sql:
            self._schema = sql.execute_simple(SCHEMA).rows
            written = _written(sql)
            self._size = sum(written.values())
            self._rows = {name: _copied(sql, name) for name in written}
            # A table's rows as text, in their order on the disk: equal marks are equal rows.
            self._marks = " UNION ALL ".join(
                f"SELECT {literal(name)}, md5(string_agg(CAST(t.* AS text), E'\\n')) FROM {name} t"
                for name in self._rows
            )
            self._marked = sql.execute_simple(self._marks).rows
            sequences = sql.execute_simple(SEQUENCES).rows
        starts = ",".join(f"setval({literal(name)}, {value}, {called})" for name, value, called in sequences)
        self._start = f"SELECT {starts}"

    def take(self) -> str:
        """The name of a database that equals the template."""
        if self._free:
            return self._free.pop()
        name = f"test_{os.getpid()}_{next(_numbers)}"
        self.postgres.create_database(name, self.template)
        return name

    def give_back(self, name: str) -> None:
        """Take a database back; clients that are still connected are disconnected."""
        try:
            is_clean = self._emptied(name, self._connection(name))
        except (DatabaseError, InterfaceError, OSError):  # the test may have ended the connection
            self._forget(name)
            is_clean = self._emptied(name, self._connection(name))
        if is_clean:
            self._free.append(name)
        else:
            self._forget(name)
            self.postgres.drop_database(name)

    def close(self) -> None:
        """Drop the databases that are not in use."""
        while self._free:
            self._forget(name := self._free.pop())
            self.postgres.drop_database(name)

    def _connection(self, name: str) -> Connection:
        if name not in self._connections:
            opened = self._open[name] = ExitStack()
            self._connections[name] = opened.enter_context(cloud.superuser(self.postgres, name))
        return self._connections[name]

    def _forget(self, name: str) -> None:
        if self._connections.pop(name, None):
            with suppress(DatabaseError, InterfaceError, OSError):
                self._open.pop(name).close()

    def _emptied(self, name: str, sql: Connection) -> bool:
        """Put the template's rows back, if only rows have changed; False if something else has."""
        sql.execute_simple(OTHERS)
        written = _written(sql)
        if sum(written.values()) >= self._size + GROWN_BYTES_MAX or self._schema_has_changed(sql, name):
            return False
        deletes = (f"DELETE FROM {table}" for table in written if table not in self._rows)
        sql.execute_simple(";".join(("SET session_replication_role = replica", *deletes, self._start)))
        for (table, was), (_, mark) in zip(self._marked, sql.execute_simple(self._marks).rows, strict=True):
            if mark != was:
                sql.execute_simple(f"DELETE FROM {table}")
                sql.cursor().execute(f"COPY {table} FROM STDIN", stream=io.BytesIO(self._rows[table]))
        return True

    def _schema_has_changed(self, sql: Connection, name: str) -> bool:
        settings = sql.execute_simple(SETTINGS + literal(name)).rows[0][0]
        return bool(settings) or sql.execute_simple(SCHEMA).rows != self._schema


def _written(sql: Connection) -> dict[str, int]:
    return {str(name): int(size) for name, size in sql.execute_simple(WRITTEN).rows}


def _copied(sql: Connection, table: str) -> bytes:
    into = io.BytesIO()
    sql.cursor().execute(f"COPY {table} TO STDOUT", stream=into)
    return into.getvalue()
