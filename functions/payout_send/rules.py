"""The payout policy. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.money import Usdt

POLICY_VERSION = 2
REVIEW_APPROVALS = 2


@dataclass(frozen=True)
class Inputs:
    """What the policy looks at; stored with each decision."""

    amount: Usdt
    recipient_address: str
    recipient_is_strange: bool
    may_be_paid_already: bool
    paused: bool
    blocked: bool
    agreed_by_people: bool
    let_go_today: Usdt
    single_amount_max: Usdt
    day_amount_max: Usdt

    def recorded(self) -> Mapping[str, object]:
        """As JSON."""
        return {
            "amount": str(self.amount),
            "recipient_address": self.recipient_address,
            "recipient_is_strange": self.recipient_is_strange,
            "may_be_paid_already": self.may_be_paid_already,
            "paused": self.paused,
            "blocked": self.blocked,
            "agreed_by_people": self.agreed_by_people,
            "let_go_today": str(self.let_go_today),
            "single_amount_max": str(self.single_amount_max),
            "day_amount_max": str(self.day_amount_max),
        }


@dataclass(frozen=True)
class Verdict:
    """`hold` is None when the payout may go on; else why, and how many people must agree."""

    hold: str | None
    approvals_needed: int = 0


def judge(inputs: Inputs) -> Verdict:
    """The first objection counts. What people have let go is not held for them a second time."""
    if inputs.may_be_paid_already or (inputs.recipient_is_strange and not inputs.agreed_by_people):
        return Verdict("review", REVIEW_APPROVALS)
    if inputs.blocked:
        return Verdict("blocked")
    if inputs.paused:
        return Verdict("paused")
    if inputs.amount > inputs.single_amount_max and not inputs.agreed_by_people:
        return Verdict("review", REVIEW_APPROVALS)
    if inputs.let_go_today + inputs.amount > inputs.day_amount_max and not inputs.agreed_by_people:
        return Verdict("limit", REVIEW_APPROVALS)
    return Verdict(None)
