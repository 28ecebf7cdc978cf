"""Weeks and shares as rows."""

from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import UUID

from shared.db import Tx
from shared.values.money import Usdt

Outcome = Literal["shared", "no_pool", "no_chips"]


@dataclass(frozen=True)
class Week:
    """A week; `is_completed` also if it had nothing to share."""

    week_on: date
    is_approved: bool
    is_completed: bool
    outcome: Outcome | None
    first_number: int
    last_number: int
    pool: Usdt
    chips: int | None
    affiliates: int | None
    digest: str | None


@dataclass(frozen=True)
class Line:
    """The share of an affiliate."""

    mark: str
    scan_chips: int
    brought: int
    put_away: int
    chips: int
    overflow: int
    share: Usdt


def find(tx: Tx, week_on: date) -> Week | None:
    """The week that ended on a Sunday; None if there is none."""
    return tx.first(
        Week,
        """
        SELECT week_on, approved_at IS NOT NULL AS is_approved, state = 'completed' AS is_completed, outcome,
               first_number, last_number, pool, chips, affiliates, encode(digest, 'hex') AS digest
        FROM affiliate_weeks WHERE week_on = :week_on
        """,
        week_on=week_on,
    )


def line(tx: Tx, affiliate_id: UUID, week_on: date) -> Line | None:
    """The affiliate's share of the week; None without one."""
    return tx.first(
        Line,
        """
        SELECT encode(mark, 'hex') AS mark, scan_chips, brought, put_away, chips, overflow, share
        FROM affiliate_week_shares WHERE week_on = :week_on AND affiliate_id = :affiliate_id
        """,
        week_on=week_on,
        affiliate_id=affiliate_id,
    )
