"""What can be won (plan section "Comp Award System")."""

from dataclasses import dataclass
from enum import StrEnum

from shared.money import Usdt

TINS_PER_TRIP = 500_000  # a month: each of them lets one trip be awarded in a calendar month
CASINO_PACKAGE_VALUE = Usdt.of(5_000)  # about


class CompType(StrEnum):
    """A kind of comp."""

    CRYPTO_100 = "crypto_100"
    CRYPTO_1K = "crypto_1k"
    CRYPTO_10K = "crypto_10k"
    TRIP = "trip"
    CASINO = "casino"
    NEW_MEMBER_GUARANTEE = "new_member_guarantee"
    MANUAL = "manual"


CRYPTO = frozenset({CompType.CRYPTO_100, CompType.CRYPTO_1K, CompType.CRYPTO_10K})


@dataclass(frozen=True)
class Destination:
    """What the winner of a trip may choose; `key` names it for ever, `value` is in USD."""

    key: str
    title: str
    value: Usdt


def volume_needed(prize: CompType, unlock_volume: int, trips_this_month: int) -> int:
    """Tins per month that unlock a prize; for a trip, those that allow one more in this calendar month."""
    return TINS_PER_TRIP * (trips_this_month + 1) if prize is CompType.TRIP else unlock_volume


def casino_package(free_play: Usdt) -> tuple[str, ...]:
    """What is in the casino package beside the comp's USDT (plan section "Casino Comp")."""
    return (
        "2-night Bellagio suite",
        f"{dollars(free_play)} USDT free play",
        "$500 dining credit",
        "VIP host services",
        "Spa access",
        "Airfare reimbursement up to $1,000",
    )


def dollars(amount: Usdt) -> str:
    """As people write it: $1,000, $4.50."""
    return f"${amount.decimal:,f}".removesuffix(".00")
