"""shared/database/schema.sql is what the migrations make, whatever version of Postgres runs them."""

from collections.abc import Iterator

import pytest
from pg8000.dbapi import Connection

from emulators import schema
from emulators.postgres import Postgres
from tests.fakes.postgres_servers import SOURCES, running_server


@pytest.fixture(params=SOURCES)
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with running_server(request.param) as started:
        yield started


def test_the_file_is_what_the_migrations_make(server: Postgres) -> None:
    assert schema.FILE.read_text() == schema.migrated(server), "make schema writes it anew"


CHANGES = {
    "a column": "ALTER TABLE members ADD other int",
    "a default": "ALTER TABLE members ALTER full_name SET DEFAULT 'x'",
    "a constraint": "ALTER TABLE payouts DROP CONSTRAINT payouts_amount_check",
    "an index": "DROP INDEX payouts_held",
    "a trigger": "DROP TRIGGER affiliate_earning_changed ON affiliate_earnings",
    "a function": "ALTER FUNCTION append_only SECURITY DEFINER",
    "a view": "CREATE VIEW other AS SELECT id FROM members",
    "a value of a type": "ALTER TYPE tier ADD VALUE 'other'",
    "a privilege on a table": "GRANT DELETE ON payouts TO blakjaks_work",
    "a privilege on a column": "GRANT UPDATE (amount) ON payouts TO blakjaks_work",
    "a privilege that is taken away": "REVOKE INSERT ON outbox FROM blakjaks_work",
    "a privilege of everybody": "GRANT EXECUTE ON FUNCTION validate_references TO PUBLIC",
    "a privilege on tables to come": "ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT ON TABLES TO blakjaks_work",
}
NOT_SHOWN = {
    "relation other": "CREATE SEQUENCE other",
    "relation others": "CREATE MATERIALIZED VIEW others AS SELECT 1 AS one",
    "schema other": "CREATE SCHEMA other",
    "policy other": "CREATE POLICY other ON members",
    "statistics other": "CREATE STATISTICS other ON status, role FROM members",
    "trigger vault_lot_changed, which is off": "ALTER TABLE vault_lots DISABLE TRIGGER vault_lot_changed",
}


@pytest.fixture
def undone(sql: Connection) -> Iterator[Connection]:
    """A connection whose changes are rolled back, so that the next test can have the same database."""
    sql.execute_simple("BEGIN")
    yield sql
    sql.execute_simple("ROLLBACK")


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES)
def test_a_change_of_the_schema_shows(undone: Connection, statement: str) -> None:
    before = schema.dump(undone)
    undone.execute_simple(statement)
    assert schema.dump(undone) != before


@pytest.mark.parametrize(("name", "statement"), NOT_SHOWN.items(), ids=NOT_SHOWN)
def test_what_it_cannot_write_is_refused(undone: Connection, name: str, statement: str) -> None:
    undone.execute_simple(statement)
    with pytest.raises(schema.NotShown, match=f"^{name}$"):
        schema.dump(undone)


def test_a_new_month_changes_nothing(undone: Connection) -> None:
    before = schema.dump(undone)
    undone.execute_simple("SELECT ensure_month_partitions('scans', '2031-01-01', 3)")
    assert schema.dump(undone) == before
