"""What the keys of a treasury hold together, as a figure and as words. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.money import Usdt

WEI_DECIMALS = 18
SNAPSHOTS_KEPT = timedelta(days=90)


@dataclass(frozen=True)
class Held:
    """What a treasury has on the chain."""

    usdt: Usdt
    gas_wei: int


def together(
    addresses: Mapping[str, Sequence[str]], usdt: Mapping[str, int], gas: Mapping[str, int]
) -> dict[str, Held]:
    """Per treasury, over all of its keys."""
    return {
        treasury: Held(Usdt(sum(usdt[it] for it in own)), sum(gas[it] for it in own))
        for treasury, own in addresses.items()
    }


def hour_of(now: datetime) -> datetime:
    """The full hour that a snapshot is of."""
    return now.replace(minute=0, second=0, microsecond=0)


def in_words(kind: str, value: int) -> str:
    """An amount of the alert's kind: 9,999.50 USDT, 1.234 POL."""
    if kind == "usdt":
        return f"{Usdt(value).decimal:,f} USDT"
    return f"{value / 10**WEI_DECIMALS:,.3f} POL"
