"""What a payout is, where it may stand, and why it may not go on: the words of the payout machine."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.money import Usdt

ROTATION = "rotation"  # the source of what moves a treasury's money to its next key
CANCELLED_BY_PEOPLE = "cancelled"  # why a nonce was given up


class PayoutState(StrEnum):
    """Where a promise stands."""

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
    """Why a payout waits for somebody or something."""

    LIMIT = "limit"
    FUNDS = "funds"
    GAS = "gas"
    BLOCKED = "blocked"
    PAUSED = "paused"
    REVIEW = "review"
    REVERTED = "reverted"


class TermsDiffer(Exception):
    """The same source or key was promised before with other terms."""


class NotWaiting(Exception):
    """The payout waits for nobody: it is neither held nor in quarantine."""


class OwnPayout(Exception):
    """Nobody approves what they asked for or what they would get."""


class ApprovedBefore(Exception):
    """One person is one approval for one hold, however often."""


class TooFewApprovals(Exception):
    """More people have to agree first."""


@dataclass(frozen=True)
class Promise:
    """The terms of a payout, fixed from birth. One source is promised once, whatever keys are used."""

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
        """SHA-256 of the terms."""
        terms = [self.treasury, self.source_kind, self.source_id, self.recipient_address.lower(), self.amount.micro]
        return hashlib.sha256(json.dumps(terms).encode()).digest()


@dataclass(frozen=True)
class Payout:
    """A promise and where it stands."""

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
    """A treasury's chain, token and whether it is paused."""

    name: str
    chain_id: int
    token_address: str
    paused_at: datetime | None
    finish_live: bool
