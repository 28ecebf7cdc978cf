"""Migrations go forward: once each, all or nothing of a file, and what takes something away comes last."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pg8000.dbapi import Connection

from emulators import cloud
from shared.database import migrate
from tests.platform import Platform

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
PETS = {
    "0001_pets.sql": "CREATE TABLE pets (name text NOT NULL, kind text)",
    "0002_species.sql": "ALTER TABLE pets ADD COLUMN species text",
    "0003_contract_kind.sql": "ALTER TABLE pets DROP COLUMN kind",
}
_numbers = itertools.count(1)

Write = Callable[..., list[migrate.Migration]]


@pytest.fixture
def empty(platform: Platform) -> Iterator[Connection]:
    name = f"migrations_{next(_numbers)}"
    platform.postgres.create_database(name)
    with cloud.superuser(platform.postgres, name) as connection:
        yield connection  # the database goes with its server: dropping it would wait for the disk


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Makes files of these names and contents, and loads what is there."""

    def made(**files: str) -> list[migrate.Migration]:
        for name, sql in {**PETS, **files}.items():
            (tmp_path / name).write_text(sql)
        return migrate.load(tmp_path)

    return made


def columns(connection: Connection) -> set[str]:
    rows = connection.execute_simple(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'pets'"
    ).rows
    return {name for (name,) in rows}


def run(connection: Connection, migrations: list[migrate.Migration], *, contract: bool = False) -> list[str]:
    return migrate.apply(connection, migrations, NOW, contract=contract)


def test_an_empty_database_gets_everything(empty: Connection, write: Write) -> None:
    assert run(empty, write()) == list(PETS)
    assert columns(empty) == {"name", "species"}


def test_a_second_run_applies_nothing(empty: Connection, write: Write) -> None:
    run(empty, write())
    assert run(empty, write()) == []


def test_a_release_expands_first_and_contracts_when_its_functions_are_there(empty: Connection, write: Write) -> None:
    run(empty, write()[:1])
    assert run(empty, write()) == ["0002_species.sql"]
    assert columns(empty) == {"name", "kind", "species"}
    assert run(empty, write(), contract=True) == ["0003_contract_kind.sql"]
    assert columns(empty) == {"name", "species"}


def test_nothing_expands_behind_what_takes_away(empty: Connection, write: Write) -> None:
    run(empty, write()[:1])
    later = write(**{"0004_owner.sql": "ALTER TABLE pets ADD COLUMN owner text"})
    with pytest.raises(migrate.ContractPending, match=r"0004_owner.sql comes after 0003_contract_kind.sql"):
        run(empty, later)
    assert columns(empty) == {"name", "kind"}


def test_an_edited_migration_is_refused_before_anything_changes(empty: Connection, write: Write) -> None:
    run(empty, write()[:1])
    edited = write(**{"0001_pets.sql": "CREATE TABLE pets (name text)"})
    with pytest.raises(migrate.MigrationEdited, match=r"0001_pets.sql was edited after it was applied: write a new"):
        run(empty, edited)
    assert columns(empty) == {"name", "kind"}


def test_a_migration_that_is_gone_is_refused(empty: Connection, write: Write) -> None:
    run(empty, write())
    with pytest.raises(migrate.MigrationMissing, match="migration 0003 was applied and is gone"):
        run(empty, write()[:2])


def test_a_file_that_fails_leaves_nothing_of_itself_and_everything_before_it(empty: Connection, write: Write) -> None:
    broken = write(**{"0002_species.sql": "ALTER TABLE pets ADD COLUMN species text; SELECT 1 / 0"})
    with pytest.raises(Exception, match="division by zero"):
        run(empty, broken)
    assert columns(empty) == {"name", "kind"}
    assert run(empty, write()) == ["0002_species.sql"]


def test_matches_that_were_taken_from_the_affiliate_pool_are_given_back_to_it(empty: Connection) -> None:
    every = migrate.load()
    (moved,) = [it.version for it in every if it.name.endswith("_match_account.sql")]
    run(empty, every[: moved - 1])
    for ref, amount in (("match:a", 21), ("match:b", 42), ("match-cancelled:b", -42), ("other", 5)):
        empty.execute_unnamed(
            """
            WITH journal AS (INSERT INTO ledger_journals (ref, posted_at) VALUES ($1, now()) RETURNING id)
            INSERT INTO ledger_postings (journal_id, account, amount)
            SELECT id, account, amount FROM journal,
                (VALUES ('owed:affiliate', $2::bigint), ('pool:affiliate', -$2::bigint)) AS line (account, amount)
            """,
            (ref, amount),
        )
    run(empty, every[:moved])
    balances = empty.execute_simple("SELECT account, sum(balance)::integer FROM ledger_balances GROUP BY account").rows
    assert dict(map(tuple, balances)) == {"owed:affiliate": 26, "pool:affiliate": -5, "match:affiliate": -21}
