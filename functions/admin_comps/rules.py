"""What admins may make of a comp's rule, whom they may award, and which prizes a winner missed. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from shared.money import Usdt
from shared.prizes import CRYPTO, CompType
from shared.problems import NotAllowed, Problem
from shared.tiers import Tier

AMOUNT_MIN = Usdt.of("0.01")
AMOUNT_MAX = Usdt.of(10_000)  # what the payout policy pays without asking two more people
COST_PER_SCAN_MAX = Usdt.of(1)  # a prize's amount over its interval: a tin sells for $4.99
INTERVAL_MIN, INTERVAL_MAX = 100, 1_000_000_000
VOLUME_MAX = 1_000_000_000
AWARDS_PER_MEMBER_MAX = 12

Faults = list[dict[str, str]]


class RuleChanged(Problem):
    """The revision is not the latest; `revision` tells which one is."""

    status, title = 409, "Somebody has changed this rule meanwhile; read it again."


class MemberUnknown(Problem):
    """No member has this id."""

    status, title = 422, "There is no such member."


class MemberNotActive(Problem):
    """Suspended or deleted: nothing is awarded to them by hand."""

    status, title = 409, "This member's account is not active."


class OwnInterest(NotAllowed):
    """An admin would win, or earn the match of what is won."""

    title = "Somebody else must do this: you would profit from it."


class CompNotRequested(Problem):
    """No payout was asked for: the winner has no wallet, or the comp waits for review or is over."""

    status, title = 409, "Nothing is being paid for this comp."


class RetryNotAllowed(Problem):
    """People have to agree first, or to find out who was paid; `state` and `hold_reason` tell which."""

    status, title = 409, "This payment cannot simply be tried again."


@dataclass(frozen=True)
class Terms:
    """What a prize's rule says."""

    interval: int | None
    tier: Tier
    amount: Usdt
    unlock_volume: int
    awards_per_member: int | None
    enabled: bool
    unlocked_by_admin: bool

    def recorded(self) -> dict[str, object]:
        """As JSON, amounts as text."""
        return asdict(self) | {"tier": self.tier.value, "amount": str(self.amount)}


@dataclass(frozen=True)
class Winner:
    """Somebody who is to get a comp."""

    id: UUID
    status: str
    referred_by_id: UUID | None


@dataclass(frozen=True)
class Milestone:
    """What became of one prize of a scan's number."""

    type: CompType
    awarded: bool
    reason: str


def prize(name: str) -> CompType | None:
    """The prize of that name, if there is one."""
    return CompType(name) if name in set(CompType) else None


def faults(kind: CompType, terms: Terms, others: Mapping[CompType, Terms]) -> Faults:
    """Every field that does not fit the prize, or the prizes beside it; empty when all do."""
    return [{"field": f"/{name}", "message": message} for name, message in _faults(kind, terms, others)]


def award_faults(kind: CompType, amount: Usdt | None) -> Faults:
    """A manual award names its amount; that of a prize is its rule's."""
    if kind is CompType.MANUAL and amount is None:
        return [{"field": "/amount", "message": "is required for a manual award"}]
    if kind is not CompType.MANUAL and amount is not None:
        return [{"field": "/amount", "message": "is the rule's for this type; leave it out"}]
    return []


def check_winner(winner: Winner | None, admin_id: UUID) -> Winner:
    """Raises MemberUnknown, MemberNotActive, OwnInterest."""
    if winner is None:
        raise MemberUnknown
    if admin_id in (winner.id, winner.referred_by_id):
        raise OwnInterest
    if winner.status != "active":
        raise MemberNotActive
    return winner


def missed_above(kind: CompType, milestones: Sequence[Milestone]) -> list[Milestone]:
    """The higher crypto prizes of the same number that were not won, lowest first."""
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
    """It depends on the calendar, and on nothing else."""
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
