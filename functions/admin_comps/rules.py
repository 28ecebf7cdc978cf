"""Decides which changes of a comp's rule are valid, who may get a comp, and which prizes a winner missed. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from shared.values.money import Usdt
from shared.values.prizes import CRYPTO, CompType
from shared.values.problems import NotAllowed, Problem
from shared.values.states import MemberStatus
from shared.values.tiers import Tier

AMOUNT_MIN = Usdt.of("0.01")
AMOUNT_MAX = Usdt.of(10_000)  # the policy pays up to this without two more approvals
COST_PER_SCAN_MAX = Usdt.of(1)  # a prize's amount over its interval: a tin sells for $4.99
INTERVAL_MIN, INTERVAL_MAX = 100, 1_000_000_000
VOLUME_MAX = 1_000_000_000
AWARDS_PER_MEMBER_MAX = 12

Faults = list[dict[str, str]]


class RuleChanged(Problem):
    """The revision is not the latest; `revision` tells which one is."""

    status, title = 409, "Somebody has changed this rule meanwhile; read it again."


class MemberUnknown(Problem):
    """There is no member with this id."""

    status, title = 422, "There is no such member."


class MemberNotActive(Problem):
    """The member is suspended or deleted, and gets nothing by hand."""

    status, title = 409, "This member's account is not active."


class CompNotInReview(Problem):
    """The comp does not wait for approval: it was approved or cancelled, or never needed it; `comp_status` tells."""

    status, title = 409, "This comp does not wait for approval."


class CompNotByHand(Problem):
    """The comp was won by a scan under review; the decision about the scan decides about its comps."""

    status, title = 409, "Decide about the scan that won this comp."


class CompWithoutAwarder(Problem):
    """The admin who awarded the comp has lost the role or is suspended, so that the first of two people is missing."""

    status, title = 409, "Who awarded this may not award any more. Cancel it and award it anew."


class CompOfOwnAward(NotAllowed):
    """The second person must not be the admin who awarded the comp."""

    title = "Somebody else must approve this: you have awarded it."


class CompNotRequested(Problem):
    """The comp has no payout: its winner has no wallet, or it is in review, or it has ended."""

    status, title = 409, "Nothing is being paid for this comp."


class RetryNotAllowed(Problem):
    """People have to approve first, or to find out who was paid; `state` and `hold_reason` tell which."""

    status, title = 409, "This payment cannot simply be tried again."


@dataclass(frozen=True)
class Terms:
    """The terms of a prize's rule."""

    interval: int | None
    tier: Tier
    amount: Usdt
    unlock_volume: int
    awards_per_member: int | None
    enabled: bool
    unlocked_by_admin: bool

    def recorded(self) -> dict[str, object]:
        """The terms as JSON, with amounts as text."""
        return asdict(self) | {"tier": self.tier.value, "amount": str(self.amount)}


@dataclass(frozen=True)
class Winner:
    """The member who is to get a comp."""

    id: UUID
    status: str


@dataclass(frozen=True)
class AwardsToday:
    """The sum that an admin has awarded alone on this UTC day, and the limits of a day and of one award."""

    amount: Usdt
    single_amount_max: Usdt
    day_amount_max: Usdt


@dataclass(frozen=True)
class Milestone:
    """The decision about one prize for a scan's number."""

    type: CompType
    awarded: bool
    reason: str
    code: str | None = None
    params: dict[str, Any] = field(default_factory=dict)


def prize(name: str) -> CompType | None:
    """The prize of that name; None if there is none."""
    return CompType(name) if name in set(CompType) else None


def faults(kind: CompType, terms: Terms, others: Mapping[CompType, Terms]) -> Faults:
    """Every field that is invalid for the prize, or beside the other prizes; empty if all are valid."""
    return [{"field": f"/{name}", "message": message} for name, message in _faults(kind, terms, others)]


def award_faults(kind: CompType, amount: Usdt | None) -> Faults:
    """The faults of a manual award without an amount, or of a prize with one; empty if there are none."""
    if kind is CompType.MANUAL and amount is None:
        return [{"field": "/amount", "message": "is required for a manual award"}]
    if kind is not CompType.MANUAL and amount is not None:
        return [{"field": "/amount", "message": "is the rule's for this type; leave it out"}]
    return []


def check_winner(winner: Winner) -> None:
    """Raises MemberNotActive if the winner is suspended or deleted."""
    if winner.status != MemberStatus.ACTIVE:
        raise MemberNotActive


def may_award_alone(kind: CompType, value: Usdt, spent: AwardsToday, *, proved: bool) -> bool:
    """Whether one admin suffices: with a fresh code and within both limits, but never for a trip, whose payment cannot
    be held.
    """
    within = value <= spent.single_amount_max and spent.amount + value <= spent.day_amount_max
    return proved and within and kind is not CompType.TRIP


def missed_above(kind: CompType, milestones: Sequence[Milestone]) -> list[Milestone]:
    """The higher crypto prizes for the same number that were not won, lowest first."""
    ranks = list(CompType)
    above = [found for found in milestones if found.type in CRYPTO and ranks.index(found.type) > ranks.index(kind)]
    missed = [found for found in above if kind in CRYPTO and not found.awarded]
    return sorted(missed, key=lambda found: ranks.index(found.type))


def _faults(kind: CompType, terms: Terms, others: Mapping[CompType, Terms]) -> Iterator[tuple[str, str]]:
    if kind is CompType.NEW_MEMBER_GUARANTEE:
        yield from _guarantee_faults(terms)
    else:
        yield from _interval_faults(kind, terms, others)
    if kind is CompType.TRIP and terms.amount:
        yield "amount", "must be 0: a trip's value is that of its destination"
    if kind is not CompType.TRIP and terms.amount < AMOUNT_MIN:
        yield "amount", f"must be at least {AMOUNT_MIN}"


def _guarantee_faults(terms: Terms) -> Iterator[tuple[str, str]]:
    """The faults of the guarantee's terms; it depends on the calendar only, not on scans or tiers."""
    if terms.interval is not None:
        yield "interval", "must be null: the guarantee does not depend on scans"
    if terms.awards_per_member is None:
        yield "awards_per_member", "is required for the guarantee"
    if terms.tier is not Tier.STANDARD:
        yield "tier", "must be standard: the guarantee is for everybody"
    if terms.unlock_volume:
        yield "unlock_volume", "must be 0: the guarantee is never locked"


def _interval_faults(kind: CompType, terms: Terms, others: Mapping[CompType, Terms]) -> Iterator[tuple[str, str]]:
    if terms.awards_per_member is not None:
        yield "awards_per_member", "must be null: only the guarantee has a number"
    if terms.interval is None:
        yield "interval", "is required for this prize"
        return
    if terms.amount > COST_PER_SCAN_MAX * terms.interval:
        yield "amount", f"must not cost more than {COST_PER_SCAN_MAX} USDT per scan at this interval"
    ranks = list(CompType)
    for other, theirs in others.items():
        if kind not in CRYPTO or other not in CRYPTO or other is kind or theirs.interval is None:
            continue
        is_above = ranks.index(kind) > ranks.index(other)
        if (terms.interval > theirs.interval) != is_above or terms.interval == theirs.interval:
            yield "interval", f"must be {'longer' if is_above else 'shorter'} than that of {other.value}"
        if (terms.amount > theirs.amount) != is_above or terms.amount == theirs.amount:
            yield "amount", f"must be {'more' if is_above else 'less'} than that of {other.value}"
