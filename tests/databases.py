"""Databases for tests: each test gets one equal to the template; one in which only rows changed is used again.

A copy of the template is a thousand files, and takes most of a second on a busy machine; emptying takes milliseconds. A
database that its rows alone cannot restore (another schema, other privileges, much data) is dropped and copied anew.
"""

import io
import itertools
import os
from dataclasses import dataclass, field

from pg8000.dbapi import Connection
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
WRITTEN = """  -- tables that have, or had, a row
    SELECT quote_ident(relname) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0 ORDER BY relname
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

    def __post_init__(self) -> None:
        with cloud.superuser(self.postgres, self.template) as sql:
            self._schema = sql.execute_simple(SCHEMA).rows
            self._size = _size(sql)
            self._rows = {name: _copied(sql, name) for name in _written(sql)}
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
        with cloud.superuser(self.postgres, name) as sql:
            sql.execute_simple(OTHERS)
            clean = self._only_rows_have_changed(sql, name)
            if clean:
                self._put_back(sql)
        if clean:
            self._free.append(name)
        else:
            self.postgres.drop_database(name)

    def close(self) -> None:
        """Drop the databases that are not in use."""
        while self._free:
            self.postgres.drop_database(self._free.pop())

    def _only_rows_have_changed(self, sql: Connection, name: str) -> bool:
        settings = sql.execute_simple(SETTINGS + literal(name)).rows[0][0]
        return (
            not settings
            and sql.execute_simple(SCHEMA).rows == self._schema
            and _size(sql) < self._size + GROWN_BYTES_MAX
        )

    def _put_back(self, sql: Connection) -> None:
        deletes = (f"DELETE FROM {name}" for name in _written(sql) if name not in self._rows)
        sql.execute_simple(";".join(("SET session_replication_role = replica", *deletes, self._start)))
        for table, rows in self._rows.items():
            if _copied(sql, table) != rows:
                sql.execute_simple(f"DELETE FROM {table}")
                sql.cursor().execute(f"COPY {table} FROM STDIN", stream=io.BytesIO(rows))


def _size(sql: Connection) -> int:
    return int(sql.execute_simple("SELECT pg_database_size(current_database())").rows[0][0])


def _written(sql: Connection) -> list[str]:
    return [str(name) for (name,) in sql.execute_simple(WRITTEN).rows]


def _copied(sql: Connection, table: str) -> bytes:
    into = io.BytesIO()
    sql.cursor().execute(f"COPY {table} TO STDOUT", stream=into)
    return into.getvalue()
