"""What treasury admins may do with a transfer, and how a treasury's state reads. Pure."""

from shared.money import Usdt
from shared.problems import NotAllowed, Problem

APPROVALS_OF_A_TRANSFER = 2
PENDING = ("REQUESTED", "APPROVED", "RESERVED")
ON_HOLD = ("HELD", "QUARANTINED")


class TransferAmountNotPositive(Problem):
    """Zero or less."""

    status, title = 422, "Nothing would be sent: the amount must be more than zero."


class TransferAboveBalance(Problem):
    """More than the treasury has and has not promised; `free` tells how much that is."""

    status, title = 409, "The treasury does not have that much."


class TransferAddressMistyped(Problem):
    """Not in the capitals of EIP-55."""

    status, title = 422, "The address's checksum is wrong. Copy it again, with its capitals."


class TransferToNobody(Problem):
    """The zero address."""

    status, title = 422, "This is the zero address: what is sent there is lost."


class TransferToToken(Problem):
    """A token's contract."""

    status, title = 422, "This is the token's own contract: what is sent there is lost."


class TransferToTreasury(Problem):
    """A treasury's key, this one or another."""

    status, title = 422, "This is a treasury's own address."


class ChainNotReadable(Problem):
    """The nodes are silent or do not agree; nothing was recorded."""

    status, title = 503, "The chain cannot be read at this moment."


class ApprovalOfOwnRequest(NotAllowed):
    """Whoever asked for the money does not approve it."""

    title = "Somebody else must approve this: you asked for it, or it is paid to you."


class ApprovedBefore(Problem):
    """One person is one approval."""

    status, title = 409, "You have approved this already."


class PayoutCancelled(Problem):
    """It was cancelled: no approval brings it back."""

    status, title = 409, "This was cancelled. Ask for it anew."


class PayoutNotHeld(Problem):
    """It waits for nobody; `state` tells where it is."""

    status, title = 409, "This waits for nobody's approval."


class TransferUnderWay(Problem):
    """It may be paid any moment, or has been; `state` tells."""

    status, title = 409, "It is too late to cancel this transfer."


class PoolNotPaused(Problem):
    """There is nothing to resume."""

    status, title = 409, "This treasury is not paused."


class FindingsOpen(Problem):
    """A treasury goes on only when each difference of its books is explained; `findings` tells how many are not."""

    status, title = 409, "Resolve the findings of this treasury first."


class FindingResolved(Problem):
    """Somebody, or the books themselves, has explained it."""

    status, title = 409, "This finding is resolved already."


def status_of(state: str) -> str:
    """As members and admins are told it. There is no failed: money that may have left is looked for."""
    if state in PENDING:
        return "pending"
    if state in ON_HOLD:
        return "on_hold"
    return {"IN_FLIGHT": "processing", "PAID": "paid", "CANCELLED": "cancelled"}[state]


def states_of(status: str | None) -> list[str]:
    """The reverse; all of them for None."""
    every = (*PENDING, *ON_HOLD, "IN_FLIGHT", "PAID", "CANCELLED")
    return [state for state in every if status in (None, status_of(state))]


def alert_level(*, below: bool, payouts: int | None, critical: int) -> str:
    """`payouts` is how many are still covered, None before the first payout."""
    if payouts is not None and payouts < critical:
        return "critical"
    return "low" if below else "ok"


def adjustment(kind: str, expected: Usdt, found: Usdt) -> Usdt:
    """What the books of a treasury must change by, when a finding is taken for what happened."""
    return found - expected if kind == "balance_differs" else expected - found
