"""Decides what a scan wins. Pure: the scan's number, the member's tier, the rules and the unlock state decide.

Of the crypto prizes whose interval divides the number, the member wins the highest that is unlocked and that the tier
allows (docs/product.md, "Prizes"). The trip and the casino package are decided independently. A prize that nobody
qualified for is recorded with its reason and does not roll over.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.messages import texts
from shared.messages.texts import Said
from shared.values import tiers
from shared.values.money import ZERO, Usdt
from shared.values.prizes import CRYPTO, TINS_PER_TRIP, CompType, Rule
from shared.values.problems import Problem, TooManyRequests
from shared.values.tiers import Thresholds, Tier


class CodeNotValid(Problem):
    """The code is unknown, used, invalidated or not manufactured yet: one answer for all. It counts as a guess."""

    status, title = 422, "This code cannot be scanned."


class CodeAlreadyYours(Problem):
    """The member has scanned this code before; nobody else gets this answer. `scan_id` names that scan."""

    status, title = 409, "You have scanned this code before."


class TooManyScans(TooManyRequests):
    """The member has scanned sixty times within an hour; `Retry-After` is until the oldest scan is an hour old."""

    title = "You have scanned very often; wait a little."


class TooManyWrongCodes(TooManyRequests):
    """The member has tried too many wrong codes in the clock hour; `Retry-After` is the rest of it."""

    title = "Too many codes were wrong; wait a little."


@dataclass(frozen=True)
class UnlockState:
    """Tins sold per month on average, and trips already awarded in this calendar month."""

    tins_per_month: int
    trips_this_month: int


@dataclass(frozen=True)
class Decision:
    """The decision about one prize, and its reason."""

    rule: Rule
    awarded: bool
    why: Said


@dataclass(frozen=True)
class Climb:
    """The effect of a scan on its member's tiers: the tier `earned` in the quarter, the effective one, and whether each
    is higher than before.
    """

    earned: Tier
    tier: Tier
    rose: bool
    effective_rose: bool


def climb(quarter_tier: Tier, permanent_tier: Tier, quarter_scans: int, thresholds: Thresholds) -> Climb:
    """The tiers after a scan. `quarter_tier` is from before it; `quarter_scans` counts it."""
    earned = tiers.effective(tiers.quarter_tier(quarter_scans, thresholds), quarter_tier)
    tier = tiers.effective(earned, permanent_tier)
    before = tiers.effective(quarter_tier, permanent_tier)
    return Climb(earned, tier, rose=earned is not quarter_tier, effective_rose=tier is not before)


def hits(prizes: Sequence[Rule], number: int) -> list[Rule]:
    """The prizes that this scan number can win."""
    return [rule for rule in prizes if number % rule.interval == 0]


def decide(rules: Sequence[Rule], tier: Tier, unlock: UnlockState) -> list[Decision]:
    """One decision per rule: crypto prizes from the highest interval down, then the others."""
    crypto = sorted((rule for rule in rules if rule.type in CRYPTO), key=lambda rule: -rule.interval)
    beside = [rule for rule in rules if rule.type not in CRYPTO]
    decisions: list[Decision] = []
    for rule in crypto:
        won = any(decision.awarded for decision in decisions)
        beaten = Decision(rule, False, texts.say("higher_prize_won"))
        decisions.append(beaten if won else _judged(rule, tier, unlock))
    return decisions + [_judged(rule, tier, unlock) for rule in beside]


def main_decision(decisions: Sequence[Decision]) -> Decision | None:
    """The decision to show first: of the prizes that were won, else of all, the one with the longest interval; None
    without decisions.
    """
    won = [decision for decision in decisions if decision.awarded]
    return max(won or decisions, key=lambda decision: decision.rule.interval, default=None)


def usdt_won(decisions: Sequence[Decision]) -> Usdt:
    """The USDT of all comps that were won."""
    return sum((decision.rule.amount for decision in decisions if decision.awarded), ZERO)


def _judged(rule: Rule, tier: Tier, unlock: UnlockState) -> Decision:
    if not _unlocked(rule, unlock):
        return Decision(rule, False, texts.say("prize_locked", needed=rule.unlock_volume))
    if not tier.at_least(rule.tier):
        return Decision(rule, False, texts.say("tier_needed", tier=rule.tier))
    return Decision(rule, True, texts.say("won"))


def _unlocked(rule: Rule, unlock: UnlockState) -> bool:
    if rule.unlocked_by_admin:
        return True
    if rule.type is CompType.TRIP:
        return unlock.trips_this_month < unlock.tins_per_month // TINS_PER_TRIP
    return unlock.tins_per_month >= rule.unlock_volume
