"""What a scan wins. Pure: the scan's number, the member's tier, the rules and the unlock state decide.

Rulings section 3: of the crypto prizes whose interval divides the number the member wins the highest that is
unlocked and that the tier allows. The trip and the casino package are decided beside it. What nobody qualified
for is recorded with its reason and does not roll over.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.money import ZERO, Usdt
from shared.prizes import CRYPTO, TINS_PER_TRIP, CompType
from shared.problems import Problem, TooManyRequests
from shared.tiers import Tier


class CodeNotValid(Problem):
    """Malformed, unknown, used, invalidated or not yet manufactured: one answer for all."""

    status, title = 422, "This code cannot be scanned."


class CodeAlreadyYours(Problem):
    """Told only to the member who scanned it; `scan_id` names that scan."""

    status, title = 409, "You have scanned this code before."


class TooManyScans(TooManyRequests):
    """Sixty in any hour."""

    title = "You have scanned very often; wait a little."


class TooManyWrongCodes(TooManyRequests):
    """By this member, device or network, within the clock hour."""

    title = "Too many codes were wrong; wait a little."


@dataclass(frozen=True)
class Rule:
    """A prize whose interval divides the scan number."""

    type: CompType
    interval: int
    tier: Tier
    amount: Usdt
    unlock_volume: int
    unlocked_by_admin: bool


@dataclass(frozen=True)
class UnlockState:
    """Tins sold per month on average, and trips already awarded in this calendar month."""

    tins_per_month: int
    trips_this_month: int


@dataclass(frozen=True)
class Decision:
    """What became of one prize, and why."""

    rule: Rule
    awarded: bool
    reason: str


def hits(prizes: Sequence[Rule], number: int) -> list[Rule]:
    """The prizes that a scan number stands for."""
    return [rule for rule in prizes if number % rule.interval == 0]


def decide(rules: Sequence[Rule], tier: Tier, unlock: UnlockState) -> list[Decision]:
    """One decision per rule: crypto prizes from the highest interval down, then the others."""
    crypto = sorted((rule for rule in rules if rule.type in CRYPTO), key=lambda rule: -rule.interval)
    beside = [rule for rule in rules if rule.type not in CRYPTO]
    decisions: list[Decision] = []
    for rule in crypto:
        won = any(decision.awarded for decision in decisions)
        decisions.append(Decision(rule, False, "a higher prize was won") if won else _judged(rule, tier, unlock))
    return decisions + [_judged(rule, tier, unlock) for rule in beside]


def main_decision(decisions: Sequence[Decision]) -> Decision | None:
    """The one to show first: the best that was won, else the highest crypto prize that was missed."""
    won = [decision for decision in decisions if decision.awarded]
    return max(won or decisions, key=lambda decision: decision.rule.interval, default=None)


def usdt_won(decisions: Sequence[Decision]) -> Usdt:
    """The USDT of everything that was won."""
    return sum((decision.rule.amount for decision in decisions if decision.awarded), ZERO)


def _judged(rule: Rule, tier: Tier, unlock: UnlockState) -> Decision:
    if not _unlocked(rule, unlock):
        return Decision(rule, False, f"locked until {rule.unlock_volume} tins per month")
    if not tier.at_least(rule.tier):
        return Decision(rule, False, f"needs tier {rule.tier.value}")
    return Decision(rule, True, "won")


def _unlocked(rule: Rule, unlock: UnlockState) -> bool:
    if rule.unlocked_by_admin:
        return True
    if rule.type is CompType.TRIP:
        return unlock.trips_this_month < unlock.tins_per_month // TINS_PER_TRIP
    return unlock.tins_per_month >= rule.unlock_volume
