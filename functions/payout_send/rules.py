"""The payout policy and what a transaction offers to pay for gas. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.money import Usdt

POLICY_VERSION = 1
GWEI = 10**9
PRIORITY_FEE_WEI_MIN = 30 * GWEI  # Bor refuses less than 25, Polygon's documentation asks for 30
BASE_FEE_HEADROOM = 2  # the base fee may double before the offer is too low
REVIEW_APPROVALS = 2
BLOCKED_APPROVALS = 1
ZERO_ADDRESS = "0x" + "0" * 40


@dataclass(frozen=True)
class Inputs:
    """What the policy looks at; stored with each decision."""

    amount: Usdt
    recipient_address: str
    platform_addresses: frozenset[str]
    paused: bool
    blocked: bool
    single_amount_max: Usdt

    def recorded(self) -> Mapping[str, object]:
        """As JSON."""
        return {
            "amount": str(self.amount),
            "recipient_address": self.recipient_address,
            "paused": self.paused,
            "blocked": self.blocked,
            "single_amount_max": str(self.single_amount_max),
        }


@dataclass(frozen=True)
class Offer:
    """Wei per gas."""

    fee_per_gas_wei_max: int
    priority_fee_per_gas_wei_max: int


@dataclass(frozen=True)
class Verdict:
    """`hold` is None when the payout may go on; else why, and how many people must agree."""

    hold: str | None
    approvals_needed: int = 0


def judge(inputs: Inputs) -> Verdict:
    """The first objection counts."""
    recipient = inputs.recipient_address.lower()
    if recipient == ZERO_ADDRESS or recipient in inputs.platform_addresses:
        return Verdict("review", REVIEW_APPROVALS)
    if inputs.blocked:
        return Verdict("blocked", BLOCKED_APPROVALS)
    if inputs.paused:
        return Verdict("paused")
    if inputs.amount > inputs.single_amount_max:
        return Verdict("review", REVIEW_APPROVALS)
    return Verdict(None)


def offer(base_wei: int, suggested_priority_wei: int) -> Offer:
    """What a first attempt offers for gas."""
    priority = max(suggested_priority_wei, PRIORITY_FEE_WEI_MIN)
    return Offer(BASE_FEE_HEADROOM * base_wei + priority, priority)
