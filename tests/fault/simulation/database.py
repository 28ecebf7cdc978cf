"""The only part that is not simulated: Postgres, with the real schema and SQL. Its failures are simulated.

A schedule begins with empty tables. They are emptied, not created anew, because that takes 4 ms instead of 60.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError, InterfaceError

from emulators import cloud
from emulators.postgres import Postgres
from shared import db
from shared.config import read
from shared.database import migrate
from shared.database.session import CommitUnknown, Session
from shared.db import DatabaseConfig
from tests.fault.simulation import people

if TYPE_CHECKING:
    from tests.fault.simulation.world import World

TEMPLATE = "simulated"
REBUILT = ("treasuries", "signers")  # tables that are emptied although a new database has rows in them
VACUUM_EVERY = 100
IN_FLIGHT_MAX = 8  # a rebuild uses up so many nonces, and each costs a signature


def make_template(postgres: Postgres, now: datetime) -> dict[str, str]:
    """Create a migrated database; returns the settings that lead to it."""
    logins = cloud.Logins()
    cloud.make_database(postgres, logins, TEMPLATE)
    settings = cloud.database_settings(postgres, logins, TEMPLATE)
    owner = Connection(
        settings["OWNER_USER"],
        host=settings["DATABASE_HOST"],
        port=int(settings["DATABASE_PORT"]),
        database=TEMPLATE,
        password=settings["OWNER_PASSWORD"],
        ssl_context=False,
    )
    try:
        migrate.apply(owner, migrate.load(), now, contract=True)
        owner.execute_simple(f"UPDATE settings SET value = '{IN_FLIGHT_MAX}' WHERE name = 'payout_in_flight_max'")
        for place, person in enumerate((*people.APPROVERS, people.REQUESTER, *people.WINNERS)):
            role = "NULL" if person in people.WINNERS else "'treasury'"
            owner.execute_simple(
                "INSERT INTO members (id, email, password_hash, username, full_name, date_of_birth, role, "
                "created_at, updated_at) "
                f"VALUES ('{person}', 'person{place}@example.com', '', 'person{place}', 'Person', "
                f"'1980-01-01', {role}, '{now}', '{now}')"
            )
    finally:
        owner.close()
    return settings


class Database:
    """A process's own database: emptied for each schedule, read by a superuser, used through `pool`."""

    def __init__(self, sql: Connection) -> None:
        self.sql = sql
        self.tables = self._tables()
        self.sequences = [row[0] for row in self.rows("SELECT quote_ident(sequencename) FROM pg_sequences")]
        self._sessions: list[SimulatedSession] = []
        self._resets = 0

    def rows(self, query: str) -> list[list[Any]]:
        return list(self.sql.execute_simple(query).rows or [])

    def run(self, statements: str) -> None:
        self.sql.execute_simple(statements)

    def empty(self) -> None:
        """Empty all tables, as after the migrations, but without treasuries."""
        self._resets += 1
        deletes = ";".join(f"DELETE FROM {table}" for table in self.tables)
        restarts = ",".join(f"setval('{name}', 1, false)" for name in self.sequences)
        self.run(
            f"SET session_replication_role = replica;{deletes};SELECT {restarts};"
            "UPDATE members SET status = 'active', wallet_address = NULL "
            "WHERE status <> 'active' OR wallet_address IS NOT NULL;RESET session_replication_role"
        )
        if self._resets % VACUUM_EVERY == 0:
            for table in self.tables:
                self.run(f"VACUUM {table}")

    def backup(self) -> dict[str, str]:
        """Every row as JSON, by table."""
        found = {}
        for table in self.tables:
            ((rows,),) = self.rows(f"SELECT json_agg(t)::text FROM {table} t")
            if rows:
                found[table] = rows
        return found

    def restore(self, backup: dict[str, str]) -> None:
        """Restore the rows; later ones are gone. Sequences go on, unlike in a real restore; no test depends on it."""
        deletes = ";".join(f"DELETE FROM {table}" for table in self.tables)
        self.run(f"SET session_replication_role = replica;{deletes}")
        for table, rows in backup.items():
            quoted = rows.replace("'", "''")
            self.run(
                f"INSERT INTO {table} OVERRIDING SYSTEM VALUE "
                f"SELECT * FROM json_populate_recordset(NULL::{table}, '{quoted}')"
            )
        self.run("RESET session_replication_role")

    def take(self, world: "World") -> "SimulatedSession":
        session = self._sessions.pop() if self._sessions else SimulatedSession(_connect())
        session.world = world
        return session

    def give_back(self, session: "SimulatedSession") -> None:
        self._sessions.append(session)

    def _tables(self) -> list[str]:
        names = self.rows(
            "SELECT quote_ident(relname) FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
            "AND relnamespace = 'public'::regnamespace ORDER BY relname"
        )
        empty = [name for (name,) in names if not self.rows(f"SELECT FROM {name} LIMIT 1")]
        return [*empty, *REBUILT]


def _connect() -> Connection:
    return db._connector(read(DatabaseConfig))()


class SimulatedSession(Session):
    """A connection of the pool whose commits may fail; a killed worker leaves it rolled back, as a lost one is."""

    world: "World"

    def commit(self) -> None:
        if not self._answered:
            self.settle()
        world, plan = self.world, self.world.plan
        worker = world.scheduler.current
        if worker and not worker.dead:
            world.maybe_kill("commit")
            if world.draw(plan.serialization, "the commit cannot be serialized"):
                self._fail("40001")
            if world.draw(plan.deadlock, "the commit meets a deadlock"):
                self._fail("40P01")
            if world.draw(plan.disk_full, "the disk is full"):
                self._fail("53100")
            if world.draw(plan.commit_lost, "the connection is lost before the commit"):
                self.rolled_back()
                raise InterfaceError("network error")
            if world.draw(plan.commit_unknown, "the commit is lost, and nobody knows"):
                self.rolled_back()
                raise CommitUnknown
        super().commit()
        if worker and not worker.dead:
            world.maybe_kill("committed")
            if world.draw(plan.commit_unknown, "the commit is done, and nobody knows"):
                raise CommitUnknown

    def _fail(self, state: str) -> None:
        self.rolled_back()
        raise DatabaseError({"C": state, "M": "simulated"})


class Pool:
    """Replaces `db._pool()`: a transaction begins at a `yield_point`, where a worker may be stopped or killed."""

    def __init__(self, database: Database, world: "World") -> None:
        self._database = database
        self._world = world

    def acquire(self) -> SimulatedSession:
        self._world.yield_point("begin", 0.0)
        worker = self._world.scheduler.current
        if worker:
            worker.transactions += 1
        return self._database.take(self._world)

    def release(self, session: SimulatedSession, *, healthy: bool) -> None:
        worker = self._world.scheduler.current
        if worker:
            worker.transactions -= 1
        if healthy or session.rolled_back():
            self._database.give_back(session)
        else:
            session.close()

    def close(self) -> None:
        """Does nothing: the connections belong to the process."""


@contextmanager
def opened(postgres: Postgres, name: str) -> Iterator[Database]:
    """A copy of the template for this process."""
    with cloud.superuser(postgres) as admin:  # without a time limit, because a machine may be busy
        admin.execute_simple(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    try:
        with cloud.superuser(postgres, name) as sql:
            yield Database(sql)
    finally:
        postgres.drop_database(name)
