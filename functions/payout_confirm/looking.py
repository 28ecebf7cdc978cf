"""Compare a key's open nonces with the chain, lowest first, and write down what the chain has said for good."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from functions.payout_confirm import rules, store
from functions.payout_confirm.rules import Sighting
from shared import clock, comps, db, log, payout_recovery, payout_slots, payouts
from shared.db import Tx
from shared.payout_slots import Attempt, Mined, Slot, SlotState
from shared.payouts import Payout, PayoutState, Treasury
from shared.ports.chain import Chain, ChainUnreachable, Heads, Look, Moved, Receipt

WINDOW = 100  # nonces looked at together
WINDOWS_MAX = 100
REMINDED_MAX = 20  # transactions sent again, and looked into for being stuck, per look


@dataclass(frozen=True)
class View:
    """A key's open nonces, what was signed for each, and what the nodes say of it."""

    treasury: Treasury
    slots: list[Slot]
    attempts: Mapping[int, list[Attempt]]
    final_nonces: int
    look: Look

    def receipt(self, slot: Slot) -> tuple[Attempt, Receipt] | None:
        """Of the one attempt that is in the chain; of a nonce there is at most one."""
        for attempt in reversed(self.attempts[slot.nonce]):
            if receipt := self.look.receipts.get(attempt.hash):
                return attempt, receipt
        return None

    def is_disputed(self, slot: Slot) -> bool:
        return any(attempt.hash in self.look.disputed for attempt in self.attempts[slot.nonce])


Step = Callable[[Tx, View, Sequence[Slot]], None]


def look_at(signer: str, nodes: Chain) -> bool:
    """Look at all open nonces; True while some are left. No error of the nodes is an answer."""
    after = -1
    for _ in range(WINDOWS_MAX):
        slots = db.atomically(partial(payout_slots.window, signer=signer, after_nonce=after, limit=WINDOW))
        if not slots:
            break
        after = slots[-1].nonce
        try:
            if not _look(signer, slots, nodes):
                break  # no later nonce can be in the chain
        except ChainUnreachable as error:
            log.warning("the chain cannot be read", signer=signer, reason=str(error))
            break
    return db.atomically(lambda tx: payout_slots.lowest_open(tx, signer)) is not None


def _look(signer: str, slots: list[Slot], nodes: Chain) -> bool:
    """One window; True when the chain has come past it."""

    def read(tx: Tx) -> tuple[Treasury, Mapping[int, list[Attempt]]]:
        return payouts.treasury_of(tx, store.treasury_of(tx, signer)), payout_slots.attempts_of(tx, slots)

    treasury, attempts = db.atomically(read)
    final_nonces = nodes.final_nonces(signer)  # first: what is final then must have a receipt afterwards
    look = nodes.look([attempt.hash for slot in slots for attempt in attempts[slot.nonce]])
    view = View(treasury, slots, attempts, final_nonces, look)
    there = [slot for slot in slots if view.receipt(slot)]
    _each(view, there, _there)
    absent = [slot for slot in slots if not view.receipt(slot)]
    if absent:
        _absent(view, absent, nodes)
    return len(there) == len(slots)


def _each(view: View, slots: Sequence[Slot], step: Step) -> None:
    """All in one transaction; if the database refuses that, one by one, and whoever is to blame waits for a person."""
    if not slots:
        return
    try:
        db.atomically(lambda tx: step(tx, view, slots))
    except db.Refused as refused:
        if len(slots) == 1:
            known = {"payout_id": slots[0].payout_id, "nonce": slots[0].nonce, "rule": refused.constraint}
            log.error("a payout cannot be finished", **known, reason=str(refused))
            return
        for slot in slots:
            _each(view, [slot], step)


def _there(tx: Tx, view: View, slots: Sequence[Slot]) -> None:
    """Record where they are; when that is final, what it means."""
    loaded = payouts.load_all(tx, [slot.payout_id for slot in slots if slot.payout_id])
    known = {payout.id: payout for payout in loaded}
    for member in sorted({it.member_id for it in loaded if it.source_kind == "comp" and it.member_id}):
        comps.lock_totals(tx, member)
    now_slots = payout_slots.relock(tx, slots[0].signer, [slot.nonce for slot in slots])
    for slot in now_slots:
        payout = known[slot.payout_id] if slot.payout_id else None
        if slot.state in (SlotState.LIVE, SlotState.MINED) and (
            payout is None or payout.state is PayoutState.IN_FLIGHT
        ):
            _record(tx, view, slot, payout)


def _record(tx: Tx, view: View, slot: Slot, payout: Payout | None) -> None:
    seen = view.receipt(slot)
    assert seen
    attempt, receipt = seen
    mined = _mined(view, attempt, receipt, payout)
    now = clock.now()
    if (slot.winning_hash, slot.block_hash) != (mined.hash, mined.block_hash):
        payout_slots.see_mined(tx, slot, mined, now)
        slot = slot_after(slot, mined)
    if not _is_final(receipt, view.look.heads):
        return
    if payout is None:
        payout_slots.close(tx, slot, SlotState.FINAL_NOOP, now)
        return
    state = payouts.finalize(tx, payout, slot, attempt.kind, now)
    if state is PayoutState.PAID and payout.source_kind == "comp":
        comps.mark_paid(tx, UUID(payout.source_id), slot.signer, payout.recipient_address, attempt.hash, now)
    log.info("payout is final", payout_id=payout.id, state=state.value, hash=attempt.hash)
    if state is PayoutState.HELD:
        log.error("a payment has reverted", payout_id=payout.id, hash=attempt.hash)


def slot_after(slot: Slot, mined: Mined) -> Slot:
    """As `see_mined` leaves it."""
    return Slot(
        slot.signer, slot.nonce, slot.payout_id, SlotState.MINED, mined.hash, mined.block_number, mined.block_hash,
        mined.succeeded, slot.given_up_for,
    )  # fmt: skip


def _mined(view: View, attempt: Attempt, receipt: Receipt, payout: Payout | None) -> Mined:
    """A token may answer false where others revert: only its log is a payment."""
    succeeded = receipt.succeeded
    if attempt.kind == "PAY" and payout:
        terms = (view.treasury.token_address.lower(), attempt.signer.lower(), payout.recipient_address.lower())
        succeeded = succeeded and Moved(*terms, payout.amount.micro) in receipt.moved
    return Mined(attempt.hash, receipt.block_number, receipt.block_hash, succeeded)


def _is_final(receipt: Receipt, heads: Heads) -> bool:
    return rules.is_final(Sighting(receipt.block_number, heads.latest, heads.finalized, heads.lag_seconds))


def _absent(view: View, slots: Sequence[Slot], nodes: Chain) -> None:
    """No receipt proves nothing. What a reorganisation took away is LIVE again; what a pool has lost is sent again."""
    disputed = [slot for slot in slots if view.is_disputed(slot)]
    _dispute(view, slots, disputed)
    quiet = [slot for slot in slots if slot not in disputed]
    db.atomically(lambda tx: _not_there(tx, quiet))
    live = [slot for slot in quiet if slot.state is not SlotState.ALLOCATED]
    if not live:
        return
    live = [slot for slot in live[:REMINDED_MAX] if not _is_foreign(view, slot, nodes)]
    last = [attempt for slot in live if (attempt := view.attempts[slot.nonce][-1]).raw]
    for attempt, answer in zip(last, nodes.send([it.raw for it in last]), strict=True):
        log.info("transaction sent again", nonce=attempt.nonce, hash=attempt.hash, outcome=answer.outcome)
    db.atomically(lambda tx: _have_tended(tx, view.treasury.name, live))


def _not_there(tx: Tx, seen: Sequence[Slot]) -> None:
    if not seen:
        return
    payouts.load_all(tx, [slot.payout_id for slot in seen if slot.payout_id])
    for slot in payout_slots.relock(tx, seen[0].signer, [slot.nonce for slot in seen]):
        if slot.state is SlotState.MINED and slot in seen:
            log.warning("a block was reorganised away", payout_id=slot.payout_id, block_number=slot.block_number)
            payout_slots.see_dropped(tx, slot, clock.now())


def _have_tended(tx: Tx, treasury: str, slots: Sequence[Slot]) -> None:
    """Those that have waited too long get a task a minute that looks into their fees; what was given up, at once."""
    now = clock.now()
    for slot in slots:
        if slot.payout_id and (slot.given_up_for or store.is_stuck(tx, slot.signer, slot.nonce, now)):
            payouts.send_soon(tx, slot.payout_id, treasury, now, name=f"tend-{slot.payout_id}-{now:%Y%m%d%H%M}")


def _dispute(view: View, slots: Sequence[Slot], disputed: Sequence[Slot]) -> None:
    """Nodes that tell different stories are waited for, a quarter of an hour."""
    signer, now = slots[0].signer, clock.now()
    nonces, theirs = [slot.nonce for slot in slots], [slot.nonce for slot in disputed]
    if not theirs and not db.atomically(lambda tx: store.any_disputed(tx, signer, nonces)):
        return
    since = db.atomically(lambda tx: payout_slots.dispute(tx, signer, nonces, theirs, now))
    for slot in disputed:
        log.error("the nodes disagree", payout_id=slot.payout_id, nonce=slot.nonce, since=since[slot.nonce].isoformat())
        if slot.payout_id and rules.is_over(since[slot.nonce], now):
            reason = f"the nodes disagree about nonce {slot.nonce} of {signer}"
            hashes = [attempt.hash for attempt in view.attempts[slot.nonce]]
            proof = {"hashes": hashes, "since": since[slot.nonce].isoformat()}
            quarantine = partial(payout_recovery.quarantine, slot=slot, kind="disputed", reason=reason, proof=proof)
            db.atomically(partial(quarantine, now=clock.now()))


def _is_foreign(view: View, slot: Slot, nodes: Chain) -> bool:
    """The finalized chain has used the nonce, and for no attempt of ours: find out for what (R5)."""
    if view.final_nonces <= slot.nonce:
        return False
    try:
        found = nodes.find(slot.signer, slot.nonce)
    except ChainUnreachable as error:
        log.warning("the chain cannot be read", signer=slot.signer, reason=str(error))
        return True
    if found is None or found.hash in {attempt.hash for attempt in view.attempts[slot.nonce]}:
        log.warning("a receipt is missing", payout_id=slot.payout_id, nonce=slot.nonce)
        return False
    evidence = payout_recovery.evidence(found)
    reason = f"nonce {slot.nonce} of {slot.signer} was used by {found.hash}, which is not ours"
    db.atomically(lambda tx: payout_recovery.call_foreign(tx, slot, reason, evidence, clock.now()))
    return True
