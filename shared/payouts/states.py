"""The types of the payout machine: a payout, its states, its hold reasons and its exceptions."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.values.money import Usdt

ROTATION = "rotation"  # the source kind of the payout that moves a treasury's money to its next key
UNSIGNABLE = "cannot be signed"  # a nonce is given up for it: once the no-op is final, two people must approve


class PayoutState(StrEnum):
    """The state of a payout."""

    REQUESTED = "REQUESTED"
    HELD = "HELD"
    APPROVED = "APPROVED"
    RESERVED = "RESERVED"
    IN_FLIGHT = "IN_FLIGHT"
    PAID = "PAID"
    QUARANTINED = "QUARANTINED"
    CANCELLED = "CANCELLED"


CANCELLABLE = frozenset({PayoutState.REQUESTED, PayoutState.HELD, PayoutState.APPROVED, PayoutState.RESERVED})


class HoldReason(StrEnum):
    """Why a payout is on hold."""

    LIMIT = "limit"
    FUNDS = "funds"
    GAS = "gas"
    BLOCKED = "blocked"
    PAUSED = "paused"
    REVIEW = "review"
    REVERTED = "reverted"
    SUSPENDED = "suspended"


class TermsDiffer(Exception):
    """Raised when the same source or idempotency key was promised before on other terms."""


class NotWaiting(Exception):
    """Raised when there is nothing to decide: the payout is unknown or in another state than the decision is for, or
    the nonce is no open question.
    """


class MayBePaidAlready(NotWaiting):
    """Raised when an unexplained foreign transaction may have paid the payout: people explain that one first."""


class OwnPayout(Exception):
    """Raised when people approve or explain what they requested or would profit from (`interests`)."""


class ApprovedBefore(Exception):
    """Raised when a person approves the same hold twice: one person counts once."""


class TooFewApprovals(Exception):
    """Raised when more people must approve first."""


@dataclass(frozen=True)
class Promise:
    """The terms of a payout, which never change. One source is promised once, whatever idempotency keys are used."""

    treasury: str
    source_kind: str
    source_id: str
    recipient_address: str
    amount: Usdt
    member_id: UUID | None
    scope: str
    idempotency_key: str
    requested_by: UUID | None = None

    @property
    def body_hash(self) -> bytes:
        """SHA-256 of the terms that must be equal when the same promise is made again."""
        terms = [self.treasury, self.source_kind, self.source_id, self.recipient_address.lower(), self.amount.micro]
        return hashlib.sha256(json.dumps(terms).encode()).digest()


@dataclass(frozen=True)
class Payout:
    """A payout: its terms and its state."""

    id: UUID
    treasury: str
    member_id: UUID | None
    source_kind: str
    source_id: str
    recipient_address: str
    amount: Usdt
    state: PayoutState
    hold_reason: HoldReason | None
    requested_by: UUID | None
    requested_at: datetime


@dataclass(frozen=True)
class Treasury:
    """A treasury: its chain, its token and whether it is paused. With `finish_live`, payments that are out may be
    replaced at higher fees during a pause (R7).
    """

    name: str
    chain_id: int
    token_address: str
    paused_at: datetime | None
    finish_live: bool
