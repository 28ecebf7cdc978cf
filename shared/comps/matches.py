"""The match, 21 %: what an affiliate earns by a comp of a member they referred. Once per comp, for life, no cap.

A match shares its comp's fate: it waits with the comp for review and is cancelled with it. It also waits while people
look at whether the referral is genuine; a referral that they have confirmed as fraud earns nothing. A match is rounded
down to the micro-USDT, which is exact for every amount of at most four decimals. Suspended affiliates continue to earn
(whether they are paid is decided at the payout); a deleted account earns nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from shared.affiliates import earnings
from shared.comps import award_inputs
from shared.db import Tx
from shared.ledger import journals
from shared.messages import feed, notifications, texts
from shared.values.money import Usdt
from shared.values.states import EarningStatus


@dataclass(frozen=True)
class Won:
    """A comp to be matched. `value` is the comp's amount, or the value of the trip that was chosen.

    `percent` is what the scan's number promised; None for a comp that no scan won, which gets today's percentage.
    `is_news` is False for a comp that waits for a second person: the feed tells nothing of it, nor of its match.
    """

    comp_id: UUID
    member_id: UUID
    value: Usdt
    percent: int | None
    in_review: bool
    is_news: bool = True


@dataclass(frozen=True)
class _Earning:
    id: UUID
    affiliate_id: UUID
    amount: Usdt
    status: EarningStatus
    is_news: bool


def earn(tx: Tx, won: Won, now: datetime) -> UUID | None:
    """Post the match of a comp; the affiliate is told unless it waits for review. Returns the earning's id.

    None when nobody referred the member (a deleted account is nobody), the referral was confirmed as fraud, the match
    comes to nothing, or the comp was matched before: the first value stays. No totals are locked here: a scan that
    holds the global count must not wait for a transaction that waits for the count.
    """
    percent = won.percent if won.percent is not None else award_inputs.in_force(tx).match_percent
    made = _insert(tx, won, percent, now)
    if made is None:
        return None
    journals.move(tx, f"match:{made.id}", earnings.ACCOUNTS["prize_match"], earnings.OWED, made.amount, now=now)
    if made.status is not EarningStatus.IN_REVIEW:
        _tell_earned(tx, made, now)
    return made.id


def release(tx: Tx, comp_id: UUID, now: datetime) -> None:
    """End the review of a comp's match together with that of the comp; it goes on waiting for the review of the
    referral, if there is one. The feed tells nothing of a comp that needed a second person. Harmless twice.
    """
    released = tx.first(
        _Earning,
        """
        UPDATE affiliate_earnings e SET status = 'pending'
        WHERE e.comp_id = :comp_id AND e.status = 'in_review' AND NOT EXISTS (
            SELECT FROM referral_reviews r WHERE r.referred_id = e.referred_id AND r.status <> 'cleared')
        RETURNING e.id, e.affiliate_id, e.amount, e.status, NOT EXISTS (
            SELECT FROM manual_awards a WHERE a.comp_id = e.comp_id AND NOT a.alone) AS is_news
        """,
        comp_id=comp_id,
    )
    if released:
        _tell_earned(tx, released, now)


def cancel(tx: Tx, comp_id: UUID, now: datetime) -> None:
    """Take back the match of a comp (`earnings.take_back`), and tell the affiliate, if it was told. Harmless twice."""
    earning_id = tx.scalar_or_none(UUID, "SELECT id FROM affiliate_earnings WHERE comp_id = :comp_id", comp_id=comp_id)
    match = earnings.lock(tx, earning_id) if earning_id else None
    if match:
        earnings.take_back(tx, match, now)


def _insert(tx: Tx, won: Won, percent: int, now: datetime) -> _Earning | None:
    amount = won.value.percent(percent)
    if not amount:
        return None
    return tx.first(
        _Earning,
        """
        INSERT INTO affiliate_earnings (id, affiliate_id, referred_id, kind, comp_id, value, percent, amount, status,
                                        earned_at)
        SELECT :id, affiliate.id, referred.id, 'prize_match', :comp_id, :value, :percent, :amount,
               CASE WHEN r.status = 'open' THEN 'in_review' ELSE :status END, :now
        FROM members referred JOIN members affiliate ON affiliate.id = referred.referred_by_id
        LEFT JOIN referral_reviews r ON r.referred_id = referred.id AND r.status <> 'cleared'
        WHERE referred.id = :member_id AND affiliate.status <> 'deleted' AND r.status IS DISTINCT FROM 'confirmed'
        ON CONFLICT (comp_id) DO NOTHING
        RETURNING id, affiliate_id, amount, status, CAST(:is_news AS boolean) AS is_news
        """,
        id=uuid4(),
        comp_id=won.comp_id,
        member_id=won.member_id,
        value=won.value,
        percent=percent,
        amount=amount,
        status=EarningStatus.IN_REVIEW if won.in_review else EarningStatus.PENDING,
        is_news=won.is_news,
        now=now,
    )


def _tell_earned(tx: Tx, earned: _Earning, now: datetime) -> None:
    data = {"earning_id": str(earned.id)}
    key = f"match-earned:{earned.id}"
    note = notifications.note(earned.affiliate_id, "match_earned", data, key, amount=earned.amount)
    notifications.notify(tx, note, now)
    if earned.is_news:
        said = texts.say("affiliate_matched", amount=earned.amount)
        feed.publish(tx, "match_earned", said, earned.amount, key, now=now)
