"""The balance of all keys of a treasury together, as a figure and as text. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.values.money import Usdt
from shared.values.polygon import WEI_DECIMALS


@dataclass(frozen=True)
class Held:
    """The balance of a treasury on the chain."""

    usdt: Usdt
    gas_wei: int


def together(
    addresses: Mapping[str, Sequence[str]], usdt: Mapping[str, int], gas: Mapping[str, int]
) -> dict[str, Held]:
    """The balance per treasury, over all of its keys."""
    return {
        treasury: Held(Usdt(sum(usdt[it] for it in own)), sum(gas[it] for it in own))
        for treasury, own in addresses.items()
    }


def hour_of(now: datetime) -> datetime:
    """The full hour that a snapshot is for."""
    return now.replace(minute=0, second=0, microsecond=0)


def in_words(kind: str, value: int) -> str:
    """An amount of the alert's kind: 9,999.50 USDT, 1.234 POL."""
    if kind == "usdt":
        return f"{Usdt(value).decimal:,f} USDT"
    return f"{value / 10**WEI_DECIMALS:,.3f} POL"
