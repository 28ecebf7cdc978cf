"""Finds referrals in which both members seem to be one person, or a ring, and does what people have decided about them.

A member is looked at once for each new device, wallet and referral, from a queue. What is taken from the queue and what
is found is committed together: any number of runs, concurrent, late or killed, find each pair once.
"""

from collections.abc import Collection
from datetime import datetime
from functools import partial
from uuid import UUID

from functions.referral_refresh import match_store, review_store, rules
from functions.referral_refresh.review_store import Pair
from functions.referral_refresh.rules import ReferralSignal, SignalKind
from shared import db, log
from shared.affiliates import earnings
from shared.comps import matches
from shared.db import Tx
from shared.sweep import Sweep
from shared.values import mailboxes
from shared.values.states import ReferralReviewStatus

CHECKED_AT_ONCE = 50  # members in one transaction
CHECKS_MAX = 400  # transactions of one run
MATCHES_MAX = 500  # of each kind in one run


def look(now: datetime) -> None:
    """Look at the members in the queue, and have people look at what is found."""
    found = 0
    for _ in range(CHECKS_MAX):
        opened = db.atomically(_look_at_some, now)
        if opened is None:
            break
        found += opened
    if found:
        log.warning("referrals wait for people", number=db.atomically(review_store.waiting), found=found)


def settle_matches(now: datetime) -> None:
    """Hold matches whose referral people look at; release or cancel those whose referral they have decided about.

    One that a scan has made beside a decision is found by the next run.
    """
    with Sweep() as parts:
        parts.part(lambda: db.atomically(match_store.hold, MATCHES_MAX), "matches of referrals in review")
        for comp_id in db.atomically(match_store.cleared, MATCHES_MAX):
            parts.part(partial(_release, comp_id, now), f"the match of comp {comp_id}")
        for earning_id in db.atomically(match_store.refused, MATCHES_MAX):
            parts.part(partial(_refuse, earning_id, now), f"match {earning_id}")


def _release(comp_id: UUID, now: datetime) -> None:
    db.atomically(matches.release, comp_id, now)


def _refuse(earning_id: UUID, now: datetime) -> None:
    db.atomically(_cancel, earning_id, now)


def _look_at_some(tx: Tx, now: datetime) -> int | None:
    """Look at members from the queue; returns how many reviews were opened, or None if the queue is empty."""
    members = review_store.take_checks(tx, CHECKED_AT_ONCE)
    if not members:
        return None
    found: dict[UUID, set[ReferralSignal]] = {member_id: set() for member_id in members}
    for member_id in members:
        for referred_id, signals in rules.signals(review_store.links(tx, member_id)).items():
            found.setdefault(referred_id, set()).update(signals)
    review_store.lock_referrals(tx, found)
    return sum(_judge(tx, pair, found[pair.referred_id], now) for pair in review_store.pairs(tx, found))


def _judge(tx: Tx, pair: Pair, links: Collection[ReferralSignal], now: datetime) -> bool:
    """Open a review of a referral if there are new signals enough, or add them to one that is open; True if one was
    opened. What people have confirmed stays as it is.
    """
    found = {*links, *_of_pair(pair)}
    reviews = review_store.reviews(tx, pair.referred_id)
    new = found - {signal for review in reviews for signal in review.found()}
    withholding = next((review for review in reviews if review.status is not ReferralReviewStatus.CLEARED), None)
    if withholding is None and rules.score(new) >= rules.REVIEW_AT:
        review_store.open_review(tx, pair, new, now)
        return True
    if withholding is not None and new:
        review_store.add_signals(tx, withholding.id, {*withholding.found(), *new})
    return False


def _of_pair(pair: Pair) -> set[ReferralSignal]:
    """The signals of what the two members of a referral have in common beside devices and wallets."""
    same_mailbox = mailboxes.plain(pair.email) == mailboxes.plain(pair.affiliate_email)
    kinds = {
        SignalKind.ADDRESS: same_mailbox,
        SignalKind.NETWORK: pair.same_network,
        SignalKind.DOORSTEP: pair.same_doorstep,
    }
    return {ReferralSignal(kind, pair.affiliate_id) for kind, is_same in kinds.items() if is_same}


def _cancel(tx: Tx, earning_id: UUID, now: datetime) -> None:
    """Cancel a match, unless a payout took it up meanwhile."""
    found = earnings.lock(tx, earning_id)
    if found is not None and not found.in_payout:
        earnings.take_back(tx, found, now)
