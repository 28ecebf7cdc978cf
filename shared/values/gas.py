"""Calculates a transaction's offer for gas (EIP-1559), how it is raised, and how far a key's gas balance goes."""

from dataclasses import dataclass

from shared.values.polygon import GWEI

GAS_LIMIT_TRANSFER = 120_000  # a USDT0 transfer to a new holder takes about half
GAS_LIMIT_NOOP = 21_000
PRIORITY_FEE_WEI_MIN = 30 * GWEI  # Bor refuses less than 25, Polygon's documentation asks for 30
BASE_FEE_HEADROOM = 2  # the base fee may double before the offer is too low
RAISE_NUMERATOR, RAISE_DENOMINATOR = 9, 8  # pools of geth's family ask for a tenth more on both fees


@dataclass(frozen=True)
class Fees:
    """Wei per gas: the pending block's base fee, and the tip that nodes suggest."""

    base_wei: int
    priority_wei: int


@dataclass(frozen=True)
class Price:
    """The price that a transaction offers, in wei per gas."""

    fee_per_gas_wei_max: int
    priority_fee_per_gas_wei_max: int


def offer(fees: Fees) -> Price:
    """The price that a first attempt offers. The part of the fee that is not needed is not paid."""
    priority = max(fees.priority_wei, PRIORITY_FEE_WEI_MIN)
    return Price(BASE_FEE_HEADROOM * fees.base_wei + priority, priority)


def offer_within(fees: Fees, fee_wei_max: int) -> Price | None:
    """The same, capped by our limit; None while the base fee and the least tip together are above the limit."""
    if fees.base_wei + PRIORITY_FEE_WEI_MIN > fee_wei_max:
        return None
    wanted = offer(fees)
    fee = min(wanted.fee_per_gas_wei_max, fee_wei_max)
    return Price(fee, min(wanted.priority_fee_per_gas_wei_max, fee))


def replacement(last: Price, fees: Fees, fee_wei_max: int) -> Price | None:
    """Both fees an eighth above the highest stored ones, and at least the chain's present fees; None above our limit.

    A market that has run away is followed up to the limit, as long as the last offer leaves room for the raise.
    """
    least = Price(_raised(last.fee_per_gas_wei_max), _raised(last.priority_fee_per_gas_wei_max))
    if least.fee_per_gas_wei_max > fee_wei_max:
        return None
    wanted = offer_within(fees, fee_wei_max) or least
    fee = max(least.fee_per_gas_wei_max, wanted.fee_per_gas_wei_max)
    tip = max(least.priority_fee_per_gas_wei_max, wanted.priority_fee_per_gas_wei_max)
    return Price(fee, tip) if tip <= fee else None


def _raised(wei: int) -> int:
    return -(-wei * RAISE_NUMERATOR // RAISE_DENOMINATOR)


def is_stuck(age_seconds: float, stuck_seconds: int) -> bool:
    """True when a transaction has not been mined for so long after it was last signed."""
    return age_seconds >= stuck_seconds


def affordable(gas_wei: int, price: Price, open_nonces: int) -> int:
    """How many more payments the key's gas pays for, when each open one costs as much as it may."""
    return max(0, gas_wei // (GAS_LIMIT_TRANSFER * price.fee_per_gas_wei_max) - open_nonces)
