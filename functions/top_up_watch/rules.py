"""Decides what a transaction of the source chain is, and when a top-up is late. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from shared.values import stargate
from shared.values.stargate import SendTerms
from shared.values.states import TopUpState

FINAL_WITHIN = timedelta(hours=2)  # after a person has said the hash; Ethereum needs about a quarter of an hour
ARRIVES_WITHIN = timedelta(minutes=30)  # after the source's block is final; Stargate delivers within minutes
LOOKED_AFTER = timedelta(days=1)  # so long after its arrival the same message may come a second time unseen by nobody

Fault = Literal["another_sender", "another_contract", "another_call", "nothing_sent", "another_amount"]


@dataclass(frozen=True)
class Agreed:
    """The terms that people approved, and by which contract and wallet; addresses are in any capitals."""

    terms: SendTerms
    contract: str
    wallet: str


@dataclass(frozen=True)
class Call:
    """A final transaction of the source chain; addresses and data are in lower case."""

    sender: str
    to: str
    data: str
    succeeded: bool


@dataclass(frozen=True)
class Sent:
    """A log of the contract about money that was sent."""

    guid: str
    home_eid: int
    sender: str
    spent_micro: int


@dataclass(frozen=True)
class Judgement:
    """The state of the top-up from now on; the fault of a transaction that is not what was agreed, or the log of what
    is on its way.
    """

    state: TopUpState
    fault: Fault | None = None
    sent: Sent | None = None


def judge(agreed: Agreed, call: Call, logged: Sequence[Sent]) -> Judgement:
    """Decide what a final transaction means for the top-up that is said to be sent by it."""
    if fault := _fault_of_call(agreed, call):
        return Judgement(TopUpState.REFUSED, fault)
    if not call.succeeded:
        return Judgement(TopUpState.REVERTED)
    own = [it for it in logged if it.sender == agreed.wallet.lower() and it.home_eid == agreed.terms.home_eid]
    if len(own) != 1:
        return Judgement(TopUpState.REFUSED, "nothing_sent")
    if own[0].spent_micro != agreed.terms.amount_micro:
        return Judgement(TopUpState.REFUSED, "another_amount")
    return Judgement(TopUpState.BRIDGING, sent=own[0])


def is_late(*, sent_at: datetime, source_final_at: datetime | None, now: datetime) -> bool:
    """True if its transaction should be final by now, or what it sent have arrived."""
    if source_final_at is None:
        return now - sent_at > FINAL_WITHIN
    return now - source_final_at > ARRIVES_WITHIN


def _fault_of_call(agreed: Agreed, call: Call) -> Fault | None:
    if call.sender != agreed.wallet.lower():
        return "another_sender"
    if call.to != agreed.contract.lower():
        return "another_contract"
    return None if stargate.is_send(call.data, agreed.terms, agreed.wallet) else "another_call"
