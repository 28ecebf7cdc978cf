"""Every test's database is as the template is, whatever the test before has done to its own."""

from collections.abc import Iterator

import pytest
from pg8000.dbapi import Connection

from emulators import cloud
from tests.databases import SEQUENCES, Databases
from tests.platform import TEMPLATE, Platform
from tests.rows import rows_of_all_tables

ONE_MORE = "INSERT INTO job_faults (job, delivery_id, body, reason, happened_at) VALUES ('x', 'y', '', '', now())"
MANY_MORE = (
    "INSERT INTO job_faults (job, delivery_id, body, reason, happened_at) "
    "SELECT 'x', i::text, repeat('x', 1000), '', now() FROM generate_series(1, 10000) i"
)
ROWS = {
    "nothing": "SELECT 1",
    "rows, and a number of a sequence": ONE_MORE,
    "rows that the template has": "DELETE FROM settings WHERE name = 'payout_limits'; DELETE FROM treasury_alerts",
    "what triggers forbid": "SET session_replication_role = replica; DELETE FROM ledger_accounts",
}
MORE = {
    "a table": "CREATE TABLE other (id int)",
    "a column": "ALTER TABLE members ADD other int",
    "a default": "ALTER TABLE members ALTER full_name SET DEFAULT 'x'",
    "a privilege": "REVOKE SELECT ON members FROM blakjaks_app",
    "a trigger": "ALTER TABLE payouts DISABLE TRIGGER ALL",
    "a function": "CREATE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a schema": "CREATE SCHEMA backup",
    "what planners know": "ANALYZE settings",
    "a setting": "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 64', current_database()); END $$",
    "its size": MANY_MORE,
}


@pytest.fixture
def databases(platform: Platform) -> Iterator[Databases]:
    made = Databases(platform.postgres, TEMPLATE)
    yield made
    made.close()


def state(sql: Connection) -> object:
    return rows_of_all_tables(sql), sql.execute_simple(SEQUENCES).rows


def changed(databases: Databases, platform: Platform, what: str) -> tuple[str, object]:
    """A database to which the one that changed it is still connected."""
    name = databases.take()
    with cloud.superuser(platform.postgres, name) as sql:
        before = state(sql)
        sql.execute_simple(what)
        databases.give_back(name)
    return name, before


@pytest.mark.parametrize("what", ROWS)
def test_one_of_which_only_rows_have_changed_is_as_before(what: str, databases: Databases, platform: Platform) -> None:
    name, before = changed(databases, platform, ROWS[what])

    again = databases.take()
    assert again == name
    with cloud.superuser(platform.postgres, again) as sql:
        assert state(sql) == before
    databases.give_back(again)


def test_one_of_which_more_has_changed_is_dropped(databases: Databases, platform: Platform) -> None:
    for what, change in MORE.items():
        name, _ = changed(databases, platform, change)
        with cloud.superuser(platform.postgres) as sql:
            left = sql.execute_unnamed("SELECT FROM pg_database WHERE datname = $1", (name,)).row_count
        assert left == 0, what
