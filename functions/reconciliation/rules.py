"""What a Transfer log is when no payout explains it, and what a comparison amounts to. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from shared.money import ZERO, Usdt

BADGE_TOLERANCE = Usdt.of(10)  # of the published badge; the comparison itself is exact
LOOK_AGAIN_AFTER = timedelta(minutes=2)
GIVE_UP_AFTER = timedelta(hours=2)
OPEN_SLOTS = frozenset({"ALLOCATED", "LIVE", "MINED", "FOREIGN"})


class Status(StrEnum):
    """Of a comparison. Discrepancy outweighs pending, pending outweighs balanced."""

    BALANCED = "balanced"
    PENDING = "pending"
    DISCREPANCY = "discrepancy"


class Kind(StrEnum):
    """What does not agree."""

    UNKNOWN_TRANSFER = "unknown_transfer"
    MISSING_TRANSFER = "missing_transfer"
    AMOUNT_DIFFERS = "amount_differs"
    RECIPIENT_DIFFERS = "recipient_differs"
    BALANCE_DIFFERS = "balance_differs"


@dataclass(frozen=True)
class Outgoing:
    """A movement out of a treasury that is no paid payout's, with what our rows know of its transaction."""

    transaction_hash: str
    log_index: int
    counterparty: str
    amount: Usdt
    slot_state: str | None  # of the nonce that one of our signatures took; None when we never signed it
    payout_id: object  # UUID of the payout that it was signed for
    payout_paid: bool  # by this very transaction
    payout_amount: Usdt | None
    internal: bool  # to another key of the same treasury

    @property
    def ref(self) -> str:
        """What names it."""
        return f"{self.transaction_hash}:{self.log_index}"


@dataclass(frozen=True)
class Sides:
    """A treasury's two sides at the block. `effect` is what the open findings explain of their difference."""

    chain: Usdt
    books: Usdt
    effect: Usdt

    @property
    def difference(self) -> Usdt:
        """Chain less books."""
        return self.chain - self.books

    @property
    def unexplained(self) -> Usdt:
        """What no finding accounts for."""
        return self.difference - self.effect


@dataclass(frozen=True)
class Result:
    """Of one treasury, or of all."""

    status: Status
    badge: Status


def kind_of(found: Outgoing) -> Kind | None:
    """None: one of ours that is on its way to be paid; wait."""
    if found.slot_state in OPEN_SLOTS:
        return None
    if not found.payout_paid:
        return Kind.UNKNOWN_TRANSFER
    return Kind.AMOUNT_DIFFERS if found.amount != found.payout_amount else Kind.RECIPIENT_DIFFERS


def effect_of(kind: Kind, expected: Usdt, found: Usdt) -> Usdt:
    """How far an open finding moves the chain's balance from the books'."""
    return ZERO if kind is Kind.BALANCE_DIFFERS else expected - found


def result_of(sides: Sides, *, findings_open: int, reason: str | None) -> Result:
    """Exact for the status, within ten dollars for the badge."""
    close = -BADGE_TOLERANCE <= sides.difference <= BADGE_TOLERANCE
    pending = Status.PENDING if reason else None
    status = Status.DISCREPANCY if findings_open else pending or Status.BALANCED
    return Result(status, pending or (Status.BALANCED if close else Status.DISCREPANCY))


def worst(statuses: Iterable[Status]) -> Status:
    """Of several."""
    order = list(Status)
    return max(statuses, key=order.index)


def overall(results: Sequence[Result]) -> Result:
    """Of all treasuries."""
    return Result(worst(it.status for it in results), worst(it.badge for it in results))
