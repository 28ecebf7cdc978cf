"""Decides which finding a Transfer log without a payout is, and the result of a comparison. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from shared.values.money import ZERO, Usdt
from shared.values.tolerance import BADGE_TOLERANCE

LOOK_AGAIN_AFTER = timedelta(minutes=2)
GIVE_UP_AFTER = timedelta(hours=2)
OPEN_SLOTS = frozenset({"ALLOCATED", "LIVE", "MINED", "FOREIGN"})


class Status(StrEnum):
    """The result of a comparison. A discrepancy outweighs pending, pending outweighs balanced."""

    BALANCED = "balanced"
    PENDING = "pending"
    DISCREPANCY = "discrepancy"


class Kind(StrEnum):
    """The kinds of differences between books and chain."""

    UNKNOWN_TRANSFER = "unknown_transfer"
    MISSING_TRANSFER = "missing_transfer"
    AMOUNT_DIFFERS = "amount_differs"
    RECIPIENT_DIFFERS = "recipient_differs"
    BALANCE_DIFFERS = "balance_differs"


@dataclass(frozen=True)
class Outgoing:
    """A transfer out of a treasury that matches no paid payout, with what our rows know of its transaction."""

    transaction_hash: str
    log_index: int
    counterparty: str
    amount: Usdt
    slot_state: str | None  # of the nonce for which we signed this transaction; None if we never signed it
    payout_id: object  # UUID of the payout for which it was signed
    payout_paid: bool  # by this very transaction
    payout_amount: Usdt | None
    internal: bool  # to another key of the same treasury

    @property
    def ref(self) -> str:
        """The reference of the transfer in a finding."""
        return f"{self.transaction_hash}:{self.log_index}"


@dataclass(frozen=True)
class Sides:
    """A treasury's two balances at the block. `effect` is how much of their difference the open findings explain."""

    chain: Usdt
    books: Usdt
    effect: Usdt

    @property
    def difference(self) -> Usdt:
        """The chain's balance less the books'."""
        return self.chain - self.books

    @property
    def unexplained(self) -> Usdt:
        """The chain's balance less the books', less what the open findings explain."""
        return self.difference - self.effect


@dataclass(frozen=True)
class Result:
    """The result of one treasury's comparison, or of all."""

    status: Status
    badge: Status


def kind_of(found: Outgoing) -> Kind | None:
    """The kind of finding that the transfer is; None if it is one of ours whose payout is not finished yet."""
    if found.slot_state in OPEN_SLOTS:
        return None
    if not found.payout_paid:
        return Kind.UNKNOWN_TRANSFER
    return Kind.AMOUNT_DIFFERS if found.amount != found.payout_amount else Kind.RECIPIENT_DIFFERS


def effect_of(kind: Kind, expected: Usdt, found: Usdt) -> Usdt:
    """The chain's balance less the books', as far as one finding explains it: negative when more has left the treasury
    than the books expect. A BALANCE_DIFFERS explains nothing.
    """
    return ZERO if kind is Kind.BALANCE_DIFFERS else expected - found


def result_of(sides: Sides, *, findings_open: int, reason: str | None) -> Result:
    """The result of one treasury: exact for the status, within BADGE_TOLERANCE for the badge. A `reason` says why it is
    pending; open findings are a discrepancy all the same.
    """
    close = -BADGE_TOLERANCE <= sides.difference <= BADGE_TOLERANCE
    pending = Status.PENDING if reason else None
    status = Status.DISCREPANCY if findings_open else pending or Status.BALANCED
    return Result(status, pending or (Status.BALANCED if close else Status.DISCREPANCY))


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of several statuses."""
    order = list(Status)
    return max(statuses, key=order.index)


def overall(results: Sequence[Result]) -> Result:
    """The result over all treasuries."""
    return Result(worst(it.status for it in results), worst(it.badge for it in results))
