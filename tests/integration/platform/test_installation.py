"""A database says which project it serves, so that a local stack leaves another project's alone."""

from collections.abc import Iterator

import pytest
from pg8000.dbapi import Connection, DatabaseError

from emulators import cloud
from emulators.settled import Database
from functions.migrate import main as migrate
from shared import clock, db
from shared.config import read
from shared.db import DatabaseConfig


@pytest.fixture
def asked() -> Iterator[Database]:
    """Asks what a stack asks before it moves its clock, here of the test's own database."""
    config = read(DatabaseConfig)
    database = Database(
        lambda: {
            "DATABASE_USER": config.database_user,
            "DATABASE_HOST": config.database_host,
            "DATABASE_PORT": str(config.database_port),
            "DATABASE_NAME": config.database_name,
            "DATABASE_PASSWORD": config.database_password or "",
        }
    )
    yield database
    database.close()


def test_a_deployment_says_for_which_project_it_is(sql: Connection, asked: Database) -> None:
    sql.execute_simple("DELETE FROM installation")
    assert asked.project() is None
    config = read(migrate.MigrateConfig)
    for project in (cloud.PROJECT, "blakjaks-prod", "blakjaks-prod"):
        with db.acting_for("migrate"):
            migrate.register(config.model_copy(update={"google_cloud_project": project}), clock.now())
        assert asked.project() == project
    assert sql.execute_simple("SELECT count(*) FROM installation").rows == [[1]]


def test_there_is_one_answer(sql: Connection) -> None:
    sql.execute_simple("DELETE FROM installation; INSERT INTO installation (project) VALUES ('a')")
    for wrong in ("(project) VALUES ('b')", "VALUES (false, 'b')"):
        with pytest.raises(DatabaseError):
            sql.execute_simple(f"INSERT INTO installation {wrong}")
    with pytest.raises(DatabaseError):
        sql.execute_simple("UPDATE installation SET project = ''")


def test_the_outbox_says_how_much_is_waiting_and_which_row_is_the_newest(sql: Connection, asked: Database) -> None:
    sql.execute_simple("DELETE FROM outbox")
    assert asked.outbox()[0] == 0
    newest = 0
    for number in range(2):
        rows = sql.execute_simple(
            "INSERT INTO outbox (kind, destination, body, created_at) VALUES ('event', 'x', '{}', now()) RETURNING id"
        ).rows
        newest = int(rows[0][0])
        assert asked.outbox() == (number + 1, newest)
    sql.execute_simple("UPDATE outbox SET published_at = now()")
    assert asked.outbox() == (0, newest)
