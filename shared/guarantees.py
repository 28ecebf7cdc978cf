"""The new member guarantee: ten comps of $5, the first at e-mail verification, then one a month (rulings section 3).

Months are counted from the day of verification (UTC). What was missed is caught up, within the first year only: what
is not given when it ends is not given any more. Suspended members wait, and are caught up when they come back in
time; deleted accounts get nothing more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from shared import comps, months
from shared.comps import Award
from shared.db import Tx
from shared.money import Usdt
from shared.prizes import CompType

YEAR_MONTHS = 12


@dataclass(frozen=True)
class Step:
    """What is to be done for a member now: the numbers of the comps to give (from 1), and the next day to look."""

    numbers: Sequence[int]
    next_on: date | None


@dataclass(frozen=True)
class _Terms:
    amount: Usdt
    comps: int


@dataclass(frozen=True)
class _Promised:
    verified_on: date
    given: int
    status: str


def step(verified_on: date, given: int, comps_max: int, status: str, today: date) -> Step:
    """The comps that are due and not given; no next day when it is over."""
    if status == "deleted" or today >= months.after(verified_on, YEAR_MONTHS):
        return Step((), None)
    promised = min(comps_max, YEAR_MONTHS)
    due = sum(months.after(verified_on, month) <= today for month in range(promised)) if status == "active" else given
    reached = max(given, due)
    next_on = months.after(verified_on, reached) if reached < promised else None
    return Step(range(given + 1, due + 1), next_on)


def begin(tx: Tx, member_id: UUID, now: datetime) -> None:
    """The member has verified the e-mail address: the first comp is due. Harmless twice."""
    tx.run(
        """
        INSERT INTO guarantees (member_id, verified_on, next_on)
        SELECT id, CAST(email_verified_at AT TIME ZONE 'UTC' AS date),
               CAST(email_verified_at AT TIME ZONE 'UTC' AS date)
        FROM members WHERE id = :member_id AND email_verified_at IS NOT NULL
        ON CONFLICT (member_id) DO NOTHING
        """,
        member_id=member_id,
    )
    grant(tx, member_id, now)


def grant(tx: Tx, member_id: UUID, now: datetime) -> int:
    """Give a member the comps that are due; how many that were. Nothing while somebody else is at it."""
    today = now.astimezone(UTC).date()
    promised = _locked(tx, member_id, today)
    if promised is None:
        return 0
    terms = _terms(tx)
    if terms is None:
        return 0
    todo = step(promised.verified_on, promised.given, terms.comps, promised.status, today)
    for number in todo.numbers:
        _award(tx, member_id, number, terms.amount, promised.verified_on, now)
    _advance(tx, member_id, promised.given + len(todo.numbers), todo.next_on)
    return len(todo.numbers)


def _terms(tx: Tx) -> _Terms | None:
    """The rule as it is today; None while it is disabled: what is missed then is caught up."""
    return tx.first(
        _Terms,
        """
        SELECT amount, awards_per_member AS comps FROM comp_rules WHERE type = 'new_member_guarantee' AND enabled
        """,
    )


def _locked(tx: Tx, member_id: UUID, today: date) -> _Promised | None:
    return tx.first(
        _Promised,
        """
        SELECT g.verified_on, g.given, m.status
        FROM guarantees g JOIN members m ON m.id = g.member_id
        WHERE g.member_id = :member_id AND g.next_on <= :today
        FOR UPDATE OF g SKIP LOCKED
        """,
        member_id=member_id,
        today=today,
    )


def _award(tx: Tx, member_id: UUID, number: int, amount: Usdt, verified_on: date, now: datetime) -> None:
    given = Award(
        member_id=member_id,
        type=CompType.NEW_MEMBER_GUARANTEE,
        amount=amount,
        source_kind="guarantee",
        source_id=f"{member_id}:{number}",
        reason={
            "number": number,
            "verified_on": str(verified_on),
            "due_on": str(months.after(verified_on, number - 1)),
        },
    )
    comps.award(tx, given, now)


def _advance(tx: Tx, member_id: UUID, given: int, next_on: date | None) -> None:
    tx.run(
        "UPDATE guarantees SET given = :given, next_on = :next_on WHERE member_id = :member_id",
        given=given,
        next_on=next_on,
        member_id=member_id,
    )
