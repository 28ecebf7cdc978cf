"""What a transaction offers to pay for gas, by how much that is raised, and how far the gas goes. Pure."""

from shared.ports.chain import Fees
from shared.ports.transactions import GAS_LIMIT_TRANSFER, Price

GWEI = 10**9
PRIORITY_FEE_WEI_MIN = 30 * GWEI  # Bor refuses less than 25, Polygon's documentation asks for 30
BASE_FEE_HEADROOM = 2  # the base fee may double before the offer is too low
RAISE_NUMERATOR, RAISE_DENOMINATOR = 9, 8  # pools of geth's family ask for a tenth more on both fees


def offer(fees: Fees, fee_wei_max: int) -> Price | None:
    """What a first attempt offers; None while the base fee and the least tip are above what we pay at all."""
    priority = max(fees.priority_wei, PRIORITY_FEE_WEI_MIN)
    if fees.base_wei + PRIORITY_FEE_WEI_MIN > fee_wei_max:
        return None
    fee = min(BASE_FEE_HEADROOM * fees.base_wei + priority, fee_wei_max)
    return Price(fee, min(priority, fee))


def replacement(last: Price, fees: Fees, fee_wei_max: int) -> Price | None:
    """Both fees an eighth higher than the highest stored ones, and what the chain asks for now; None above our limit.

    A market that has run away is followed up to the limit, as long as the last offer leaves room for the raise.
    """
    least = Price(_raised(last.fee_per_gas_wei_max), _raised(last.priority_fee_per_gas_wei_max))
    if least.fee_per_gas_wei_max > fee_wei_max:
        return None
    wanted = offer(fees, fee_wei_max) or least
    fee = max(least.fee_per_gas_wei_max, wanted.fee_per_gas_wei_max)
    tip = max(least.priority_fee_per_gas_wei_max, wanted.priority_fee_per_gas_wei_max)
    return Price(fee, tip) if tip <= fee else None


def _raised(wei: int) -> int:
    return -(-wei * RAISE_NUMERATOR // RAISE_DENOMINATOR)


def is_stuck(age_seconds: float, stuck_seconds: int) -> bool:
    """Not mined so long after it was last signed."""
    return age_seconds >= stuck_seconds


def affordable(gas_wei: int, price: Price, open_nonces: int) -> int:
    """How many more payments the key's gas pays for, when all that are out cost as much as they may."""
    return max(0, gas_wei // (GAS_LIMIT_TRANSFER * price.fee_per_gas_wei_max) - open_nonces)
