"""The problems of the treasury's operations, and how states of payouts and alerts are shown. Pure."""

import re

from shared.values import typed
from shared.values.money import Usdt
from shared.values.problems import NotAllowed, Problem

CHAIN_SECONDS_MAX = 3.0  # how long a request waits for the nodes
BRIDGE_SECONDS_MAX = 8.0  # for the nodes of both chains of a top-up together
RETRY_AFTER_SECONDS = "5"
PENDING = ("REQUESTED", "APPROVED", "RESERVED")
ON_HOLD = ("HELD", "QUARANTINED")
BANK_REFERENCE = re.compile(r"[A-Z0-9][A-Z0-9./-]{2,63}")  # as the schema has it
COMPARED_DAYS_MAX = 365


class TransferAmountNotPositive(Problem):
    """The amount is zero or negative."""

    status, title = 422, "Nothing would be sent: the amount must be more than zero."


class TransferAboveBalance(Problem):
    """The amount is more than the treasury has and has not promised; `free` tells how much that is."""

    status, title = 409, "The treasury does not have that much."


class TransferAddressMistyped(Problem):
    """The address is not in the capitals of EIP-55."""

    status, title = 422, "The address's checksum is wrong. Copy it again, with its capitals."


class TransferToNobody(Problem):
    """The recipient is the zero address."""

    status, title = 422, "This is the zero address: what is sent there is lost."


class TransferToToken(Problem):
    """The recipient is the contract of the token."""

    status, title = 422, "This is the token's own contract: what is sent there is lost."


class TransferToTreasury(Problem):
    """The recipient is a treasury's key, of this or another treasury."""

    status, title = 422, "This is a treasury's own address."


class TransferNotAwaited(Problem):
    """The invoice or refund waits for no transfer: one is booked, or the order is cancelled. What was received all the
    same has to be sent back.
    """

    status, title = 409, "No transfer is waited for here."


class TransferAmountDiffers(Problem):
    """The transfer is of another amount than is waited for, which `awaited` tells."""

    status, title = 409, "This is not the amount that is waited for."


class BankReferenceUsed(Problem):
    """A transfer with this reference is booked: one transfer pays once."""

    status, title = 409, "This bank reference was booked before."


class ChainNotReadable(Problem):
    """The nodes do not answer or do not agree. Nothing was recorded: wait `Retry-After` seconds and send it again."""

    status, title, passing = 503, "The chain cannot be read at this moment.", True

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": RETRY_AFTER_SECONDS})


class TopUpsNotConfigured(Problem):
    """No chain is configured from which treasuries are topped up (docs/treasury.md, "Top-ups")."""

    status, title = 409, "No source chain is configured: STARGATE_RPC_URLS."


class TopUpNotQuoted(Problem):
    """Stargate would not take this amount now; `least` and `most` say what it would take, if it says so."""

    status, title = 409, "Stargate takes no such amount at this moment."


class TopUpBelowMinimum(Problem):
    """Less would arrive now than was agreed, as `quoted` and `minimum` say: ask for a new one, or wait."""

    status, title = 409, "Less would arrive now than was agreed."


class TopUpNotWaiting(Problem):
    """The top-up is in another state, which `state` tells."""

    status, title = 409, "This top-up does not wait for that."


class TopUpNotApproved(Problem):
    """Not enough people who count now have approved it: `given` of `needed`."""

    status, title = 409, "Two others have to approve this first."


class TransactionUsed(Problem):
    """Another top-up is followed by this transaction: one transaction is one top-up."""

    status, title = 409, "This transaction is another top-up's."


class ApprovalOfOwnRequest(NotAllowed):
    """The person who asked for the money must not approve it."""

    title = "Somebody else must approve this: you asked for it, or it is paid to you."


class ApprovedBefore(Problem):
    """This person has approved the payout before; each person counts once."""

    status, title = 409, "You have approved this already."


class PayoutCancelled(Problem):
    """The payout was cancelled, and no approval can revive it."""

    status, title = 409, "This was cancelled. Ask for it anew."


class PayoutNotHeld(Problem):
    """The payout is not on hold; `state` tells its state."""

    status, title = 409, "This waits for nobody's approval."


class PayoutInDoubt(Problem):
    """A foreign transaction with this recipient and amount is not explained: GET /v1/admin/treasury/foreign-nonces."""

    status, title = 409, "Somebody else's transaction may have paid this already. Explain that one first."


class NonceNotInQuestion(Problem):
    """The nonce was explained already, or the payout that it is said to have paid does not wait for payment."""

    status, title = 409, "This is no open question any more."


class NonceExplainedBefore(Problem):
    """This person has given the same explanation before; each person counts once. A different one would replace it."""

    status, title = 409, "You have said this already. A second person has to say the same."


class ExplanationUnfit(Problem):
    """The transaction did not move that amount from this treasury to that recipient."""

    status, title = 409, "What this transaction has moved is not the payment of that payout."


class TransferUnderWay(Problem):
    """The transfer may be paid at any moment, or has been paid; `state` tells."""

    status, title = 409, "It is too late to cancel this transfer."


class DepositUsed(Problem):
    """The deposit belongs to an order already, or is on its way back."""

    status, title = 409, "This deposit is somebody's already, or on its way back."


class OrderAwaitsNothing(Problem):
    """The order does not exist, waits for no payment in USDT, or is to be cancelled."""

    status, title = 409, "This order does not wait for USDT."


class PoolNotPaused(Problem):
    """The treasury is not paused, so there is nothing to resume."""

    status, title = 409, "This treasury is not paused."


class QuestionsOpen(Problem):
    """Something is in quarantine, unexplained or being rebuilt; `questions` names each in a sentence."""

    status, title = 409, "This treasury does not sign again before people have answered what is open."


class FindingsOpen(Problem):
    """A treasury resumes only when each difference of its books is explained; `findings` counts those that are not."""

    status, title = 409, "Resolve the findings of this treasury first."


class DayNotOver(Problem):
    """Payments are compared of a day that is over in UTC, and not a year ago."""

    status, title = 409, "Choose a day that is over, within a year."


class FindingResolved(Problem):
    """The finding was resolved before, by a person or by a later comparison."""

    status, title = 409, "This finding is resolved already."


def status_of(state: str) -> str:
    """The status that people see for a payout's state. There is no "failed": money that may have left is traced."""
    if state in PENDING:
        return "pending"
    if state in ON_HOLD:
        return "on_hold"
    return {"IN_FLIGHT": "processing", "PAID": "paid", "CANCELLED": "cancelled"}[state]


def states_of(status: str | None) -> list[str]:
    """The states that are shown as this status; all states for None."""
    every = (*PENDING, *ON_HOLD, "IN_FLIGHT", "PAID", "CANCELLED")
    return [state for state in every if status in (None, status_of(state))]


def alert_level(*, below: bool, payouts: int | None, critical: int) -> str:
    """The level of an alert; `payouts` is how many are still covered, None if that is not known."""
    if payouts is not None and payouts < critical:
        return "critical"
    return "low" if below else "ok"


def days_left(free: Usdt, daily_outflow: Usdt) -> int | None:
    """How many whole days the USDT lasts when so much flows out each day; None if nothing does."""
    return max(free.micro, 0) // daily_outflow.micro if daily_outflow else None


def adjustment(kind: str, expected: Usdt, found: Usdt) -> Usdt:
    """The amount by which a treasury's books must change when a finding is accepted as the truth."""
    return found - expected if kind == "balance_differs" else expected - found


def bank_reference(text: str) -> str:
    """A reference of the bank's in capitals and without blanks, so that one transfer is written in one way only. Raises
    ValueError.
    """
    found = typed.compact(text).upper()
    if not BANK_REFERENCE.fullmatch(found):
        raise ValueError("must be the bank's reference: 3 to 64 letters, digits, dots, dashes and slashes")
    return found
