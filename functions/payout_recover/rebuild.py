"""Rebuilds a key after its database was restored (R8), so that nothing is paid twice, whatever the lost rows had.

1. Every nonce that the finalized chain has used and our rows do not explain is looked up (`payouts.search`), unless it
   was used by one of our own stored transactions. A payment found is matched with an open payout of the same terms if
   there is exactly one; everything else stays FOREIGN until people explain it, and no payout with its terms is signed
   meanwhile.
2. Signatures of the lost timeline may still be in a node's pool. They can only use nonces that were open when it
   ended, and there were never more of those than `payout_in_flight_max`. Therefore so many nonces are used up by
   no-ops, and each is followed until it is final, whichever transaction won it. Then no lost signature can be mined.
3. Only then is the key free. Its treasury stays paused until people resume it.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from functions.payout_recover import store
from shared import clock, db, log, settings
from shared.db import Tx
from shared.payouts import evidence as payout_evidence
from shared.payouts import machine, recovery, search, signing
from shared.payouts import slots as payout_slots
from shared.payouts.machine import Payout, PayoutState
from shared.payouts.signing import HeldKey, Plan
from shared.payouts.slots import Slot, SlotState
from shared.ports.polygon.chain import NONCES_APART_MAX, Found, Moved
from shared.values import gas
from shared.values.gas import Price
from shared.values.money import MICRO_MAX, Usdt
from shared.values.polygon import GWEI
from shared.values.settings import PayoutSettings

NONCES_PER_STEP = 500  # per run; the next run continues
REBUILT = "rebuilt"  # the reason for which a nonce is given up


def advance(key: HeldKey) -> None:
    """Rebuild the key as far as the chain answers today."""
    bounds = db.atomically(lambda tx: settings.load(tx).payouts)
    final = key.nodes.final_nonces(key.signer.address)
    below = _seal(key, final, bounds)
    if not _explain_used(key, final):
        return
    _burn(key, below, bounds)
    if final >= below and not db.atomically(store.open_below, key.signer.address, below, 1):
        db.atomically(store.rebuilt, key.signer.address)
        log.warning("a key is rebuilt", signer=key.signer.address, treasury=key.treasury.name)


def _seal(key: HeldKey, final: int, bounds: PayoutSettings) -> int:
    """The nonce below which a lost signature may exist, as it was first read. If a node's absurd answer has made it far
    too high, it is lowered, because every nonce up to it would be burned.
    """
    sealed, used = key.signer.sealed_below, key.nodes.used_nonces(key.signer.address)
    if sealed is not None and sealed <= used + bounds.in_flight_max + NONCES_APART_MAX:
        return sealed
    below = used + bounds.in_flight_max
    log.warning("a key is being rebuilt", signer=key.signer.address, final_nonces=final, sealed_before=sealed)
    db.atomically(store.seal, key.signer.address, below)
    return below


def _explain_used(key: HeldKey, final: int) -> bool:
    """Find the transaction of each used nonce below `final` that our rows leave open; True if all are explained or
    FOREIGN.
    """
    address, token = key.signer.address, key.treasury.token_address
    for slot in _not_ours(key, db.atomically(store.unexplained, address, final, NONCES_PER_STEP)):
        found = search.find(address, token, slot.nonce, key.nodes)
        if found is None:
            return False
        if found.hash not in {it.hash for it in db.atomically(partial(payout_slots.attempts, slot=slot))}:
            db.atomically(partial(_explain, key=key, slot=slot, found=found))
    for nonce in range(db.atomically(payout_slots.next_nonce, address), final)[:NONCES_PER_STEP]:
        found = search.find(address, token, nonce, key.nodes)
        if found is None:
            return False
        db.atomically(partial(_enter, key=key, found=found))
    return db.atomically(payout_slots.next_nonce, address) >= final


def _not_ours(key: HeldKey, slots: Sequence[Slot]) -> list[Slot]:
    """The slots for which no stored transaction was mined; the others are followed to their end as usual."""
    attempts = db.atomically(partial(payout_slots.attempts_of, slots=slots))
    look = key.nodes.observe([attempt.hash for made in attempts.values() for attempt in made])
    return [slot for slot in slots if not any(it.hash in look.receipts for it in attempts[slot.nonce])]


def _enter(tx: Tx, key: HeldKey, found: Found) -> None:
    """Insert a used nonce that our rows do not have, and explain it."""
    if payout_slots.next_nonce(tx, key.signer.address) == found.nonce:
        store.take_nonce(tx, key.signer.address, clock.now())
        (slot,) = payout_slots.reload_locked(tx, key.signer.address, [found.nonce])
        _explain(tx, key, slot, found)


def _explain(tx: Tx, key: HeldKey, slot: Slot, found: Found) -> None:
    """Record what a transaction outside our rows has done with a nonce, if that is beyond doubt; else mark it
    FOREIGN.
    """
    now = clock.now()
    proof = payout_evidence.evidence(found)
    paid = _paid(key, found)
    payout = _payout_of(tx, key, slot, paid)
    if payout or not paid:
        payout_slots.note_event(tx, slot, "recovered", proof, now, attempt_hash=found.hash)
    if payout and payout.state is PayoutState.IN_FLIGHT:
        recovery.recover(tx, slot, proof, payout, now)
    elif payout:
        recovery.claim(tx, slot, payout, proof, now)
    elif not paid:
        mined = recovery.recover(tx, slot, proof, None, now)
        _close_unpaid(tx, mined)
    else:
        reason = f"nonce {slot.nonce} of {slot.signer} has paid somebody, and no open payout alone fits"
        recovery.call_foreign(tx, slot, reason, proof, now)


def _paid(key: HeldKey, found: Found) -> list[Moved]:
    """The token's transfers from the key in this transaction; none if it was a no-op, or reverted."""
    token, sender = key.treasury.token_address.lower(), key.signer.address.lower()
    return [
        moved for moved in found.receipt.moved if (moved.token, moved.sender) == (token, sender) and moved.amount_micro
    ]


def _payout_of(tx: Tx, key: HeldKey, slot: Slot, paid: Sequence[Moved]) -> Payout | None:
    """The payout that a transaction has paid: the slot's own, or the only one with these terms that waits for
    payment; None if none fits beyond doubt.
    """
    if len(paid) != 1 or paid[0].amount_micro > MICRO_MAX:
        return None
    amount = Usdt(paid[0].amount_micro)
    if slot.payout_id:
        own = machine.load(tx, slot.payout_id)
        fits = own and (own.recipient_address.lower(), own.amount) == (paid[0].recipient, amount)
        return own if fits and own and own.state is PayoutState.IN_FLIGHT else None
    ids = store.candidates(tx, key.treasury.name, paid[0].recipient, amount)
    if len(ids) != 1:
        return None
    found = machine.load(tx, ids[0])
    return found if found and found.state in recovery.WAITING else None


def _close_unpaid(tx: Tx, slot: Slot) -> None:
    """Close a nonce that was used without paying anybody; its payout, if it had one, will be sent again."""
    now = clock.now()
    payout = machine.load(tx, slot.payout_id) if slot.payout_id else None
    if payout and payout.state is PayoutState.IN_FLIGHT:
        machine.finalize(tx, payout, slot, "OTHER", now)
    else:
        payout_slots.close(tx, slot, SlotState.FINAL_NOOP, now)


def _burn(key: HeldKey, below: int, bounds: PayoutSettings) -> None:
    """Sign no-ops for all nonces below `below` that have no signature, giving up those of payouts, and raise the fees
    of those that are stuck. Signs nothing while gas costs more than we pay.
    """

    def take(tx: Tx) -> list[Slot]:
        missing = below - payout_slots.next_nonce(tx, key.signer.address)
        for _ in range(min(missing, NONCES_PER_STEP)):
            store.take_nonce(tx, key.signer.address, clock.now())
        return store.open_below(tx, key.signer.address, below, bounds.in_flight_max)

    slots = db.atomically(take)
    fees = key.nodes.fees()
    price = gas.offer_within(fees, bounds.fee_gwei_max * GWEI)
    if price is None:
        log.warning("gas costs more than we pay", treasury=key.treasury.name)
        return
    plans = [Plan(slot, None, 1, price) for slot in slots if slot.state is SlotState.ALLOCATED]
    for slot in slots:
        if slot.state is SlotState.ALLOCATED and slot.payout_id:
            db.atomically(partial(_give_up, payout_id=slot.payout_id))
    nobodys = [slot for slot in slots if slot.state is SlotState.LIVE and slot.payout_id is None]
    since = clock.now() - timedelta(seconds=bounds.stuck_seconds)
    for signed in db.atomically(store.burning, key.signer.address, nobodys):
        last = Price(signed.fee_per_gas_wei_max, signed.priority_fee_per_gas_wei_max)
        raised = gas.replacement(last, fees, bounds.fee_gwei_max * GWEI)
        if signed.signed_at <= since and raised:
            slot = next(it for it in nobodys if it.nonce == signed.nonce)
            plans.append(Plan(slot, None, signed.position + 1, raised))
    if plans:
        signing.sign(key, plans)


def _give_up(tx: Tx, payout_id: UUID) -> None:
    machine.give_up(tx, payout_id, REBUILT, clock.now())
