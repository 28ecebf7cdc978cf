"""The 21 % match: what an affiliate earns by a comp of a member they referred. Once per comp, for life, no cap.

It shares the comp's fate: waits with it for review, is cancelled with it. Rounded down to the micro-USDT, which is
exact for every amount of at least four decimals. Affiliates who are suspended go on earning (whether they are paid
is decided when they are); a deleted account earns nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from shared import ledger, notifications
from shared.db import Tx
from shared.money import Usdt
from shared.notifications import Note
from shared.prizes import dollars

MATCH_PERCENT = 21
TREASURY = "affiliate"  # matches are paid from the affiliate pool
SOURCE = "match"  # of their payouts; the source's id is the earning's


@dataclass(frozen=True)
class Won:
    """What is matched. `value` is the comp's amount, or that of the trip that was chosen."""

    comp_id: UUID
    member_id: UUID
    value: Usdt
    in_review: bool


@dataclass(frozen=True)
class _Earning:
    id: UUID
    affiliate_id: UUID
    amount: Usdt


@dataclass(frozen=True)
class _Cancelled:
    id: UUID
    affiliate_id: UUID
    amount: Usdt
    was_told: bool


def earn(tx: Tx, won: Won, now: datetime) -> UUID | None:
    """Book the match of a comp; the affiliate is told unless it waits for review.

    None when nobody referred the member, or the comp was matched before: the first value stays. Locks no totals: a
    scan that holds the global count must not wait here for somebody who waits for the count.
    """
    made = _insert(tx, won, now)
    if made is None:
        return None
    ledger.move(tx, f"match:{made.id}", f"pool:{TREASURY}", f"owed:{TREASURY}", made.amount, now)
    if not won.in_review:
        _tell_earned(tx, made, now)
    return made.id


def release(tx: Tx, comp_id: UUID, now: datetime) -> None:
    """The comp has passed its review: so has its match. Harmless twice."""
    released = tx.first(
        _Earning,
        """
        UPDATE affiliate_earnings SET status = 'pending'
        WHERE comp_id = :comp_id AND status = 'in_review'
        RETURNING id, affiliate_id, amount
        """,
        comp_id=comp_id,
    )
    if released:
        _tell_earned(tx, released, now)


def cancel(tx: Tx, comp_id: UUID, now: datetime) -> None:
    """Take the match back with its comp. Harmless twice; Refused when a payout may still pay it."""
    cancelled = tx.first(
        _Cancelled,
        """
        UPDATE affiliate_earnings AS earning SET status = 'cancelled', cancelled_at = :now
        FROM affiliate_earnings AS before
        WHERE earning.comp_id = :comp_id AND earning.status IN ('in_review', 'pending') AND before.id = earning.id
        RETURNING earning.id, earning.affiliate_id, earning.amount, before.status = 'pending' AS was_told
        """,
        comp_id=comp_id,
        now=now,
    )
    if cancelled is None:
        return
    ref = f"match-cancelled:{cancelled.id}"
    ledger.move(tx, ref, f"owed:{TREASURY}", f"pool:{TREASURY}", cancelled.amount, now)
    if cancelled.was_told:
        title = f"A match of {dollars(cancelled.amount)} was cancelled"
        data = {"earning_id": str(cancelled.id)}
        note = Note(cancelled.affiliate_id, "comp", title, "The comp that it matched was cancelled.", data, ref)
        notifications.notify(tx, note, now)


def _insert(tx: Tx, won: Won, now: datetime) -> _Earning | None:
    amount = won.value.percent(MATCH_PERCENT)
    if not amount:
        return None
    return tx.first(
        _Earning,
        """
        INSERT INTO affiliate_earnings (id, affiliate_id, referred_id, kind, comp_id, value, amount, status, earned_at)
        SELECT :id, affiliate.id, referred.id, 'prize_match', :comp_id, :value, :amount, :status, :now
        FROM members referred JOIN members affiliate ON affiliate.id = referred.referred_by_id
        WHERE referred.id = :member_id AND affiliate.status <> 'deleted'
        ON CONFLICT (comp_id) DO NOTHING
        RETURNING id, affiliate_id, amount
        """,
        id=uuid4(),
        comp_id=won.comp_id,
        member_id=won.member_id,
        value=won.value,
        amount=amount,
        status="in_review" if won.in_review else "pending",
        now=now,
    )


def _tell_earned(tx: Tx, earned: _Earning, now: datetime) -> None:
    title = f"You earned {dollars(earned.amount)}!"
    body = f"A member you referred has won; this is your {MATCH_PERCENT} % match."
    data = {"earning_id": str(earned.id)}
    notifications.notify(tx, Note(earned.affiliate_id, "comp", title, body, data, f"match-earned:{earned.id}"), now)
