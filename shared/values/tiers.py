"""Tiers: what a quarter's scans and a downline's purchases earn a member (docs/product.md, "Tiers")."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Tier(StrEnum):
    """A tier, lowest first; compare tiers with `rank`."""

    STANDARD = "standard"
    VIP = "vip"
    HIGH_ROLLER = "high_roller"
    WHALE = "whale"

    @property
    def rank(self) -> int:
        """The tier's rank: 0 for standard to 3 for whale."""
        return _RANK[self]

    def at_least(self, other: "Tier") -> bool:
        """True when this tier is at least as high as `other`."""
        return self.rank >= other.rank

    @property
    def label(self) -> str:
        """The tier's name as people read it."""
        return _LABEL[self]


_ORDER = tuple(Tier)
_RANK = {tier: rank for rank, tier in enumerate(Tier)}
_SUFFIX = {Tier.STANDARD: "ST", Tier.VIP: "VIP", Tier.HIGH_ROLLER: "HR", Tier.WHALE: "WH"}
_LABEL = {Tier.STANDARD: "Standard", Tier.VIP: "VIP", Tier.HIGH_ROLLER: "High Roller", Tier.WHALE: "Whale"}

Thresholds = Mapping[Tier, int]
DEFAULT_THRESHOLDS: Thresholds = {Tier.STANDARD: 0, Tier.VIP: 7, Tier.HIGH_ROLLER: 15, Tier.WHALE: 30}
MONTHS_PER_QUARTER = 3


@dataclass(frozen=True)
class TierProgress:
    """A member's progress in the current quarter; `next_*` are None for a whale."""

    current_tier: Tier
    current_count: int
    next_tier: Tier | None
    next_tier_threshold: int | None
    quarter_label: str


@dataclass(frozen=True)
class TierStep:
    """The way to the next tier; for a whale nothing remains. `percent` is 100 only when nothing remains."""

    next_tier: Tier | None
    threshold: int | None
    remaining: int
    percent: int


def quarter_tier(scans: int, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> Tier:
    """The tier that this many scans in one quarter earn."""
    return max((tier for tier, needed in thresholds.items() if scans >= needed), key=lambda tier: tier.rank)


def downline_tier(tins: int, thresholds: Thresholds) -> Tier:
    """The tier that this many tins of the downline earn for good; refunds may have brought the sum below zero."""
    return quarter_tier(max(tins, 0), thresholds)


def effective(quarter: Tier, permanent: Tier) -> Tier:
    """The better of both tiers."""
    return max(quarter, permanent, key=lambda tier: tier.rank)


def quarter_of(moment: datetime) -> str:
    """The UTC calendar quarter in its stored form: 2026-Q4."""
    utc = moment.astimezone(UTC)
    return f"{utc.year}-Q{(utc.month + 2) // 3}"


def quarter_starts_at(quarter: str) -> datetime:
    """The first instant of a quarter."""
    year, number = quarter.split("-Q")
    return datetime(int(year), 1 + (int(number) - 1) * MONTHS_PER_QUARTER, 1, tzinfo=UTC)


def quarter_ends_at(quarter: str) -> datetime:
    """The first instant of the next quarter, when this one's tiers end."""
    year, number = quarter.split("-Q")
    following = f"{int(year) + 1}-Q1" if number == "4" else f"{year}-Q{int(number) + 1}"
    return quarter_starts_at(following)


def quarter_label(quarter: str) -> str:
    """The quarter as people read it: 2026-Q4 becomes Q4 2026."""
    year, number = quarter.split("-")
    return f"{number} {year}"


def progress(scans: int, current: Tier, quarter: str, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> TierProgress:
    """Progress towards the tier above `current` (the effective tier), counted in this quarter's scans."""
    above = [tier for tier in _ORDER if tier.rank == current.rank + 1]
    return TierProgress(
        current_tier=current,
        current_count=scans,
        next_tier=above[0] if above else None,
        next_tier_threshold=thresholds[above[0]] if above else None,
        quarter_label=quarter_label(quarter),
    )


def step(count: int, current: Tier, thresholds: Thresholds) -> TierStep:
    """The way from `count` (scans or tins) to the tier above `current`."""
    above = [tier for tier in _ORDER if tier.rank == current.rank + 1]
    if not above:
        return TierStep(next_tier=None, threshold=None, remaining=0, percent=100)
    threshold = thresholds[above[0]]
    counted = min(max(count, 0), threshold)
    percent = min(100 * counted // threshold, 99) if threshold else 99
    return TierStep(next_tier=above[0], threshold=threshold, remaining=threshold - counted, percent=percent)


def member_id(number: int, tier: Tier) -> str:
    """The id that members are known by: BJ-0042-VIP. The number stays, the suffix follows the effective tier."""
    return f"BJ-{number:04d}-{_SUFFIX[tier]}"
