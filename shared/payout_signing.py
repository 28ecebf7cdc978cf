"""Sign, store, and only then send: the one way in which a key of a treasury is used."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from shared import clock, db, log, payout_slots, payouts
from shared.db import Tx
from shared.money import ZERO
from shared.payout_slots import Attempt, Signer, Slot
from shared.payouts import Payout, Treasury
from shared.ports import kms
from shared.ports.chain import Chain
from shared.ports.kms import KmsFailure
from shared.ports.transactions import Price, Unsigned

SIGNATURES_AT_ONCE = 8


@dataclass(frozen=True)
class Key:
    """A treasury's key that this worker holds, and the nodes it speaks to."""

    signer: Signer
    treasury: Treasury
    nodes: Chain


@dataclass(frozen=True)
class Plan:
    """What is to be signed for a slot: the payout's payment, or a no-op when it has none or must not be paid."""

    slot: Slot
    payout: Payout | None
    position: int
    price: Price

    @property
    def kind(self) -> str:
        return "PAY" if self.payout else "NOOP"


def sign(key: Key, plans: Sequence[Plan]) -> None:
    """Sign, store, send. One that the key service does not sign is left for the next task; it fails this one."""
    with ThreadPoolExecutor(min(SIGNATURES_AT_ONCE, len(plans))) as threads:
        signed = list(threads.map(lambda plan: _attempt(key, plan), plans))
    made = [(plan, it) for plan, it in zip(plans, signed, strict=True) if isinstance(it, Attempt)]
    failures = [it for it in signed if isinstance(it, KmsFailure)]

    def keep(tx: Tx) -> None:
        for plan, attempt in made:
            payout_slots.store_attempt(tx, plan.slot, attempt, clock.now())
        payouts.confirm_soon(tx, key.signer.address, clock.now())

    if made:
        db.atomically(keep)
        send_stored(key, [(plan.slot, attempt) for plan, attempt in made])
    if failures:
        log.error("a signature was not made", treasury=key.treasury.name, reason=str(failures[0]))
        raise failures[0]


def _attempt(key: Key, plan: Plan) -> Attempt | KmsFailure:
    """A signed transaction; runs in a thread of its own."""
    chain_id, nonce, signer = key.treasury.chain_id, plan.slot.nonce, key.signer
    if plan.payout:
        terms = plan.payout.recipient_address, plan.payout.amount
        unsigned = Unsigned.transfer(chain_id, nonce, key.treasury.token_address, terms[0], terms[1].micro, plan.price)
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


def send_stored(key: Key, stored: Sequence[tuple[Slot, Attempt]]) -> None:
    """Offer what is stored to the nodes, and write their words into the diary; they decide nothing."""
    answers = key.nodes.send([attempt.raw for _, attempt in stored])

    def note(tx: Tx) -> None:
        for (slot, attempt), answer in zip(stored, answers, strict=True):
            detail = {"outcome": answer.outcome.value, "message": answer.message}
            payout_slots.note_event(tx, slot, "sent", detail, clock.now(), attempt.hash)

    db.atomically(note)
    for (slot, attempt), answer in zip(stored, answers, strict=True):
        known = {"payout_id": slot.payout_id, "hash": attempt.hash, "nonce": slot.nonce}
        log.info("transaction sent", **known, outcome=answer.outcome)
