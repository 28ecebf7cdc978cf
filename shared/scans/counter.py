"""The global scan count: a number that was given is never given again, even after a restore of the database.

The count's row names the database that it counts in. After a restore or a promotion that is another database, and no
number is given and no count shown until feed_project has compared it with what was published (docs/disaster.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.db import ConstraintViolated, Tx
from shared.values.problems import Problem

RULE = "count_compared"  # a rule of the schema
RETRY_AFTER = {"Retry-After": "30"}


class CountIsBeingCompared(Problem):
    """The database was restored, and the count is not compared yet; the client waits `Retry-After` seconds."""

    status, title, passing = 503, "The count of scans is being compared with what was published.", True


@dataclass(frozen=True)
class Count:
    """How many numbers were given; `compared` is False in a restored database whose count is not compared yet."""

    value: int
    compared: bool


@contextmanager
def compared(tx: Tx) -> Iterator[None]:
    """Check, for code that takes numbers inside the block, that the count is compared. Raises CountIsBeingCompared.

    The check is sent with the first statement inside the block, before that statement's locks.
    """
    tx.run_later("SELECT require_compared_count()")
    try:
        yield
    except ConstraintViolated as refusal:
        if refusal.constraint != RULE:
            raise
        raise CountIsBeingCompared(headers=RETRY_AFTER) from None


def read(tx: Tx) -> Count:
    """The count as it stands, compared or not."""
    return tx.one(Count, "SELECT value, lineage = database_lineage() AS compared FROM scan_counter")


def shown(tx: Tx) -> int:
    """The count for display. Raises CountIsBeingCompared."""
    found = read(tx)
    if not found.compared:
        raise CountIsBeingCompared(headers=RETRY_AFTER)
    return found.value
