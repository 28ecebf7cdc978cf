"""A snapshot of all tables: a test takes one before and one after, and compares them."""

from functools import cache

from pg8000.dbapi import Connection

# A refused request is counted, and its answer is kept under its Idempotency-Key: nothing else may change.
WRITTEN_BY_REFUSALS = ("idempotency_keys", "attempt_counters")
# Every run of a schedule writes when it has ended, and what it knows of services, whatever it found to do.
WRITTEN_BY_SCHEDULES = frozenset({"integration_states", "job_runs"})


@cache
def _digest_query(tables: tuple[str, ...]) -> str:
    return " UNION ALL ".join(
        f"SELECT '{table}', md5(coalesce(string_agg(row_::text, E'\\n' ORDER BY row_::text), '')) FROM {table} AS row_"
        for table in tables
    )


def rows_of_all_tables(sql: Connection, *, without: tuple[str, ...] = ()) -> dict[str, str]:
    """Return a digest of the rows of each table, except those in `without` and what every schedule writes.

    Two equal results mean that no row was added, changed or deleted between them.
    """
    names = sql.execute_simple(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
        "AND relnamespace = 'public'::regnamespace ORDER BY relname"
    ).rows
    tables = tuple(name for (name,) in names if name not in without and name not in WRITTEN_BY_SCHEDULES)
    return dict(sql.execute_simple(_digest_query(tables)).rows)
