"""Signs transactions: first attempts for allocated nonces, higher fees for stuck ones, no-ops for payouts that must not
be paid.
"""

from collections.abc import Sequence
from uuid import UUID

from functions.payout_send import store
from functions.payout_send.steps import WorkerSession
from shared import clock, db, log
from shared.db import Tx
from shared.payouts import machine
from shared.payouts import slots as payout_slots
from shared.payouts.machine import Payout, PayoutState
from shared.payouts.signing import DOUBTFUL, SUSPENDED, Plan, send_stored, sign
from shared.payouts.slots import Attempt, Slot, SlotState
from shared.values import gas
from shared.values.gas import Price

UNSIGNED_MAX = 100  # nonces left by workers that died, signed in one shift beside the new ones
BLOCKED = "blocked"  # the reason for which a nonce is given up


def sign_taken(shift: WorkerSession, limit: int) -> None:
    """Sign and send the first attempts of allocated nonces, lowest first, at most `limit` + UNSIGNED_MAX. Signs nothing
    while the treasury is paused, or gas costs more than we pay.
    """
    slots = db.atomically(payout_slots.unsigned, shift.signer.address, limit + UNSIGNED_MAX)
    slots = [slot for slot in slots if slot.payout_id]
    if not slots or shift.treasury.paused_at:
        return
    price = gas.offer_within(shift.nodes.fees(), shift.fee_wei_max)
    if price is None:
        log.warning("gas costs more than we pay", treasury=shift.treasury.name)
        return
    slots = _give_up_unpayable(shift, slots)
    terms = _terms(slots)
    plans = [
        Plan(slot, None if slot.given_up_for else terms[slot.payout_id], 1, price)
        for slot in slots
        if slot.payout_id in terms  # a restored database may have lost the payout
    ]
    if plans:
        sign(shift.key, plans)


def _terms(slots: Sequence[Slot]) -> dict[UUID | None, Payout]:
    ids = [slot.payout_id for slot in slots if slot.payout_id]
    return {payout.id: payout for payout in db.atomically(machine.load_all, ids)}


def _give_up_unpayable(shift: WorkerSession, slots: Sequence[Slot]) -> list[Slot]:
    """Give up nonces whose recipient was blocked or suspended since the nonce was allocated, and of payouts that may be
    paid already: a no-op will use the nonce up (R3). Returns the slots that are still to be signed.
    """
    ids = [slot.payout_id for slot in slots if slot.payout_id]
    known, doubtful, suspended = db.atomically(
        lambda tx: (
            machine.load_all(tx, ids),
            store.may_be_paid_already(tx, ids),
            store.suspended(tx, ids),
        )
    )
    blocked = shift.blocked([payout.recipient_address for payout in known])
    reasons = {it.id: BLOCKED for it in known if it.recipient_address.lower() in blocked}
    reasons |= dict.fromkeys(suspended, SUSPENDED)
    reasons |= dict.fromkeys(doubtful, DOUBTFUL)
    if not reasons:
        return list(slots)

    def give_up(tx: Tx) -> list[Slot]:
        for payout_id, reason in sorted(reasons.items()):
            log.warning("a nonce is given up", payout_id=payout_id, reason=reason)
            machine.give_up(tx, payout_id, reason, clock.now())
        return payout_slots.reload_locked(tx, shift.signer.address, [slot.nonce for slot in slots])

    return [slot for slot in db.atomically(give_up) if slot.state in (SlotState.ALLOCATED, SlotState.LIVE)]


def resend_or_replace(shift: WorkerSession, payout_id: UUID) -> None:
    """Send a payout's stored transaction again, or replace it if it is stuck or must not be paid.

    Once its nonce is given up the payment is not sent again, however long its no-op has to wait. Does nothing unless
    the payout is IN_FLIGHT with a LIVE slot of this key.
    """
    slot = db.atomically(payout_slots.open_slot, payout_id)
    if slot is None or slot.state is not SlotState.LIVE or slot.signer != shift.signer.address:
        return
    payout = _terms([slot]).get(payout_id)
    if payout is None or payout.state is not PayoutState.IN_FLIGHT:
        return  # nothing more is signed in quarantine
    out = slot
    stored = db.atomically(payout_slots.attempts, out)
    if stored[-1].kind == "PAY" and not slot.given_up_for:
        slot = (_give_up_unpayable(shift, [slot]) or [slot])[0]
    price = _new_price(shift, slot, stored)
    if price is None:
        send_stored(shift.key, [(slot, stored[-1])] if stored[-1].may_be_sent_again(slot) else [])
        return
    gone = slot.given_up_for or any(attempt.kind == "NOOP" for attempt in stored)
    log.info("a transaction is replaced", payout_id=payout_id, nonce=slot.nonce, attempts=len(stored))
    sign(shift.key, [Plan(slot, None if gone else payout, stored[-1].position + 1, price)])


def _new_price(shift: WorkerSession, slot: Slot, stored: Sequence[Attempt]) -> Price | None:
    """The price of a replacement; None if the transaction is not to be replaced."""
    paying = not slot.given_up_for and all(attempt.kind == "PAY" for attempt in stored)
    if paying and shift.treasury.paused_at and not shift.treasury.finish_live:
        return None
    overdue = slot.given_up_for and stored[-1].kind == "PAY"
    signed_at = db.atomically(store.last_signed_at, slot.signer, slot.nonce)
    age = (clock.now() - signed_at).total_seconds()
    if not overdue and not gas.is_stuck(age, shift.bounds.stuck_seconds):
        return None
    highest = Price(
        max(attempt.fee_per_gas_wei_max for attempt in stored),
        max(attempt.priority_fee_per_gas_wei_max for attempt in stored),
    )
    price = gas.replacement(highest, shift.nodes.fees(), shift.fee_wei_max)
    if price is None:
        log.error("a transaction is stuck at the highest fee", payout_id=slot.payout_id, nonce=slot.nonce)
    return price
