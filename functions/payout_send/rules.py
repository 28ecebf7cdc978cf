"""The payout policy. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.money import Usdt
from shared.payout_terms import ZERO_ADDRESS
from shared.settings import PayoutLimits

POLICY_VERSION = 2
REVIEW_APPROVALS = 2


@dataclass(frozen=True)
class Inputs:
    """What the policy looks at; stored with each decision."""

    amount: Usdt
    recipient_address: str
    recipient_is_ours: bool
    may_be_paid_already: bool
    paused: bool
    blocked: bool
    agreed_by_people: bool
    let_go_today: Usdt
    limits: PayoutLimits

    def recorded(self) -> Mapping[str, object]:
        """As JSON."""
        return {
            "amount": str(self.amount),
            "recipient_address": self.recipient_address,
            "recipient_is_ours": self.recipient_is_ours,
            "may_be_paid_already": self.may_be_paid_already,
            "paused": self.paused,
            "blocked": self.blocked,
            "agreed_by_people": self.agreed_by_people,
            "let_go_today": str(self.let_go_today),
            "single_amount_max": str(self.limits.single),
            "day_amount_max": str(self.limits.day),
        }


@dataclass(frozen=True)
class Verdict:
    """`hold` is None when the payout may go on; else why, and how many people must agree."""

    hold: str | None
    approvals_needed: int = 0


def judge(inputs: Inputs) -> Verdict:
    """The first objection counts. What people have let go is not held for them a second time."""
    strange = inputs.recipient_is_ours or inputs.recipient_address.lower() == ZERO_ADDRESS
    if inputs.may_be_paid_already or (strange and not inputs.agreed_by_people):
        return Verdict("review", REVIEW_APPROVALS)
    if inputs.blocked:
        return Verdict("blocked")
    if inputs.paused:
        return Verdict("paused")
    if inputs.amount > inputs.limits.single and not inputs.agreed_by_people:
        return Verdict("review", REVIEW_APPROVALS)
    if inputs.let_go_today + inputs.amount > inputs.limits.day and not inputs.agreed_by_people:
        return Verdict("limit", REVIEW_APPROVALS)
    return Verdict(None)
