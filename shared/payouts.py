"""The payout machine's states and transitions. Nothing else changes a payout; the schema holds the same rules.

A payout is a promise to one recipient; `payout_slots` has the nonces and signatures that keep it. docs/payouts.md
tells the whole story.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from shared import events, ledger, payout_slots, payout_terms
from shared.db import Tx
from shared.events import ConfirmPayouts, SendPayout
from shared.money import Usdt
from shared.payout_reads import Approvals, approvals, load, load_all, of_sources, treasury_of
from shared.payout_slots import Signer, Slot, SlotState
from shared.payout_types import (
    CANCELLABLE,
    CANCELLED_BY_PEOPLE,
    ROTATION,
    ApprovedBefore,
    HoldReason,
    NotWaiting,
    OwnPayout,
    Payout,
    PayoutState,
    Promise,
    TermsDiffer,
    TooFewApprovals,
    Treasury,
)

__all__ = [
    "CANCELLABLE",
    "CANCELLED_BY_PEOPLE",
    "PROMISED_SOURCES",
    "ROTATION",
    "Approvals",
    "ApprovedBefore",
    "HoldReason",
    "NotWaiting",
    "OwnPayout",
    "Payout",
    "PayoutState",
    "Promise",
    "Retried",
    "TermsDiffer",
    "TooFewApprovals",
    "Treasury",
    "allocate_slot",
    "approvals",
    "approve",
    "cancel",
    "confirm_soon",
    "decide",
    "finalize",
    "follow_again",
    "give_up",
    "hold_back",
    "load",
    "load_all",
    "of_sources",
    "pause",
    "release",
    "request",
    "reserve",
    "resume",
    "retry",
    "send_soon",
    "treasury_of",
]

PEOPLE = 2  # who must agree where money might be paid twice
PROMISED_SOURCES = frozenset({"comp", "match", "pool_share"})  # what stands on the account `owed` until it is paid


@dataclass(frozen=True)
class _Terms:
    id: UUID
    body_hash: bytes


def request(tx: Tx, promise: Promise, now: datetime) -> UUID:
    """Promise a payout and have it sent. Asking again for the same source is harmless and gives the same id.

    Raises TermsDiffer when the source or the key was promised with other terms, and BadTerms (payout_terms).
    """
    rotates = promise.source_kind == ROTATION
    payout_terms.check(tx, promise.recipient_address, promise.amount, to_next_key=rotates)
    identity = uuid4()
    inserted = tx.run(
        """
        INSERT INTO payouts (id, treasury, member_id, scope, idempotency_key, body_hash, source_kind, source_id,
                             recipient_address, amount, requested_by, requested_at, state_at)
        VALUES (:id, :treasury, :member_id, :scope, :idempotency_key, :body_hash, :source_kind, :source_id,
                :recipient_address, :amount, :requested_by, :now, :now)
        ON CONFLICT DO NOTHING
        """,
        id=identity,
        treasury=promise.treasury,
        member_id=promise.member_id,
        scope=promise.scope,
        idempotency_key=promise.idempotency_key,
        body_hash=promise.body_hash,
        source_kind=promise.source_kind,
        source_id=promise.source_id,
        recipient_address=promise.recipient_address,
        amount=promise.amount,
        requested_by=promise.requested_by,
        now=now,
    )
    if not inserted:
        return _promised_before(tx, promise)
    send_soon(tx, identity, promise.treasury, now)
    return identity


def send_soon(tx: Tx, payout_id: UUID, treasury: str, now: datetime, *, name: str | None = None) -> None:
    """Have payout_send look at a payout; two requests of one `name` are one."""
    events.enqueue(tx, now, SendPayout(payout_id=payout_id, treasury=treasury), name=name)


def confirm_soon(tx: Tx, signer: str, now: datetime, delay: timedelta | None = None) -> None:
    """Have payout_confirm look at a key's open nonces: now, or at the next full multiple of `delay`.

    All who ask for the same moment ask for one task, by its name.
    """
    task = ConfirmPayouts(signer=signer)
    if not delay:
        events.enqueue(tx, now, task)
        return
    moment = int(now.timestamp() // delay.total_seconds()) + 1
    deliver_at = datetime.fromtimestamp(moment * delay.total_seconds(), UTC)
    name = f"confirm-{signer}-{deliver_at:%Y%m%d%H%M%S%f}"
    events.enqueue(tx, now, task, name=name, deliver_at=deliver_at)


def decide(
    tx: Tx,
    payout: Payout,
    *,
    policy_version: int,
    inputs: Mapping[str, object],
    hold: HoldReason | None,
    approvals_needed: int = 0,
    now: datetime,
) -> None:
    """Record a policy run and what it decided: APPROVED, or HELD for a reason."""
    tx.run_later(
        """
        INSERT INTO payout_policy_runs (payout_id, policy_version, inputs, decision, reason, decided_at)
        VALUES (:payout_id, :policy_version, :inputs, :decision, :reason, :now)
        """,
        payout_id=payout.id,
        policy_version=policy_version,
        inputs=dict(inputs),
        decision="hold" if hold else "approve",
        reason=hold,
        now=now,
    )
    if hold:
        hold_back(tx, payout, hold, now, approvals_needed=approvals_needed)
    else:
        _to(tx, payout.id, PayoutState.APPROVED, now)


def hold_back(tx: Tx, payout: Payout, reason: HoldReason, now: datetime, *, approvals_needed: int = 0) -> None:
    """HELD until the reason is gone or enough people have approved."""
    tx.run_later(
        """
        UPDATE payouts SET state = 'HELD', hold_reason = :reason, approvals_needed = :needed, state_at = :now
        WHERE id = :payout_id
        """,
        payout_id=payout.id,
        reason=reason,
        needed=approvals_needed,
        now=now,
    )


def reserve(tx: Tx, payout: Payout, now: datetime, *, set_aside: bool | None = None) -> None:
    """RESERVED: the amount leaves the treasury's free balance. Money that is set aside already stays so."""
    if not (_is_reserved(tx, payout.id) if set_aside is None else set_aside):
        treasury = payout.treasury
        ledger.move(tx, f"resv:{payout.id}", f"treasury:{treasury}", f"in_flight:{treasury}", payout.amount, now)
    _to(tx, payout.id, PayoutState.RESERVED, now)


def cancel(tx: Tx, payout: Payout, now: datetime) -> None:
    """CANCELLED: a CANCELLABLE payout will never be sent, and what was set aside for it is free again.

    Refused by the schema when a slot may still pay it (`give_up` comes first). Harmless twice.
    """
    if payout.state is PayoutState.CANCELLED:
        return
    if _is_reserved(tx, payout.id):
        treasury = payout.treasury
        ledger.move(tx, f"cancel:{payout.id}", f"in_flight:{treasury}", f"treasury:{treasury}", payout.amount, now)
    _to(tx, payout.id, PayoutState.CANCELLED, now)


def follow_again(tx: Tx, payout_id: UUID, now: datetime) -> None:
    """QUARANTINED -> IN_FLIGHT: two people have agreed to what the evidence says of its slot."""
    _to(tx, payout_id, PayoutState.IN_FLIGHT, now)


def approve(tx: Tx, payout_id: UUID, approver_id: UUID, evidence: Mapping[str, object], now: datetime) -> Approvals:
    """One person agrees to the hold that the payout is in; `release` lets it go.

    Raises NotWaiting (cancelled meanwhile, say), OwnPayout, ApprovedBefore.
    """
    payout = load(tx, payout_id)
    if payout is None or payout.state not in (PayoutState.HELD, PayoutState.QUARANTINED):
        raise NotWaiting(f"payout {payout_id} waits for nobody")
    if approver_id in (payout.member_id, payout.requested_by):
        raise OwnPayout(f"payout {payout_id} is the approver's own")
    added = tx.run(
        """
        INSERT INTO payout_approvals (payout_id, hold, approver_id, evidence, approved_at)
        SELECT id, holds, :approver_id, :evidence, :now FROM payouts WHERE id = :payout_id
        ON CONFLICT DO NOTHING
        """,
        payout_id=payout_id,
        approver_id=approver_id,
        evidence=dict(evidence),
        now=now,
    )
    if not added:
        raise ApprovedBefore(f"payout {payout_id} has this approval")
    return approvals(tx, payout_id)


def release(tx: Tx, payout_id: UUID, now: datetime) -> None:
    """HELD -> APPROVED, and on its way; what no person holds is judged by the policy anew instead.

    Raises NotWaiting and TooFewApprovals.
    """
    payout = load(tx, payout_id)
    if payout is None or payout.state is not PayoutState.HELD:
        raise NotWaiting(f"payout {payout_id} is not held")
    agreed = approvals(tx, payout_id)
    if agreed.given < agreed.needed:
        raise TooFewApprovals(f"{agreed.given} of {agreed.needed}")
    if agreed.needed:
        _to(tx, payout.id, PayoutState.APPROVED, now)
    send_soon(tx, payout.id, payout.treasury, now)


def let_go(tx: Tx, payout: Payout, now: datetime) -> None:
    """HELD -> APPROVED for two people at least, whatever held it."""
    agreed = approvals(tx, payout.id)
    if agreed.given < max(agreed.needed, PEOPLE):
        raise TooFewApprovals(f"{agreed.given} of {max(agreed.needed, PEOPLE)}")
    _to(tx, payout.id, PayoutState.APPROVED, now)


def give_up(tx: Tx, payout_id: UUID, reason: str, now: datetime) -> bool:
    """Have a payout's nonce used up by a no-op, if its payment has not been mined; with CANCELLED_BY_PEOPLE the payout
    is cancelled when the no-op has won. The payment that is out may still win. False when nothing is out.
    """
    payout = load(tx, payout_id)
    slot = payout_slots.open_slot(tx, payout_id)
    if payout is None or slot is None or slot.state not in (SlotState.ALLOCATED, SlotState.LIVE):
        return False
    payout_slots.give_up(tx, slot, reason, now)
    send_soon(tx, payout.id, payout.treasury, now)
    return True


class Retried(StrEnum):
    """What asking for a payout once more has led to."""

    SENT_ON = "sent_on"  # it has no signature that could still pay it: it goes on from where it stands
    LOOKED_AT = "looked_at"  # it has one: it is looked for, sent again as it is, or its fees are raised
    OVER = "over"  # paid or cancelled: nothing is left to do


def retry(tx: Tx, payout_id: UUID, now: datetime) -> Retried:
    """What R2 allows: never another nonce while one may still pay.

    Raises TooFewApprovals for what people hold (a reverted payment among it) and NotWaiting for a quarantine, which
    only evidence ends.
    """
    payout = load(tx, payout_id)
    if payout is None or payout.state is PayoutState.QUARANTINED:
        raise NotWaiting(f"payout {payout_id} is in quarantine")
    if payout.state in (PayoutState.PAID, PayoutState.CANCELLED):
        return Retried.OVER
    if payout.state is PayoutState.HELD:
        release(tx, payout_id, now)
        return Retried.SENT_ON
    send_soon(tx, payout.id, payout.treasury, now)
    if slot := payout_slots.open_slot(tx, payout_id):
        confirm_soon(tx, slot.signer, now)
        return Retried.LOOKED_AT
    return Retried.SENT_ON


def pause(tx: Tx, treasury: str, reason: str, now: datetime) -> bool:
    """Sign nothing more; an earlier reason stays. True when it was not paused before."""
    stopped = tx.run(
        "UPDATE treasuries SET paused_at = :now, pause_reason = :reason WHERE name = :treasury AND paused_at IS NULL",
        treasury=treasury,
        reason=reason,
        now=now,
    )
    return stopped > 0


def resume(tx: Tx, treasury: str, now: datetime) -> bool:
    """Go on; what was held by the pause is looked at by the next sweep. True when it was paused."""
    del now
    return (
        tx.run(
            """
            UPDATE treasuries SET paused_at = NULL, pause_reason = NULL, finish_live = false
            WHERE name = :treasury AND paused_at IS NOT NULL
            """,
            treasury=treasury,
        )
        > 0
    )


def allocate_slot(tx: Tx, payout: Payout, signer: Signer, now: datetime) -> Slot:
    """IN_FLIGHT: the signer's next nonce is this payout's."""
    tx.run_later(
        """
        INSERT INTO payout_slots (signer, nonce, payout_id, state_at, allocated_at)
        SELECT address, next_nonce, :payout_id, :now, :now FROM signers
        WHERE address = :signer AND epoch = :epoch
        """,
        payout_id=payout.id,
        signer=signer.address,
        epoch=signer.epoch,
        now=now,
    )
    _to(tx, payout.id, PayoutState.IN_FLIGHT, now)
    slot = payout_slots.open_slot(tx, payout.id)
    assert slot, "the trigger of IN_FLIGHT has seen it"
    return slot


def finalize(tx: Tx, payout: Payout, slot: Slot, kind: str, now: datetime) -> PayoutState:
    """The chain's last word on a MINED slot, and what it means for the payout, in one commit (C11).

    `kind` is the winner's. Paid: the journal is posted. Reverted: HELD with the money still set aside. A no-op won:
    back to RESERVED, to be sent again, or CANCELLED if that is what people gave its nonce up for.
    """
    if kind != "PAY":
        payout_slots.close(tx, slot, SlotState.FINAL_NOOP, now)
        _to(tx, payout.id, PayoutState.RESERVED, now)
        if slot.given_up_for == CANCELLED_BY_PEOPLE:
            cancel(tx, payout, now)
            return PayoutState.CANCELLED
        send_soon(tx, payout.id, payout.treasury, now)
        return PayoutState.RESERVED
    if not slot.succeeded:
        payout_slots.close(tx, slot, SlotState.FINAL_REVERTED, now)
        hold_back(tx, payout, HoldReason.REVERTED, now, approvals_needed=1)
        return PayoutState.HELD
    payout_slots.close(tx, slot, SlotState.FINAL_PAY, now)
    ledger.post(tx, f"paid:{payout.id}", _paid_lines(payout), now)
    if payout.source_kind == ROTATION:  # it went to the treasury's next key: nothing has left
        back = f"paid:{payout.treasury}", f"treasury:{payout.treasury}"
        ledger.move(tx, f"rotated:{payout.id}", *back, payout.amount, now)
    tx.run_later(
        """
        UPDATE payouts SET state = 'PAID', state_at = :now, paid_at = :now, transaction_hash = :hash
        WHERE id = :payout_id
        """,
        payout_id=payout.id,
        hash=slot.winning_hash,
        now=now,
    )
    return PayoutState.PAID


def _paid_lines(payout: Payout) -> dict[str, Usdt]:
    treasury, amount = payout.treasury, payout.amount
    lines = {f"in_flight:{treasury}": -amount, f"paid:{treasury}": amount}
    if payout.source_kind in PROMISED_SOURCES:
        lines |= {f"owed:{treasury}": -amount, f"settled:{treasury}": amount}
    return lines


def _promised_before(tx: Tx, promise: Promise) -> UUID:
    earlier = tx.all(
        _Terms,
        """
        SELECT id, body_hash FROM payouts
        WHERE (source_kind = :source_kind AND source_id = :source_id)
           OR (scope = :scope AND idempotency_key = :idempotency_key)
        """,
        source_kind=promise.source_kind,
        source_id=promise.source_id,
        scope=promise.scope,
        idempotency_key=promise.idempotency_key,
    )
    if [found.body_hash for found in earlier] != [promise.body_hash]:
        raise TermsDiffer(f"{promise.source_kind} {promise.source_id} was promised with other terms")
    return earlier[0].id


@dataclass(frozen=True)
class _Found:
    found: bool


def _is_reserved(tx: Tx, payout_id: UUID) -> bool:
    return tx.one(
        _Found, "SELECT payout_reserved(payouts) AS found FROM payouts WHERE id = :payout_id", payout_id=payout_id
    ).found


def _to(tx: Tx, payout_id: UUID, state: PayoutState, now: datetime) -> None:
    tx.run_later(
        "UPDATE payouts SET state = :state, hold_reason = NULL, state_at = :now WHERE id = :payout_id",
        payout_id=payout_id,
        state=state,
        now=now,
    )
