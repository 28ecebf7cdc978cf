"""The text that is published of a week of affiliates: the one whose SHA-256 is the week's digest.

Its first line is `week,first number,last number,pool,chips`, and each other one `mark,chips,share`, in the order of the
marks. Amounts are in micro-USDT.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from shared.db import Tx
from shared.values.money import Usdt

LINES_AT_ONCE = 20_000  # of 80 bytes or so


class Divided(Protocol):
    """A week whose pool was divided."""

    @property
    def week_on(self) -> date: ...
    @property
    def first_number(self) -> int: ...
    @property
    def last_number(self) -> int: ...
    @property
    def pool(self) -> Usdt: ...
    @property
    def chips(self) -> int | None: ...


@dataclass(frozen=True)
class PublishedWeek:
    """A week that people have approved; `digest` in hexadecimal digits."""

    week_on: date
    first_number: int
    last_number: int
    pool: Usdt
    chips: int
    digest: str


def find(tx: Tx, week_on: date) -> PublishedWeek | None:
    """The week that ended on a Sunday; None if there is none, or it is not approved, or had nothing to divide."""
    return tx.first(
        PublishedWeek,
        """
        SELECT week_on, first_number, last_number, pool, chips, encode(digest, 'hex') AS digest
        FROM affiliate_weeks WHERE week_on = :week_on AND approved_at IS NOT NULL AND outcome = 'shared'
        """,
        week_on=week_on,
    )


def header(week: Divided) -> str:
    """The first line of the text."""
    return f"{week.week_on},{week.first_number},{week.last_number},{week.pool.micro},{week.chips}\n"


def lines(tx: Tx, week_on: date, after: str, limit: int) -> str:
    """At most `limit` lines after the one of a mark ("" for the first ones), empty after the last."""
    return (
        tx.scalar_or_none(
            str,
            """
            SELECT string_agg(encode(mark, 'hex') || ',' || chips || ',' || share || chr(10), '' ORDER BY mark) AS text
            FROM (SELECT mark, chips, share FROM affiliate_week_shares
                  WHERE week_on = :week_on AND mark > decode(:after, 'hex') ORDER BY mark LIMIT :limit) piece
            """,
            week_on=week_on,
            after=after,
            limit=limit,
        )
        or ""
    )


def share_lines(tx: Tx, week: Divided) -> Iterator[str]:
    """All lines but the first, many in each piece."""
    after = ""
    while piece := lines(tx, week.week_on, after, LINES_AT_ONCE):
        yield piece
        after = first_of_last(piece)


def first_of_last(piece: str) -> str:
    """The first field of the last line."""
    return piece[piece.rfind("\n", 0, -1) + 1 :].split(",", 1)[0]
