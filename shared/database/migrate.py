"""Applies migrations: numbered SQL files, forward only, each in its own transaction, by one runner at a time.

A file named `NNNN_contract_*.sql` removes what functions of the previous release may still use. A deployment applies
the files before it, replaces the functions, and applies the rest.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path

from pg8000.dbapi import Connection

FOLDER = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 7_500_125_000  # any constant: all runners must use the same one
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "10min"
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class MigrationEdited(Exception):
    """Raised when a file differs from what was applied under its number: write a new migration instead."""


class MigrationMissing(Exception):
    """Raised unless numbers run from 0001 without a gap or a double, and every applied file still exists."""


class ContractPending(Exception):
    """Raised when an expanding migration follows a contracting one not applied yet: the latter ends a release."""


@dataclass(frozen=True)
class Migration:
    """The content of a migration file."""

    version: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def contracts(self) -> bool:
        """True if the migration removes something that the previous release uses."""
        return "_contract_" in self.name


def load(folder: Path = FOLDER) -> list[Migration]:
    """All migrations in order. Raises MigrationMissing for a gap, a double or a stray file."""
    paths = sorted(folder.glob("*.sql"))
    found = [
        Migration(int(match.group(1)), path.name, path.read_text(encoding="utf-8"))
        for path in paths
        if (match := _NAME.fullmatch(path.name))
    ]
    if len(found) != len(paths) or [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationMissing(f"migration numbers in {folder.name}/ are not 0001, 0002, 0003 …")
    return found


def expanding(new: Sequence[Migration]) -> list[Migration]:
    """The migrations before the first contracting one. Raises ContractPending when an expanding one follows it."""
    before = list(takewhile(lambda migration: not migration.contracts, new))
    late = next((migration for migration in new[len(before) :] if not migration.contracts), None)
    if late:
        first = new[len(before)].name
        raise ContractPending(f"{late.name} comes after {first}, which is not applied yet: deploy that one first")
    return before


def apply(connection: Connection, migrations: Iterable[Migration], now: datetime, *, contract: bool) -> list[str]:
    """Apply the new migrations and return their names; a crash between two files loses nothing. Two runners are safe.

    Without `contract`, stops before the first contracting one, except in an empty database, which gets all of them.
    Raises MigrationEdited, MigrationMissing or ContractPending before anything is changed.
    """
    connection.execute_simple(f"SELECT pg_advisory_lock({ADVISORY_LOCK})")
    try:
        return _apply_new(connection, list(migrations), now, contract=contract)
    finally:
        connection.execute_simple(f"SELECT pg_advisory_unlock({ADVISORY_LOCK})")


def _apply_new(connection: Connection, migrations: list[Migration], now: datetime, *, contract: bool) -> list[str]:
    connection.execute_simple(
        f"SET lock_timeout = '{LOCK_TIMEOUT}'; SET statement_timeout = '{STATEMENT_TIMEOUT}'; SET timezone = 'UTC'"
    )
    connection.execute_simple(
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        "version integer PRIMARY KEY, name text NOT NULL, digest text NOT NULL, applied_at timestamptz NOT NULL)"
    )
    rows = connection.execute_simple("SELECT version, digest FROM schema_migrations ORDER BY version").rows or []
    applied = {int(version): str(digest) for version, digest in rows}
    _check(migrations, applied)
    new = [migration for migration in migrations if migration.version not in applied]
    if applied and not contract:
        new = expanding(new)
    for migration in new:
        _apply_one(connection, migration, now)
    return [migration.name for migration in new]


def _check(migrations: list[Migration], applied: dict[int, str]) -> None:
    known = {migration.version: migration for migration in migrations}
    for version, digest in applied.items():
        if version not in known:
            raise MigrationMissing(f"migration {version:04d} was applied and is gone")
        if known[version].digest != digest:
            raise MigrationEdited(f"{known[version].name} was edited after it was applied: write a new migration")


def _apply_one(connection: Connection, migration: Migration, now: datetime) -> None:
    connection.execute_simple("BEGIN")
    try:
        connection.execute_simple(migration.sql)
        connection.execute_unnamed(
            "INSERT INTO schema_migrations (version, name, digest, applied_at) VALUES ($1, $2, $3, $4)",
            (migration.version, migration.name, migration.digest, now),
        )
        connection.execute_simple("COMMIT")
    except BaseException:
        connection.execute_simple("ROLLBACK")
        raise
