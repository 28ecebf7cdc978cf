"""The pools' shares of a sale's profit, and the difference to those that they had before. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.values.money import ZERO, Usdt
from shared.values.programs import POOL_PERCENT

MEMBER_PERCENT = 50
WHOLESALE_PERCENT = 5


@dataclass(frozen=True)
class Sold:
    """An order as it counts for the pools: its goods less refunds, in whole cents, and what a tin costs us."""

    turnover: Usdt
    tins: int
    cost_per_tin: Usdt


@dataclass(frozen=True)
class Shares:
    """The pools' shares of an order's gross profit, in all."""

    member: Usdt
    affiliate: Usdt
    wholesale: Usdt


NO_SHARES = Shares(ZERO, ZERO, ZERO)


def profit(sold: Sold) -> Usdt:
    """The gross profit; goods that cost more than they brought give nothing and take nothing."""
    return max(sold.turnover - sold.cost_per_tin * sold.tins, ZERO)


def shares(gross: Usdt) -> Shares:
    """The pools' shares of a gross profit; they are exact, because it is whole cents."""
    return Shares(gross.percent(MEMBER_PERCENT), gross.percent(POOL_PERCENT), gross.percent(WHOLESALE_PERCENT))


def difference(before: Shares, after: Shares) -> Mapping[str, Usdt]:
    """The lines of the journal by which the pools come from one to the other; what does not change has none."""
    pools = {
        "pool:member": after.member - before.member,
        "pool:affiliate": after.affiliate - before.affiliate,
        "pool:wholesale": after.wholesale - before.wholesale,
    }
    lines = pools | {"profit:shop": -sum(pools.values(), ZERO)}
    return {account: amount for account, amount in lines.items() if amount}
