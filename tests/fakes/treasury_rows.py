"""Limits, holds and approvals of payouts, written without the admins' operations."""

from collections.abc import Sequence
from uuid import UUID

from pg8000.dbapi import Connection

from shared import clock, db, settings
from shared.payouts import machine
from tests.fakes.payout_rows import PayoutRows


def set_limits(sql: Connection, **limits: int) -> None:
    """Set limits of the member treasury, in USDT."""
    for name, usdt in limits.items():
        sql.execute_simple(
            f"UPDATE settings SET value = jsonb_set(value, '{{member,{name}}}', '{usdt}') WHERE name = 'payout_limits'"
        )
    settings.forget()


def held_for_review(rows: PayoutRows, approvals: int, **terms: object) -> UUID:
    """A payout that is HELD until so many people have approved it."""
    payout = rows.payout("REQUESTED", **terms)
    rows.run(
        """
        UPDATE payouts SET state = 'HELD', hold_reason = 'review', approvals_needed = :approvals, state_at = :now
        WHERE id = :payout
        """,
        payout=payout,
        approvals=approvals,
    )
    return payout


def approve(payout: UUID, people: Sequence[UUID]) -> None:
    """Have each person approve the payout."""
    for person in people:
        db.atomically(machine.approve, payout, person, {}, clock.now())


def release(payout: UUID, people: Sequence[UUID]) -> None:
    """Have each person approve the payout, then release it."""
    approve(payout, people)
    db.atomically(machine.release, payout, clock.now())
