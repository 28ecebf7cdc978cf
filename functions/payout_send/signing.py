"""What is signed: the nonces that were taken; for what is stuck, higher fees; for what must not be paid, a no-op."""

from collections.abc import Sequence
from uuid import UUID

from functions.payout_send import store
from functions.payout_send.steps import Shift
from shared import clock, db, log, payout_fees, payout_slots, payouts
from shared.db import Tx
from shared.payout_signing import Plan, send_stored, sign
from shared.payout_slots import Attempt, Slot, SlotState
from shared.payouts import Payout, PayoutState
from shared.ports.transactions import Price

UNSIGNED_MAX = 100  # nonces left behind by workers that died, signed in one shift beside the new ones
BLOCKED = "blocked"  # why a nonce is given up


def sign_taken(shift: Shift, limit: int) -> None:
    """The first attempts of all nonces that were taken, lowest first."""
    slots = db.atomically(lambda tx: payout_slots.unsigned(tx, shift.signer.address, limit + UNSIGNED_MAX))
    slots = [slot for slot in slots if slot.payout_id]
    if not slots or shift.treasury.paused_at:
        return
    price = payout_fees.offer(shift.nodes.fees(), shift.fee_wei_max)
    if price is None:
        log.warning("gas costs more than we pay", treasury=shift.treasury.name)
        return
    slots = _give_up_blocked(shift, slots)
    terms = _terms(slots)
    plans = [
        Plan(slot, None if slot.given_up_for else terms[slot.payout_id], 1, price)
        for slot in slots
        if slot.payout_id in terms  # not so when the database was restored meanwhile
    ]
    if plans:
        sign(shift.key, plans)


def _terms(slots: Sequence[Slot]) -> dict[UUID | None, Payout]:
    ids = [slot.payout_id for slot in slots if slot.payout_id]
    return {payout.id: payout for payout in db.atomically(lambda tx: payouts.load_all(tx, ids))}


def _give_up_blocked(shift: Shift, slots: Sequence[Slot]) -> list[Slot]:
    """Whoever was blocked since the nonce was taken is not paid: the nonce is used up by a no-op (R3)."""
    terms = _terms(slots)
    blocked = shift.blocked([payout.recipient_address for payout in terms.values()])
    if not blocked:
        return list(slots)

    def give_up(tx: Tx) -> list[Slot]:
        for slot in slots:
            payout = terms.get(slot.payout_id)
            if payout and payout.recipient_address.lower() in blocked:
                log.warning("a nonce is given up", payout_id=payout.id, nonce=slot.nonce, reason=BLOCKED)
                payouts.give_up(tx, payout.id, BLOCKED, clock.now())
        return payout_slots.relock(tx, shift.signer.address, [slot.nonce for slot in slots])

    return [slot for slot in db.atomically(give_up) if slot.state in (SlotState.ALLOCATED, SlotState.LIVE)]


def tend(shift: Shift, payout_id: UUID) -> None:
    """A payout that is out: send what is stored again, or replace it when it is stuck or must not go on."""
    slot = db.atomically(lambda tx: payout_slots.open_slot(tx, payout_id))
    if slot is None or slot.state is not SlotState.LIVE or slot.signer != shift.signer.address:
        return
    payout = _terms([slot]).get(payout_id)
    if payout is None or payout.state is not PayoutState.IN_FLIGHT:
        return  # in quarantine nothing more is signed
    out = slot
    stored = db.atomically(lambda tx: payout_slots.attempts(tx, out))
    if stored[-1].kind == "PAY" and not slot.given_up_for:
        slot = (_give_up_blocked(shift, [slot]) or [slot])[0]
    price = _new_price(shift, slot, stored)
    if price is None:
        send_stored(shift.key, [(slot, stored[-1])] if stored[-1].raw else [])
        return
    gone = slot.given_up_for or any(attempt.kind == "NOOP" for attempt in stored)
    log.info("a transaction is replaced", payout_id=payout_id, nonce=slot.nonce, attempts=len(stored))
    sign(shift.key, [Plan(slot, None if gone else payout, stored[-1].position + 1, price)])


def _new_price(shift: Shift, slot: Slot, stored: Sequence[Attempt]) -> Price | None:
    """What a replacement offers; None when there is to be none."""
    paying = not slot.given_up_for and all(attempt.kind == "PAY" for attempt in stored)
    if paying and shift.treasury.paused_at and not shift.treasury.finish_live:
        return None
    overdue = slot.given_up_for and stored[-1].kind == "PAY"
    signed_at = db.atomically(lambda tx: store.last_signed_at(tx, slot.signer, slot.nonce))
    age = (clock.now() - signed_at).total_seconds()
    if not overdue and not payout_fees.is_stuck(age, shift.bounds.stuck_seconds):
        return None
    highest = Price(
        max(attempt.fee_per_gas_wei_max for attempt in stored),
        max(attempt.priority_fee_per_gas_wei_max for attempt in stored),
    )
    price = payout_fees.replacement(highest, shift.nodes.fees(), shift.fee_wei_max)
    if price is None:
        log.error("a transaction is stuck at the highest fee", payout_id=slot.payout_id, nonce=slot.nonce)
    return price
