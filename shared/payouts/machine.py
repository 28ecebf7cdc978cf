"""The payout machine's states and transitions. Nothing else changes a payout; the schema holds the same rules.

A payout is a promise to one recipient; `slots` has the nonces and signatures that keep it. docs/payouts.md
describes the whole machine.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from shared import events
from shared.db import Tx
from shared.events import ConfirmPayouts, SendPayout
from shared.ledger import journals
from shared.payouts import interests, slots, terms
from shared.payouts.policy import SECOND_PERSON, TWO_PEOPLE
from shared.payouts.reads import (
    Approvals,
    approvals,
    is_in_doubt,
    load,
    load_all,
    of_sources,
    promised_before,
    treasury_of,
)
from shared.payouts.slots import Signer, Slot, SlotState
from shared.payouts.states import (
    CANCELLABLE,
    ROTATION,
    UNSIGNABLE,
    ApprovedBefore,
    HoldReason,
    MayBePaidAlready,
    NotWaiting,
    OwnPayout,
    Payout,
    PayoutState,
    Promise,
    TermsDiffer,
    TooFewApprovals,
    Treasury,
)
from shared.values.money import Usdt

__all__ = [
    "CANCELLABLE",
    "PROMISED_SOURCES",
    "ROTATION",
    "UNSIGNABLE",
    "Approvals",
    "ApprovedBefore",
    "HoldReason",
    "MayBePaidAlready",
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

# Sources whose amount stands on the account `owed` until it is paid.
PROMISED_SOURCES = frozenset({"comp", "affiliate_payout", "wholesale_comp"})


def request(tx: Tx, promise: Promise, now: datetime) -> UUID:
    """Promise a payout and have it sent. Asking again for the same source changes nothing and returns the same id.

    Raises TermsDiffer when the source or the key was promised with other terms, and BadTerms (`terms.check`).
    """
    rotates = promise.source_kind == ROTATION
    terms.check(tx, promise.recipient_address, promise.amount, to_next_key=rotates)
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
        return promised_before(tx, promise)
    send_soon(tx, identity, promise.treasury, now)
    return identity


def send_soon(tx: Tx, payout_id: UUID, treasury: str, now: datetime, *, name: str | None = None) -> None:
    """Queue a task of payout_send for a payout. Tasks of the same `name` are one task."""
    events.enqueue(tx, now, SendPayout(payout_id=payout_id, treasury=treasury), name=name)


def confirm_soon(tx: Tx, signer: str, now: datetime, delay: timedelta | None = None) -> None:
    """Queue a task of payout_confirm for a key's open nonces: now, or at the next full multiple of `delay`.

    Requests for the same moment share one task, because the task is named after the key and the moment.
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
    """Record a policy run and its decision: the payout becomes APPROVED, or HELD for the reason `hold`."""
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
    """Set the payout to HELD until the reason is gone or `approvals_needed` people have approved."""
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
    """Set the payout to RESERVED and move its amount from the treasury's free balance, unless it is set aside already.

    `set_aside` says whether it is; None has it read from the database.
    """
    if not (_is_reserved(tx, payout.id) if set_aside is None else set_aside):
        treasury = payout.treasury
        journals.move(tx, f"resv:{payout.id}", f"treasury:{treasury}", f"in_flight:{treasury}", payout.amount, now=now)
    _to(tx, payout.id, PayoutState.RESERVED, now)


def cancel(tx: Tx, payout: Payout, now: datetime) -> None:
    """Set a CANCELLABLE payout to CANCELLED and return what was set aside to the free balance. Harmless twice.

    The schema refuses this while a slot may still pay the payout.
    """
    if payout.state is PayoutState.CANCELLED:
        return
    if _is_reserved(tx, payout.id):
        treasury = payout.treasury
        journals.move(
            tx, f"cancel:{payout.id}", f"in_flight:{treasury}", f"treasury:{treasury}", payout.amount, now=now
        )
    _to(tx, payout.id, PayoutState.CANCELLED, now)


def follow_again(tx: Tx, payout_id: UUID, now: datetime) -> None:
    """Move a payout from QUARANTINED to IN_FLIGHT, after two people have approved what its slot's evidence says."""
    _to(tx, payout_id, PayoutState.IN_FLIGHT, now)


def approve(tx: Tx, payout_id: UUID, approver_id: UUID, evidence: Mapping[str, object], now: datetime) -> Approvals:
    """Record one person's approval of the payout's present hold; `release` then ends the hold. Returns the count.

    Raises NotWaiting (the payout was cancelled meanwhile, say), OwnPayout, MayBePaidAlready, ApprovedBefore.
    """
    payout = load(tx, payout_id)
    if payout is None or payout.state not in (PayoutState.HELD, PayoutState.QUARANTINED):
        raise NotWaiting(f"payout {payout_id} waits for nobody")
    if interests.profits_from_payout(tx, approver_id, payout_id):
        raise OwnPayout(f"the approver would profit from payout {payout_id}")
    if payout.state is PayoutState.HELD and is_in_doubt(tx, payout_id):
        raise MayBePaidAlready(f"a foreign transaction may have paid payout {payout_id}")
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
    """Move a payout from HELD to APPROVED and queue payout_send. A hold that needs no approval stays: the policy, which
    runs first in that task, ends it if its cause is gone. Raises NotWaiting, TooFewApprovals, MayBePaidAlready.
    """
    payout = load(tx, payout_id)
    if payout is None or payout.state is not PayoutState.HELD:
        raise NotWaiting(f"payout {payout_id} is not held")
    agreed = approvals(tx, payout_id)
    if agreed.given < agreed.needed:
        raise TooFewApprovals(f"{agreed.given} of {agreed.needed}")
    if agreed.needed:
        if is_in_doubt(tx, payout_id):
            raise MayBePaidAlready(f"a foreign transaction may have paid payout {payout_id}")
        _to(tx, payout.id, PayoutState.APPROVED, now)
    send_soon(tx, payout.id, payout.treasury, now)


def approve_by_two(tx: Tx, payout: Payout, now: datetime) -> None:
    """Move a payout from HELD to APPROVED if two people have approved, whatever the reason. Raises TooFewApprovals."""
    agreed = approvals(tx, payout.id)
    if agreed.given < max(agreed.needed, TWO_PEOPLE):
        raise TooFewApprovals(f"{agreed.given} of {max(agreed.needed, TWO_PEOPLE)}")
    _to(tx, payout.id, PayoutState.APPROVED, now)


def give_up(tx: Tx, payout_id: UUID, reason: str, now: datetime) -> bool:
    """Have a payout's open nonce (ALLOCATED or LIVE) used up by a no-op; a payment that was sent may still win.

    True also if the nonce was given up before: the first reason stays. False when the payout has no such nonce, as when
    it is mined. Once the no-op is final the payout is sent again; it is held for two people if `reason` is UNSIGNABLE.
    """
    payout = load(tx, payout_id)
    slot = slots.open_slot(tx, payout_id)
    if payout is None or slot is None or slot.state not in (SlotState.ALLOCATED, SlotState.LIVE):
        return False
    slots.give_up(tx, slot, reason, now)
    send_soon(tx, payout.id, payout.treasury, now)
    return True


class Retried(StrEnum):
    """The effect of a retry of a payout."""

    SENT_ON = "sent_on"  # the payout had no open nonce: it continues from its state
    LOOKED_AT = "looked_at"  # a signature may still pay it: that is observed, sent again, or replaced with higher fees
    OVER = "over"  # the payout is paid or cancelled: nothing is left to do


def retry(tx: Tx, payout_id: UUID, now: datetime) -> Retried:
    """Have a payout looked at or sent now, whatever it waits for; this gives it no nonce (R2).

    A HELD payout is released as `release` does. Raises TooFewApprovals for a hold that people have not approved enough,
    MayBePaidAlready if a foreign transaction may have paid it, and NotWaiting if it is unknown or in quarantine.
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
    if slot := slots.open_slot(tx, payout_id):
        confirm_soon(tx, slot.signer, now)
        return Retried.LOOKED_AT
    return Retried.SENT_ON


def pause(tx: Tx, treasury: str, reason: str, now: datetime) -> bool:
    """Pause a treasury, so that no payment is signed (R7), and wake nobody; `stops.stop` and `recovery.stop` do that.
    True when it was not paused before; else the earlier reason stays.
    """
    stopped = tx.run(
        "UPDATE treasuries SET paused_at = :now, pause_reason = :reason WHERE name = :treasury AND paused_at IS NULL",
        treasury=treasury,
        reason=reason,
        now=now,
    )
    return stopped > 0


def resume(tx: Tx, treasury: str, now: datetime) -> bool:
    """Resume a treasury; the next sweep takes up what the pause held. True when it was paused.

    For people, `recovery.resume` calls this after it has checked that no question is open.
    """
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
    """Set the payout to IN_FLIGHT and give it the signer's next nonce. Raises ConstraintViolated when the schema
    refuses (another worker has taken the key, say).
    """
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
    slot = slots.open_slot(tx, payout.id)
    assert slot, "the trigger of IN_FLIGHT has seen it"
    return slot


def finalize(tx: Tx, payout: Payout, slot: Slot, kind: str, now: datetime) -> PayoutState:
    """Apply the final result of a MINED slot to slot and payout in one transaction (C11); returns the new state.

    `kind` is that of the winning attempt. A payment that succeeded: PAID, and the journal is posted. A payment that
    reverted: HELD, with the money still set aside. A no-op: RESERVED, to be sent again; HELD for two people if its
    payment could not be signed.
    """
    if kind != "PAY":
        slots.close(tx, slot, SlotState.FINAL_NOOP, now)
        _to(tx, payout.id, PayoutState.RESERVED, now)
        if slot.given_up_for == UNSIGNABLE:
            hold_back(tx, payout, HoldReason.REVIEW, now, approvals_needed=TWO_PEOPLE)
            return PayoutState.HELD
        send_soon(tx, payout.id, payout.treasury, now)
        return PayoutState.RESERVED
    if not slot.succeeded:
        slots.close(tx, slot, SlotState.FINAL_REVERTED, now)
        hold_back(tx, payout, HoldReason.REVERTED, now, approvals_needed=SECOND_PERSON)
        return PayoutState.HELD
    slots.close(tx, slot, SlotState.FINAL_PAY, now)
    journals.post(tx, f"paid:{payout.id}", _paid_lines(payout), now)
    if payout.source_kind == ROTATION:  # the money went to the treasury's next key: nothing has left the treasury
        back = f"paid:{payout.treasury}", f"treasury:{payout.treasury}"
        journals.move(tx, f"rotated:{payout.id}", *back, payout.amount, now)
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


def _is_reserved(tx: Tx, payout_id: UUID) -> bool:
    return tx.scalar(
        bool, "SELECT payout_reserved(payouts) AS found FROM payouts WHERE id = :payout_id", payout_id=payout_id
    )


def _to(tx: Tx, payout_id: UUID, state: PayoutState, now: datetime) -> None:
    tx.run_later(
        "UPDATE payouts SET state = :state, hold_reason = NULL, state_at = :now WHERE id = :payout_id",
        payout_id=payout_id,
        state=state,
        now=now,
    )
