"""Signs a transaction, stores it, and only then sends it: the only way in which a treasury key is used."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from shared import clock, db, log
from shared.db import Tx
from shared.payouts import machine, slots
from shared.payouts.machine import UNSIGNABLE, Payout, Treasury
from shared.payouts.slots import Attempt, Signer, Slot
from shared.ports import kms
from shared.ports.kms import KmsFailure
from shared.ports.polygon.chain import Chain
from shared.ports.polygon.transactions import Unsigned
from shared.values.gas import Price
from shared.values.money import ZERO

SIGNATURES_AT_ONCE = 8
DOUBTFUL, SUSPENDED = "may be paid already", "suspended"  # why a nonce is given up
# Rules by which the schema refuses one payment, for a cause that arose during signing; and why its nonce is given up.
RULES_OF_THE_PAYMENT = {"R8_unexplained": DOUBTFUL, "suspended": SUSPENDED}
# Rules by which nothing can be signed with the key: it is held by another worker, paused, to be rebuilt, or stored by
# another database.
RULES_OF_THE_KEY = frozenset({"R6_epoch", "R7_paused", "R8_rebuild", "R8_lineage"})
# Rules that fail because the slot has changed since it was read: mined, replaced, given up or quarantined.
RULES_OF_THE_MOMENT = frozenset({"R2_slot", "R2_in_flight", "R3_noop", "I9_position"})


@dataclass(frozen=True)
class HeldKey:
    """A treasury's key that this worker holds, and the chain's nodes."""

    signer: Signer
    treasury: Treasury
    nodes: Chain


@dataclass(frozen=True)
class Plan:
    """The transaction to sign for a slot: the payout's payment, or a no-op if `payout` is None."""

    slot: Slot
    payout: Payout | None
    position: int
    price: Price

    @property
    def kind(self) -> str:
        return "PAY" if self.payout else "NOOP"


Signed = tuple[Plan, Attempt]


def sign(key: HeldKey, plans: Sequence[Plan]) -> None:
    """Sign, store and send one attempt per plan (at least one), and queue payout_confirm.

    A plan that the key service did not sign is left for the next task. A payment that the schema refuses delays no
    other: its nonce is given up, and the next task uses the nonce up with a no-op. Raises the first KmsFailure, or the
    ConstraintViolated of a no-op, after the others were sent; at once that of a key with which nothing may be signed.
    """
    with ThreadPoolExecutor(min(SIGNATURES_AT_ONCE, len(plans))) as threads:
        signed = list(threads.map(lambda plan: _attempt(key, plan), plans))
    made = [(plan, it) for plan, it in zip(plans, signed, strict=True) if isinstance(it, Attempt)]
    failures: list[Exception] = [it for it in signed if isinstance(it, KmsFailure)]
    if failures:
        log.error("a signature was not made", treasury=key.treasury.name, reason=str(failures[0]))
    kept = _keep(key, made, failures)
    if kept:
        send_stored(key, [(plan.slot, attempt) for plan, attempt in kept])
    if failures:
        raise failures[0]


def _keep(key: HeldKey, made: Sequence[Signed], failures: list[Exception]) -> Sequence[Signed]:
    """Store the attempts in one transaction, or one by one if the schema refuses that. Returns those that were stored.

    A refusal that concerns the key or its treasury is raised: nothing may be signed with the key then.
    """

    def store(tx: Tx) -> None:
        for plan, attempt in made:
            slots.store_attempt(tx, plan.slot, attempt, clock.now())
        machine.confirm_soon(tx, key.signer.address, clock.now())

    if not made:
        return made
    try:
        db.atomically(store)
    except db.ConstraintViolated as refused:
        if refused.constraint in RULES_OF_THE_KEY:
            raise
        if len(made) > 1:
            return [kept for one in made for kept in _keep(key, [one], failures)]
        _step_over(made[0][0], refused, failures)
        return []
    return made


def _step_over(plan: Plan, refused: db.ConstraintViolated, failures: list[Exception]) -> None:
    """Handle an attempt that the schema refuses: give a payment's nonce up; for a no-op, add it to `failures`.

    A no-op that is refused is a failure because nothing else could be signed for the nonce. If the slot has changed
    since it was read, nothing is done: the next task reads its new state.
    """
    known = {"payout_id": plan.slot.payout_id, "nonce": plan.slot.nonce}
    if refused.constraint in RULES_OF_THE_MOMENT:
        log.info("a nonce has moved on while it was signed", **known, because=refused.constraint)
        return
    reason = RULES_OF_THE_PAYMENT.get(refused.constraint, UNSIGNABLE)
    if reason == UNSIGNABLE:
        log.error("a payment cannot be signed", **known, rule=refused.constraint, reason=str(refused))
    if plan.payout is None:
        failures.append(refused)
        return
    payout_id = plan.payout.id
    log.warning("a nonce is given up", **known, reason=reason)
    db.atomically(lambda tx: machine.give_up(tx, payout_id, reason, clock.now()))


def _attempt(key: HeldKey, plan: Plan) -> Attempt | KmsFailure:
    """Sign the plan's transaction, or return the failure of the key service. Runs in a thread of its own."""
    chain_id, nonce, signer = key.treasury.chain_id, plan.slot.nonce, key.signer
    if plan.payout:
        terms = plan.payout.recipient_address, plan.payout.amount
        unsigned = Unsigned.transfer(
            chain_id, nonce, key.treasury.token_address, terms[0], terms[1].micro, price=plan.price
        )
    else:
        terms = signer.address, ZERO
        unsigned = Unsigned.noop(chain_id, nonce, signer.address, plan.price)
    try:
        signature = kms.sign_ethereum(signer.kms_version, unsigned.signing_hash, signer.address)
    except KmsFailure as failure:
        return failure
    signed = unsigned.signed(signature.r, signature.s, signature.y_parity)
    return Attempt(
        hash=signed.hash,
        signer=signer.address,
        nonce=nonce,
        position=plan.position,
        kind=plan.kind,
        recipient_address=terms[0],
        amount=terms[1],
        fee_per_gas_wei_max=plan.price.fee_per_gas_wei_max,
        priority_fee_per_gas_wei_max=plan.price.priority_fee_per_gas_wei_max,
        gas_limit=unsigned.gas_limit,
        raw=signed.raw,
        epoch=signer.epoch,
    )


def send_stored(key: HeldKey, stored: Sequence[tuple[Slot, Attempt]]) -> None:
    """Send stored attempts to the nodes and record the answers in the diary; no decision depends on the answers."""
    answers = key.nodes.send([attempt.raw for _, attempt in stored])

    def note(tx: Tx) -> None:
        for (slot, attempt), answer in zip(stored, answers, strict=True):
            detail = {"outcome": answer.outcome.value, "message": answer.message}
            slots.note_event(tx, slot, "sent", detail, clock.now(), attempt_hash=attempt.hash)

    db.atomically(note)
    for (slot, attempt), answer in zip(stored, answers, strict=True):
        known = {"payout_id": slot.payout_id, "hash": attempt.hash, "nonce": slot.nonce}
        log.info("transaction sent", **known, outcome=answer.outcome)
