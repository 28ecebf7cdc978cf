"""How far the next number is that can win a prize. Pure."""

from collections.abc import Sequence
from decimal import Decimal

from shared.values.fields import Reply
from shared.values.prizes import CompType, Rule, is_unlocked, volume_needed

WHOLE = Decimal(100)


class UnlockProgress(Reply):
    """The tins sold per month on average, and how many unlock the prize; for a trip, those that allow one more."""

    tins_per_month: int
    needed: int
    percent: Decimal


class MilestoneProgress(Reply):
    """The next scan number that can win the prize, and how much of the way to it the count has gone."""

    prize: CompType
    interval: int
    next_number: int
    remaining: int
    percent: Decimal
    unlocked: bool
    unlock: UnlockProgress


def milestone(rule: Rule, scans: int, tins_per_month: int, trips_this_month: int) -> MilestoneProgress:
    """How far the prize is, by the count and by the sales. Percentages are rounded down: 100 is reached, not near."""
    needed = volume_needed(rule.type, rule.unlock_volume, trips_this_month)
    next_number = (scans // rule.interval + 1) * rule.interval
    return MilestoneProgress(
        prize=rule.type,
        interval=rule.interval,
        next_number=next_number,
        remaining=next_number - scans,
        percent=_percent(scans % rule.interval, rule.interval),
        unlocked=is_unlocked(rule, tins_per_month, trips_this_month),
        unlock=UnlockProgress(tins_per_month=tins_per_month, needed=needed, percent=_percent(tins_per_month, needed)),
    )


def by_interval(prizes: Sequence[Rule]) -> list[Rule]:
    """The prizes, those that are won most often first."""
    return sorted(prizes, key=lambda rule: (rule.interval, list(CompType).index(rule.type)))


def _percent(part: int, whole: int) -> Decimal:
    """The part in percent of the whole, 100 at most; 100 if nothing is needed."""
    if part >= whole:
        return WHOLE
    return Decimal(part * 1_000 // whole) / 10
