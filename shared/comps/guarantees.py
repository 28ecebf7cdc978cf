"""Ten comps of $5, the first at e-mail verification, then one a month (docs/product.md, "New member guarantee").

Months are counted from the day of verification (UTC). Missed comps are given later, but only within the first year.
Suspended members wait and are caught up if they come back in time; deleted accounts get nothing more. Each person gets
the guarantee once: `guarantee_claims` withholds the second one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from shared.comps import awards, guarantee_claims
from shared.comps.awards import Award
from shared.comps.guarantee_claims import Mark
from shared.credentials import fingerprints
from shared.credentials.fingerprints import FingerprintKind
from shared.db import Tx
from shared.values import months
from shared.values.money import Usdt
from shared.values.prizes import CompType
from shared.values.states import MemberStatus

YEAR_MONTHS = 12


@dataclass(frozen=True)
class Step:
    """The numbers (from 1) of the comps to give a member now, and the next day to check."""

    numbers: Sequence[int]
    next_on: date | None


@dataclass(frozen=True)
class _GuaranteeTerms:
    amount: Usdt
    comps: int


@dataclass(frozen=True)
class _Promised:
    verified_on: date
    given: int
    status: str
    email: str
    wallet_address: str | None

    @property
    def marks(self) -> list[Mark]:
        """The marks (mailbox, wallet) that are in the member's row and tell members apart."""
        wallet = (
            [Mark(FingerprintKind.WALLET, fingerprints.of_wallet(self.wallet_address))] if self.wallet_address else []
        )
        return [Mark(FingerprintKind.ADDRESS, fingerprints.of_mailbox(self.email)), *wallet]


def step(verified_on: date, given: int, comps_max: int, status: str, today: date) -> Step:
    """The comps that are due and not given; `next_on` is None when the guarantee is over."""
    if status == MemberStatus.DELETED or today >= months.after(verified_on, YEAR_MONTHS):
        return Step((), None)
    promised = min(comps_max, YEAR_MONTHS)
    due = (
        sum(months.after(verified_on, month) <= today for month in range(promised))
        if status == MemberStatus.ACTIVE
        else given
    )
    reached = max(given, due)
    next_on = months.after(verified_on, reached) if reached < promised else None
    return Step(range(given + 1, due + 1), next_on)


def begin(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Start the guarantee of a member who has verified the e-mail address, and give the comps that are due by now.

    None are given while the rule is disabled or the guarantee is withheld. An unverified member is left alone. A second
    call changes nothing.
    """
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


def resume(tx: Tx, member_id: UUID, now: datetime) -> int:
    """Resume a withheld guarantee that a person has granted: the missed comps are given. Returns how many."""
    tx.run(
        "UPDATE guarantees SET next_on = :today WHERE member_id = :member_id",
        today=now.astimezone(UTC).date(),
        member_id=member_id,
    )
    return grant(tx, member_id, now)


def grant(tx: Tx, member_id: UUID, now: datetime) -> int:
    """Give a member the comps that are due; returns how many.

    Gives nothing before `next_on`, while the rule is disabled, while another transaction is giving them, and while the
    guarantee is withheld; a member who seems to have had one before is withheld here.
    """
    today = now.astimezone(UTC).date()
    promised = _locked(tx, member_id, today)
    if promised is None:
        return 0
    terms = _terms(tx)
    if terms is None:
        return 0
    todo = step(promised.verified_on, promised.given, terms.comps, promised.status, today)
    if todo.numbers and guarantee_claims.observe(tx, member_id, promised.marks, now):
        return 0
    for number in todo.numbers:
        _award(tx, member_id, number, terms.amount, promised.verified_on, now=now)
    _advance(tx, member_id, promised.given + len(todo.numbers), todo.next_on)
    return len(todo.numbers)


def _terms(tx: Tx) -> _GuaranteeTerms | None:
    """The rule's terms today; None while the rule is disabled: comps missed then are given later."""
    return tx.first(
        _GuaranteeTerms,
        """
        SELECT amount, awards_per_member AS comps FROM comp_rules WHERE type = 'new_member_guarantee' AND enabled
        """,
    )


def _locked(tx: Tx, member_id: UUID, today: date) -> _Promised | None:
    return tx.first(
        _Promised,
        """
        SELECT g.verified_on, g.given, m.status, m.email, m.wallet_address
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
    awards.award(tx, given, now)


def _advance(tx: Tx, member_id: UUID, given: int, next_on: date | None) -> None:
    tx.run(
        "UPDATE guarantees SET given = :given, next_on = :next_on WHERE member_id = :member_id",
        given=given,
        next_on=next_on,
        member_id=member_id,
    )
