"""The kinds of comps and their rules (docs/product.md, "Prizes")."""

from dataclasses import dataclass
from enum import StrEnum

from shared.values.money import Usdt
from shared.values.tiers import Tier

TINS_PER_TRIP = 500_000  # tins sold in a month that allow one trip in that calendar month
CASINO_PACKAGE_VALUE = Usdt.of(5_000)  # an approximate value


class CompType(StrEnum):
    CRYPTO_100 = "crypto_100"
    CRYPTO_1K = "crypto_1k"
    CRYPTO_10K = "crypto_10k"
    TRIP = "trip"
    CASINO = "casino"
    NEW_MEMBER_GUARANTEE = "new_member_guarantee"
    MANUAL = "manual"


CRYPTO = frozenset({CompType.CRYPTO_100, CompType.CRYPTO_1K, CompType.CRYPTO_10K})


@dataclass(frozen=True)
class Rule:
    """A prize for every scan number that its interval divides."""

    type: CompType
    interval: int
    tier: Tier
    amount: Usdt
    unlock_volume: int
    unlocked_by_admin: bool


@dataclass(frozen=True)
class Destination:
    """A trip that its winner may choose; `key` never changes, `value` is in USD."""

    key: str
    title: str
    value: Usdt


def volume_needed(prize: CompType, unlock_volume: int, trips_this_month: int) -> int:
    """Tins per month that unlock a prize; for a trip, those that allow one more in this calendar month."""
    return TINS_PER_TRIP * (trips_this_month + 1) if prize is CompType.TRIP else unlock_volume


def is_unlocked(rule: Rule, tins_per_month: int, trips_this_month: int) -> bool:
    """True if the prize can be won: people have unlocked it, or enough tins are sold."""
    needed = volume_needed(rule.type, rule.unlock_volume, trips_this_month)
    return rule.unlocked_by_admin or tins_per_month >= needed
