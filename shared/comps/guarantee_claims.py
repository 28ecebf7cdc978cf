"""Enforces one guarantee per person as far as can be known, by mailbox, wallet and device.

A member who seems to have had one before is not refused: the guarantee waits until a person has reviewed it. Locks are
taken in this order: the member's own guarantee, the claims, then what awarding and paying lock.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from shared.credentials.fingerprints import FingerprintKind
from shared.db import Tx
from shared.messages import notifications
from shared.values.same_person import SAME_DEVICE, SAME_MAILBOX, SAME_WALLET, SCORE_MAX
from shared.values.states import ReviewStatus

# Points of 100: how sure a mark makes it that two accounts are of the same person.
POINTS = {
    FingerprintKind.ADDRESS: SAME_MAILBOX,
    FingerprintKind.WALLET: SAME_WALLET,
    FingerprintKind.DEVICE: SAME_DEVICE,
}


@dataclass(frozen=True)
class Mark:
    """A fingerprint of something that tells a member apart."""

    kind: FingerprintKind
    fingerprint: bytes


@dataclass(frozen=True)
class Signal:
    """Another member (`member_id`) has had the guarantee under the same mark."""

    kind: FingerprintKind
    member_id: UUID
    points: int


@dataclass(frozen=True)
class _Review:
    id: UUID
    status: str
    signals: list[dict[str, Any]]


def observe(tx: Tx, member_id: UUID, marks: Iterable[Mark], now: datetime) -> bool:
    """Claim the guarantee under these marks; True when it is withheld, now or from before. Harmless twice.

    A member without a guarantee claims nothing.
    """
    if not tx.run("SELECT FROM guarantees WHERE member_id = :member_id FOR UPDATE", member_id=member_id):
        return False
    ordered = sorted(set(marks), key=lambda mark: (mark.kind, mark.fingerprint))
    signals = [signal for mark in ordered if (signal := _claim(tx, member_id, mark, now))]
    reviews = tx.all(
        _Review, "SELECT id, status, signals FROM guarantee_reviews WHERE member_id = :member_id", member_id=member_id
    )
    withheld = next((review for review in reviews if review.status != ReviewStatus.GRANTED), None)
    known = {(said["kind"], said["member_id"]) for review in reviews for said in review.signals}
    new = [signal for signal in signals if (signal.kind, str(signal.member_id)) not in known]
    if not new or (withheld and withheld.status == ReviewStatus.REFUSED):
        return withheld is not None
    if withheld:
        _add(tx, withheld, new)
    else:
        _withhold(tx, member_id, new, now)
    return True


def score(signals: Sequence[Signal]) -> int:
    """How sure it is, in points of 100, that this person had the guarantee before."""
    return min(SCORE_MAX, sum(signal.points for signal in signals))


def _claim(tx: Tx, member_id: UUID, mark: Mark, now: datetime) -> Signal | None:
    """Claim a mark; returns a Signal if another member holds it and has had the guarantee, else None.

    A holder who never got a comp of the guarantee loses the claim to this member.
    """
    holder = tx.scalar(
        UUID,
        """
        INSERT INTO guarantee_claims AS held (kind, fingerprint, member_id, claimed_at)
        VALUES (:kind, :fingerprint, :member_id, :now)
        ON CONFLICT (kind, fingerprint) DO UPDATE SET claimed_at = held.claimed_at
        RETURNING member_id
        """,
        **vars(mark),
        member_id=member_id,
        now=now,
    )
    if holder == member_id:
        return None
    if _has_had(tx, holder):
        return Signal(mark.kind, holder, POINTS[mark.kind])
    tx.run(
        """
        UPDATE guarantee_claims SET member_id = :member_id, claimed_at = :now
        WHERE kind = :kind AND fingerprint = :fingerprint
        """,
        **vars(mark),
        member_id=member_id,
        now=now,
    )
    return None


def _has_had(tx: Tx, member_id: UUID) -> bool:
    """True if a comp of the member's guarantee was paid or will be; a cancelled comp does not count."""
    return tx.scalar(
        bool,
        """
        SELECT EXISTS (SELECT FROM comps WHERE member_id = :member_id AND source_kind = 'guarantee'
                                           AND status <> 'cancelled') AS had
        """,
        member_id=member_id,
    )


def _add(tx: Tx, review: _Review, new: Sequence[Signal]) -> None:
    """Add signals to a review that waits."""
    before = [Signal(FingerprintKind(said["kind"]), UUID(said["member_id"]), said["points"]) for said in review.signals]
    tx.run(
        "UPDATE guarantee_reviews SET score = :score, signals = CAST(:signals AS jsonb) WHERE id = :id",
        id=review.id,
        score=score([*before, *new]),
        signals=_recorded([*before, *new]),
    )


def _withhold(tx: Tx, member_id: UUID, signals: Sequence[Signal], now: datetime) -> None:
    identity = uuid4()
    tx.run(
        """
        INSERT INTO guarantee_reviews (id, member_id, score, signals, asked_at)
        VALUES (:id, :member_id, :score, CAST(:signals AS jsonb), :now)
        """,
        id=identity,
        member_id=member_id,
        score=score(signals),
        signals=_recorded(signals),
        now=now,
    )
    tx.run("UPDATE guarantees SET next_on = NULL WHERE member_id = :member_id", member_id=member_id)
    key = f"guarantee-review:{identity}"
    notifications.notify(
        tx, notifications.note(member_id, "guarantee_in_review", {"review_id": str(identity)}, key), now
    )


def _recorded(signals: Sequence[Signal]) -> str:
    """The signals as a JSON array."""
    return json.dumps([asdict(signal) | {"member_id": str(signal.member_id)} for signal in signals])
