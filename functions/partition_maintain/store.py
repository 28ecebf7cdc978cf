"""Tables that are partitioned by month or week, and their partitions."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import LiteralString

from shared.db import Tx

# A partition of these is a week, of the others a month.
WEEKLY = frozenset({"social_messages", "social_reactions", "social_reaction_counts"})
# Only the schema's owner may drop a partition; each of these functions acts with the owner's rights, on its own table.
DROPS: Mapping[str, LiteralString] = {
    "social_messages": "SELECT drop_social_messages(:before) AS count",
    "social_reaction_counts": "SELECT drop_social_reaction_counts(:before) AS count",
    "social_reactions": "SELECT drop_social_reactions(:before) AS count",
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


def ensure_weeks(tx: Tx, table: str, first: date, weeks: int) -> int:
    """Create the missing weeks from that of `first` on; returns how many."""
    return tx.scalar(
        int, "SELECT ensure_week_partitions(:table, :first, :weeks) AS count", table=table, first=first, weeks=weeks
    )


def stranded_weeks(tx: Tx, table: str) -> list[date]:
    """The weeks whose rows are in the default partition, earliest first."""
    return tx.column(date, "SELECT week FROM stranded_weeks(:table) AS week", table=table)


def hide_messages(tx: Tx, before: datetime) -> int:
    """Show no message of the chat any more that is older; returns in how many channels there were such messages. Their
    rows stay until their week is dropped, in another transaction: whoever posts locks heads first, then the table.
    """
    return tx.scalar(int, "SELECT hide_social_messages(:before) AS count", before=before)


def stranded_months(tx: Tx, table: str) -> list[date]:
    """The months whose rows are in the default partition, earliest first."""
    return tx.column(date, "SELECT month FROM stranded_months(:table) AS month", table=table)


def validate_references(tx: Tx, table: str) -> int:
    """Validate the foreign keys that were put back unchecked after rows were moved; returns how many."""
    return tx.scalar(int, "SELECT validate_references(:table) AS count", table=table)


def drop_months(tx: Tx, table: str, before: datetime) -> int:
    """Drop the months or weeks of the table that ended before; returns how many."""
    return tx.scalar(int, DROPS[table], before=before)
