"""The payout policy. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.payouts.policy import SECOND_PERSON, TWO_PEOPLE
from shared.payouts.states import HoldReason
from shared.values.money import Usdt


@dataclass(frozen=True)
class Inputs:
    """The facts that the policy checks; they are stored with each decision. A strange recipient is an address of the
    platform (a key, a token) or the zero address.
    """

    amount: Usdt
    recipient_address: str
    recipient_is_strange: bool
    may_be_paid_already: bool
    paused: bool
    blocked: bool
    suspended: bool
    people_agreed: int
    agreed_in_week: bool
    approved_own: bool
    needs_second_person: bool
    disputed: bool
    approved_today: Usdt
    single_amount_max: Usdt
    day_amount_max: Usdt

    def recorded(self) -> Mapping[str, object]:
        """The facts as JSON."""
        return {
            "amount": str(self.amount),
            "recipient_address": self.recipient_address,
            "recipient_is_strange": self.recipient_is_strange,
            "may_be_paid_already": self.may_be_paid_already,
            "paused": self.paused,
            "blocked": self.blocked,
            "suspended": self.suspended,
            "people_agreed": self.people_agreed,
            "agreed_in_week": self.agreed_in_week,
            "approved_own": self.approved_own,
            "needs_second_person": self.needs_second_person,
            "disputed": self.disputed,
            "let_go_today": str(self.approved_today),
            "single_amount_max": str(self.single_amount_max),
            "day_amount_max": str(self.day_amount_max),
        }


@dataclass(frozen=True)
class Verdict:
    """The decision: `hold` is None if the payout may continue, else the reason; `approvals_needed` is how many people
    must approve.
    """

    hold: HoldReason | None
    approvals_needed: int = 0


def judge(inputs: Inputs) -> Verdict:
    """Decide about a payout; the first objection counts.

    Two approvals let it pass the limit for one payout, a strange recipient, and an affiliate who has approved the week
    that pays them; one lets it pass the second person's check, an award to somebody whose payment is disputed, and the
    day's limit, which the approval of a week lets it pass too. No approval helps while a foreign transaction may have
    paid it, or while it is suspended, blocked or paused.
    """
    agreed = inputs.people_agreed >= TWO_PEOPLE
    needs_person = inputs.needs_second_person or inputs.disputed
    waits_for_person = needs_person and inputs.people_agreed < SECOND_PERSON
    is_agreed = inputs.people_agreed > 0 or inputs.agreed_in_week
    is_over_day = inputs.amount > inputs.day_amount_max - inputs.approved_today and not is_agreed
    objections = (
        (inputs.may_be_paid_already, Verdict(HoldReason.REVIEW, TWO_PEOPLE)),
        (inputs.recipient_is_strange and not agreed, Verdict(HoldReason.REVIEW, TWO_PEOPLE)),
        (inputs.approved_own and not agreed, Verdict(HoldReason.REVIEW, TWO_PEOPLE)),
        (inputs.suspended, Verdict(HoldReason.SUSPENDED)),
        (inputs.blocked, Verdict(HoldReason.BLOCKED)),
        (inputs.paused, Verdict(HoldReason.PAUSED)),
        (inputs.amount > inputs.single_amount_max and not agreed, Verdict(HoldReason.REVIEW, TWO_PEOPLE)),
        (waits_for_person, Verdict(HoldReason.REVIEW, SECOND_PERSON)),
        (is_over_day, Verdict(HoldReason.LIMIT)),
    )
    return next((verdict for applies, verdict in objections if applies), Verdict(None))
