"""Tables that are partitioned by month, and their months."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import LiteralString

from shared.db import Tx

# Only the schema's owner may drop a month; each of these functions acts with the owner's rights, on its own table.
DROPS: Mapping[str, LiteralString] = {
    "transparency_metrics": "SELECT drop_transparency_metrics(:before) AS count",
    "treasury_snapshots": "SELECT drop_treasury_snapshots(:before) AS count",
}


def partitioned(tx: Tx) -> list[str]:
    """Every partitioned table of the schema; a new table needs no registration."""
    return tx.column(
        str,
        """
        SELECT CAST(relname AS text) AS name FROM pg_partitioned_table JOIN pg_class ON pg_class.oid = partrelid
        WHERE relnamespace = CAST('public' AS regnamespace) ORDER BY relname
        """,
    )


def ensure_months(tx: Tx, table: str, first: date, months: int) -> int:
    """Create the missing months from that of `first` on; returns how many."""
    return tx.scalar(
        int,
        "SELECT ensure_month_partitions(:table, :first, :months) AS count",
        table=table,
        first=first,
        months=months,
    )


def stranded_months(tx: Tx, table: str) -> list[date]:
    """The months whose rows are in the default partition, earliest first."""
    return tx.column(date, "SELECT month FROM stranded_months(:table) AS month", table=table)


def validate_references(tx: Tx, table: str) -> int:
    """Validate the foreign keys that were put back unchecked after rows were moved; returns how many."""
    return tx.scalar(int, "SELECT validate_references(:table) AS count", table=table)


def drop_months(tx: Tx, table: str, before: datetime) -> int:
    """Drop the months of the table that ended before; returns how many."""
    return tx.scalar(int, DROPS[table], before=before)
