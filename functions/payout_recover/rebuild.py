"""Rebuild a key after its database was restored (R8): nothing is paid twice, whatever the lost rows had promised.

1. Every nonce that the finalized chain has used and our rows do not explain is searched. What it paid is matched with
   an open payout of the same terms if there is exactly one; everything else stays FOREIGN for people, and no payout of
   its terms is signed meanwhile.
2. Signatures of the lost timeline may still be in somebody's pool. They can only use nonces that were open when it
   ended, and of those there were never more than `payout_in_flight_max`: so many are burned by no-ops, and each is
   waited for until it is final, whoever won it. After that no lost signature can land.
3. Only then is the key free. Its treasury stays paused until people resume it.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from functions.payout_recover import store
from shared import clock, db, log, payout_fees, payout_recovery, payout_signing, payout_slots, payouts, settings
from shared.db import Tx
from shared.money import MICRO_MAX, Usdt
from shared.payout_signing import Key, Plan
from shared.payout_slots import Slot, SlotState
from shared.payouts import Payout, PayoutState
from shared.ports.chain import Found, Moved
from shared.ports.transactions import Price
from shared.settings import PayoutSettings

NONCES_PER_STEP = 500  # of one run; the next goes on
REBUILT = "rebuilt"  # why a nonce is given up


def go_on(key: Key) -> None:
    """As far as the chain tells today."""
    bounds = db.atomically(lambda tx: settings.load(tx).payouts)
    final = key.nodes.final_nonces(key.signer.address)
    below = key.signer.sealed_below or key.nodes.used_nonces(key.signer.address) + bounds.in_flight_max
    if key.signer.sealed_below is None:
        log.warning("a key is being rebuilt", signer=key.signer.address, final_nonces=final)
        db.atomically(lambda tx: store.seal(tx, key.signer.address, below))
    if not _explain_used(key, final):
        return
    _burn(key, below, bounds)
    if final >= below and not db.atomically(lambda tx: store.open_below(tx, key.signer.address, below, 1)):
        db.atomically(lambda tx: store.rebuilt(tx, key.signer.address))
        log.warning("a key is rebuilt", signer=key.signer.address, treasury=key.treasury.name)


def _explain_used(key: Key, final: int) -> bool:
    """Find out what used each nonce below `final` that our rows leave open; True when all are explained or FOREIGN."""
    address = key.signer.address
    for slot in db.atomically(lambda tx: store.unexplained(tx, address, final, NONCES_PER_STEP)):
        attempts = db.atomically(partial(payout_slots.attempts, slot=slot))
        found = key.nodes.find(address, slot.nonce)
        if found is None:
            return False
        if found.hash not in {attempt.hash for attempt in attempts}:
            db.atomically(partial(_explain, key=key, slot=slot, found=found))
    for nonce in range(db.atomically(lambda tx: payout_slots.next_nonce(tx, address)), final)[:NONCES_PER_STEP]:
        found = key.nodes.find(address, nonce)
        if found is None:
            return False
        db.atomically(partial(_enter, key=key, found=found))
    return db.atomically(lambda tx: payout_slots.next_nonce(tx, address)) >= final


def _enter(tx: Tx, key: Key, found: Found) -> None:
    """A nonce that our rows do not have."""
    if payout_slots.next_nonce(tx, key.signer.address) == found.nonce:
        store.take_nonce(tx, key.signer.address, clock.now())
        (slot,) = payout_slots.relock(tx, key.signer.address, [found.nonce])
        _explain(tx, key, slot, found)


def _explain(tx: Tx, key: Key, slot: Slot, found: Found) -> None:
    """What a transaction that is not in our rows has done with a nonce, if that is beyond doubt; else FOREIGN."""
    now = clock.now()
    proof = payout_recovery.evidence(found)
    paid = _paid(key, found)
    payout = _payout_of(tx, key, slot, paid)
    if payout or not paid:
        payout_slots.note_event(tx, slot, "recovered", proof, now, found.hash)
    if payout and payout.state is PayoutState.IN_FLIGHT:
        payout_recovery.recover(tx, slot, proof, payout, now)
    elif payout:
        payout_recovery.claim(tx, slot, payout, proof, now)
    elif not paid:
        mined = payout_recovery.recover(tx, slot, proof, None, now)
        _close_unpaid(tx, mined)
    else:
        reason = f"nonce {slot.nonce} of {slot.signer} has paid somebody, and no open payout alone fits"
        payout_recovery.call_foreign(tx, slot, reason, proof, now)


def _paid(key: Key, found: Found) -> list[Moved]:
    """The token's transfers from the key in it; none when it was a no-op, or reverted."""
    token, sender = key.treasury.token_address.lower(), key.signer.address.lower()
    return [
        moved for moved in found.receipt.moved if (moved.token, moved.sender) == (token, sender) and moved.amount_micro
    ]


def _payout_of(tx: Tx, key: Key, slot: Slot, paid: Sequence[Moved]) -> Payout | None:
    """The payout that a transaction has paid: the slot's own, or the only one of these terms that waits for payment."""
    if len(paid) != 1 or paid[0].amount_micro > MICRO_MAX:
        return None
    amount = Usdt(paid[0].amount_micro)
    if slot.payout_id:
        own = payouts.load(tx, slot.payout_id)
        fits = own and (own.recipient_address.lower(), own.amount) == (paid[0].recipient, amount)
        return own if fits and own and own.state is PayoutState.IN_FLIGHT else None
    ids = store.candidates(tx, key.treasury.name, paid[0].recipient, amount)
    if len(ids) != 1:
        return None
    found = payouts.load(tx, ids[0])
    return found if found and found.state in payout_recovery.WAITING else None


def _close_unpaid(tx: Tx, slot: Slot) -> None:
    """The nonce was used up and has paid nobody: its payout, if it had one, is to be sent again."""
    now = clock.now()
    payout = payouts.load(tx, slot.payout_id) if slot.payout_id else None
    if payout and payout.state is PayoutState.IN_FLIGHT:
        payouts.finalize(tx, payout, slot, "OTHER", now)
    else:
        payout_slots.close(tx, slot, SlotState.FINAL_NOOP, now)


def _burn(key: Key, below: int, bounds: PayoutSettings) -> None:
    """No-ops for all nonces below `below` that are not signed for, and higher fees for those that are stuck."""

    def take(tx: Tx) -> list[Slot]:
        for _ in range(max(0, below - payout_slots.next_nonce(tx, key.signer.address))):
            store.take_nonce(tx, key.signer.address, clock.now())
        return store.open_below(tx, key.signer.address, below, bounds.in_flight_max)

    slots = db.atomically(take)
    fees = key.nodes.fees()
    price = payout_fees.offer(fees, bounds.fee_gwei_max * payout_fees.GWEI)
    if price is None:
        log.warning("gas costs more than we pay", treasury=key.treasury.name)
        return
    plans = [Plan(slot, None, 1, price) for slot in slots if slot.state is SlotState.ALLOCATED]
    for slot in slots:
        if slot.state is SlotState.ALLOCATED and slot.payout_id:
            db.atomically(partial(_give_up, payout_id=slot.payout_id))
    nobodys = [slot for slot in slots if slot.state is SlotState.LIVE and slot.payout_id is None]
    since = clock.now() - timedelta(seconds=bounds.stuck_seconds)
    for signed in db.atomically(lambda tx: store.burning(tx, key.signer.address, nobodys)):
        last = Price(signed.fee_per_gas_wei_max, signed.priority_fee_per_gas_wei_max)
        raised = payout_fees.replacement(last, fees, bounds.fee_gwei_max * payout_fees.GWEI)
        if signed.signed_at <= since and raised:
            slot = next(it for it in nobodys if it.nonce == signed.nonce)
            plans.append(Plan(slot, None, signed.position + 1, raised))
    if plans:
        payout_signing.sign(key, plans)


def _give_up(tx: Tx, payout_id: UUID) -> None:
    payouts.give_up(tx, payout_id, REBUILT, clock.now())
