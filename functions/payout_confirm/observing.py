"""Compares a key's open nonces with the chain, lowest first, and records what is final."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from functions.payout_confirm import reverts, rules, store
from shared import clock, db, log
from shared.affiliates import payouts as affiliate_payouts
from shared.comps import awards, totals
from shared.db import Tx
from shared.messages import hook_events
from shared.orders import tasks
from shared.payouts import evidence as payout_evidence
from shared.payouts import machine, recovery, search
from shared.payouts import slots as payout_slots
from shared.payouts.machine import Payout, PayoutState, Treasury
from shared.payouts.slots import Attempt, Mined, Slot, SlotState
from shared.ports.polygon.chain import Chain, Moved, Observation, Receipt
from shared.ports.polygon.failures import ChainUnreachable, StateGone
from shared.values.hooks import HookKind

WINDOW = 100  # nonces compared together
WINDOWS_MAX = 100
REMINDED_MAX = 20  # transactions sent again, and checked for being stuck, per call
MARK_PAID = {"comp": awards.mark_paid, affiliate_payouts.SOURCE: affiliate_payouts.mark_paid}  # by source kind


@dataclass(frozen=True)
class SignerView:
    """A key's open nonces, the transactions signed for each, and the answers of the nodes."""

    treasury: Treasury
    slots: list[Slot]
    attempts: Mapping[int, list[Attempt]]
    final_nonces: int
    look: Observation

    def receipt(self, slot: Slot) -> tuple[Attempt, Receipt] | None:
        """The one attempt of the nonce that was mined, with its receipt; None without one that all nodes give alike."""
        for attempt in reversed(self.attempts[slot.nonce]):
            if receipt := self.look.receipts.get(attempt.hash):
                return attempt, receipt
        return None

    def is_disputed(self, slot: Slot) -> bool:
        return any(attempt.hash in self.look.disputed for attempt in self.attempts[slot.nonce])


Step = Callable[[Tx, SignerView, Sequence[Slot]], None]


def observe(signer: str, nodes: Chain) -> bool:
    """Compare all open nonces of a key; True while some are left. An error of a node is never taken as an answer."""
    after = -1
    for _ in range(WINDOWS_MAX):
        slots = db.atomically(partial(payout_slots.window, signer=signer, after_nonce=after, limit=WINDOW))
        if not slots:
            break
        after = slots[-1].nonce
        try:
            if not _observe(signer, slots, nodes):
                break  # no later nonce can be in the chain
        except ChainUnreachable as error:
            log.warning("the chain cannot be read", signer=signer, reason=str(error))
            break
    return db.atomically(payout_slots.lowest_open, signer) is not None


def _observe(signer: str, slots: list[Slot], nodes: Chain) -> bool:
    """Compare one window of nonces; True if all of them are mined."""

    def read(tx: Tx) -> tuple[Treasury, Mapping[int, list[Attempt]]]:
        return machine.treasury_of(tx, store.treasury_of(tx, signer)), payout_slots.attempts_of(tx, slots)

    treasury, attempts = db.atomically(read)
    final_nonces = _final_nonces(signer, nodes)  # read first: a nonce that is final here must have a receipt afterwards
    look = nodes.observe([attempt.hash for slot in slots for attempt in attempts[slot.nonce]])
    view = SignerView(treasury, slots, attempts, final_nonces, look)
    there = [slot for slot in slots if view.receipt(slot)]
    absent = [slot for slot in slots if not view.receipt(slot)]
    _dispute(view, slots, [slot for slot in absent if view.is_disputed(slot)])
    _each(view, there, _there)
    if absent:
        _absent(view, absent, nodes)
    return len(there) == len(slots)


def _final_nonces(signer: str, nodes: Chain) -> int:
    """The number of nonces that the finalized chain has used; 0 if the nodes no longer keep the accounts of
    that block.
    """
    try:
        return nodes.final_nonces(signer)
    except StateGone as gone:
        log.warning("the finalized accounts cannot be read", signer=signer, reason=str(gone))
        return 0


def _each(view: SignerView, slots: Sequence[Slot], step: Step) -> None:
    """Run the step for all slots in one transaction; if that fails, one by one, and log an error for the failing slot.

    An outage of the database is raised, since no slot is at fault.
    """
    if not slots:
        return
    try:
        db.atomically(step, view, slots)
    except Exception as failure:
        if db.is_outage(failure):
            raise
        if len(slots) == 1:
            known = {"payout_id": slots[0].payout_id, "nonce": slots[0].nonce, "rule": db.rule_of(failure)}
            log.error("a payout cannot be finished", **known, reason=str(failure))
            return
        for slot in slots:
            _each(view, [slot], step)


def _there(tx: Tx, view: SignerView, slots: Sequence[Slot]) -> None:
    """Record the blocks of mined attempts, and the outcome of those that are final."""
    payouts = [slot.payout_id for slot in slots if slot.payout_id]
    totals.lock_of_payouts(tx, payouts)
    known = {payout.id: payout for payout in machine.load_all(tx, payouts)}
    now_slots = payout_slots.reload_locked(tx, slots[0].signer, [slot.nonce for slot in slots])
    for slot in now_slots:
        payout = known[slot.payout_id] if slot.payout_id else None
        if slot.state in (SlotState.LIVE, SlotState.MINED) and (
            payout is None or payout.state is PayoutState.IN_FLIGHT
        ):
            _record(tx, view, slot, payout)


def _record(tx: Tx, view: SignerView, slot: Slot, payout: Payout | None) -> None:
    seen = view.receipt(slot)
    assert seen
    attempt, receipt = seen
    mined = Mined(attempt.hash, receipt.block_number, receipt.block_hash, receipt.succeeded)
    now = clock.now()
    if (slot.winning_hash, slot.block_hash) != (mined.hash, mined.block_hash):
        payout_slots.mark_mined(tx, slot, mined, now)
        slot = slot_after(slot, mined)
        if payout and not mined.succeeded:
            reverts.heed(tx, payout.treasury, slot, now)
    if receipt.block_number > view.look.heads.final:
        return
    if payout is None:
        payout_slots.close(tx, slot, SlotState.FINAL_NOOP, now)
        return
    if _moved_otherwise(view, attempt, receipt, payout):
        reason = f"the payment with nonce {slot.nonce} of {slot.signer} moved something else than was promised"
        proof = payout_evidence.of_receipt(receipt)
        recovery.quarantine(tx, slot, recovery.MOVED_OTHERWISE, reason, proof, now=now)
        return
    state = machine.finalize(tx, payout, slot, attempt.kind, now)
    if state is PayoutState.PAID and payout.source_kind in MARK_PAID:
        mark_paid = MARK_PAID[payout.source_kind]
        mark_paid(tx, UUID(payout.source_id), slot.signer, payout.recipient_address, attempt.hash, now=now)
    if state is PayoutState.PAID and payout.source_kind == "refund":
        tasks.watch_deposits(tx, now)  # which books it and takes the order further
    if state is PayoutState.PAID:
        hook_events.tell(tx, HookKind.PAYOUT_CONFIRMED, payout.id, now)
    log.info("payout is final", payout_id=payout.id, state=state.value, hash=attempt.hash)
    if state is PayoutState.HELD:
        log.error("a payment has reverted", payout_id=payout.id, hash=attempt.hash)


def slot_after(slot: Slot, mined: Mined) -> Slot:
    """The slot as `mark_mined` leaves it."""
    return Slot(
        slot.signer,
        slot.nonce,
        slot.payout_id,
        SlotState.MINED,
        mined.hash,
        block_number=mined.block_number,
        block_hash=mined.block_hash,
        succeeded=mined.succeeded,
        given_up_for=slot.given_up_for,
    )


def _moved_otherwise(view: SignerView, attempt: Attempt, receipt: Receipt, payout: Payout) -> bool:
    """Whether a payment succeeded without the exact transfer log of a payment: the token returns false, takes a fee, or
    logs its transfers differently. Money may have left the treasury.
    """
    terms = (view.treasury.token_address.lower(), attempt.signer.lower(), payout.recipient_address.lower())
    return attempt.kind == "PAY" and receipt.succeeded and Moved(*terms, payout.amount.micro) not in receipt.moved


def _absent(view: SignerView, slots: Sequence[Slot], nodes: Chain) -> None:
    """Tend slots without a receipt: one whose block was reorganised away is LIVE again, and the newest attempt of the
    lowest REMINDED_MAX is sent again, unless the finalized chain has used the nonce: that transaction is searched for
    (R5).
    """
    quiet = [slot for slot in slots if not view.is_disputed(slot)]
    db.atomically(_not_there, quiet)
    live = [slot for slot in quiet if slot.state is not SlotState.ALLOCATED]
    if not live:
        return
    live = [slot for slot in live[:REMINDED_MAX] if not _is_used(view, slot, nodes)]
    newest = [(slot, view.attempts[slot.nonce][-1]) for slot in live]
    last = [attempt for slot, attempt in newest if attempt.may_be_sent_again(slot)]
    for attempt, answer in zip(last, nodes.send([it.raw for it in last]), strict=True):
        log.info("transaction sent again", nonce=attempt.nonce, hash=attempt.hash, outcome=answer.outcome)
    db.atomically(_have_tended, view.treasury.name, live)


def _not_there(tx: Tx, seen: Sequence[Slot]) -> None:
    if not seen:
        return
    machine.load_all(tx, [slot.payout_id for slot in seen if slot.payout_id])
    for slot in payout_slots.reload_locked(tx, seen[0].signer, [slot.nonce for slot in seen]):
        if slot.state is SlotState.MINED and slot in seen:
            log.warning("a block was reorganised away", payout_id=slot.payout_id, block_number=slot.block_number)
            store.mark_dropped(tx, slot, clock.now())


def _have_tended(tx: Tx, treasury: str, slots: Sequence[Slot]) -> None:
    """Enqueue a payout_send task for slots that wait too long or were given up; its name limits it to one a minute."""
    now = clock.now()
    for slot in slots:
        if slot.payout_id and (slot.given_up_for or store.is_stuck(tx, slot.signer, slot.nonce, now)):
            machine.send_soon(tx, slot.payout_id, treasury, now, name=f"tend-{slot.payout_id}-{now:%Y%m%d%H%M}")


def _dispute(view: SignerView, slots: Sequence[Slot], disputed: Sequence[Slot]) -> None:
    """Wait while the nodes disagree about a slot; after a quarter of an hour, quarantine it."""
    signer, now = slots[0].signer, clock.now()
    nonces, theirs = [slot.nonce for slot in slots], [slot.nonce for slot in disputed]
    if not theirs and not db.atomically(store.any_disputed, signer, nonces):
        return
    since = db.atomically(payout_slots.dispute, signer, nonces, theirs, now)
    for slot in disputed:
        log.error("the nodes disagree", payout_id=slot.payout_id, nonce=slot.nonce, since=since[slot.nonce].isoformat())
        if slot.payout_id and rules.is_over(since[slot.nonce], now):
            reason = f"the nodes disagree about nonce {slot.nonce} of {signer}"
            hashes = [attempt.hash for attempt in view.attempts[slot.nonce]]
            proof = {"hashes": hashes, "since": since[slot.nonce].isoformat()}
            _each(view, [slot], partial(_quarantine, kind="disputed", reason=reason, proof=proof))


def _quarantine(
    tx: Tx, _: SignerView, slots: Sequence[Slot], *, kind: str, reason: str, proof: Mapping[str, object]
) -> None:
    for slot in slots:
        recovery.quarantine(tx, slot, kind, reason, proof, now=clock.now())


def _is_used(view: SignerView, slot: Slot, nodes: Chain) -> bool:
    """True if the finalized chain has used the nonce: its transaction was found and is recorded (R5), or the nodes do
    not answer now. It may be ours, since nodes forget hashes. False also if the search has not found it yet.
    """
    if view.final_nonces <= slot.nonce:
        return False
    try:
        found = search.find(slot.signer, view.treasury.token_address, slot.nonce, nodes)
    except ChainUnreachable as error:
        log.warning("the chain cannot be read", signer=slot.signer, reason=str(error))
        return True
    if found is None:
        log.warning("a receipt is missing", payout_id=slot.payout_id, nonce=slot.nonce)
        return False
    if found.hash in {attempt.hash for attempt in view.attempts[slot.nonce]}:
        look = replace(view.look, receipts={**view.look.receipts, found.hash: found.receipt})
        _each(replace(view, look=look), [slot], _there)
        return True
    evidence = payout_evidence.evidence(found)
    reason = f"nonce {slot.nonce} of {slot.signer} was used by {found.hash}, which is not ours"
    _each(view, [slot], lambda tx, *_: recovery.call_foreign(tx, slot, reason, evidence, clock.now()))
    return True
