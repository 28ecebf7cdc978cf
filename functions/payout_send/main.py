"""Task: bring one payout to the chain (docs/payouts.md).

REQUESTED -> APPROVED -> RESERVED -> IN_FLIGHT -> stored -> broadcast. Each arrow is a transaction of its own; what
the outside must be asked is asked between them. Killed anywhere and started again, it goes on from the row.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from flask import Request, Response

from functions.payout_send import rules, store
from shared import clock, db, log, payout_slots, payouts
from shared.config import Config, read
from shared.db import Tx
from shared.events import SendPayout
from shared.job import ComeAgain, Hopeless, Job
from shared.money import Usdt
from shared.payout_slots import Attempt, Signer, SignerBusy, Slot, SlotState
from shared.payouts import HoldReason, Payout, PayoutState, Treasury
from shared.ports import chain, kms
from shared.ports.chain import GAS_LIMIT_TRANSFER, Chain, Transfer

STEPS_MAX = 10  # of one payout in one task; the way from REQUESTED to broadcast has five

job = Job("payout_send")


def payout_send(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


class PayoutConfig(Config):
    """Limits of the policy."""

    payout_single_usdt_max: int = 10_000


@job.task(SendPayout)
def send(task: SendPayout, now: datetime) -> None:
    """Take the payout as far as it goes today."""
    try:
        signer = db.atomically(lambda tx: payout_slots.take_signer(tx, task.treasury, now, task.payout_id))
    except SignerBusy as busy:
        raise ComeAgain(str(busy)) from None
    try:
        advance(task.payout_id, signer, chain.connect())
    finally:
        db.atomically(lambda tx: payout_slots.release_signer(tx, signer, clock.now()))


def advance(payout_id: UUID, signer: Signer, nodes: Chain) -> None:
    """Step by step until the payout is on its way, or waits for somebody."""
    for _ in range(STEPS_MAX):
        payout = db.atomically(lambda tx: payouts.load(tx, payout_id))
        if payout is None:
            raise Hopeless("there is no such payout")
        if payout.state is PayoutState.REQUESTED:
            _decide(payout, nodes)
        elif payout.state is PayoutState.APPROVED:
            _reserve(payout, signer, nodes)
        elif payout.state is PayoutState.RESERVED:
            if not _allocate(payout, signer, nodes):
                return
        elif payout.state is PayoutState.IN_FLIGHT:
            _sign_and_send(payout, signer, nodes)
            return
        else:
            return
    raise AssertionError(f"payout {payout_id} does not come to rest")


def _decide(payout: Payout, nodes: Chain) -> None:
    """Run the policy and record what it saw."""
    limit = Usdt.of(read(PayoutConfig).payout_single_usdt_max)
    treasury = db.atomically(lambda tx: payouts.treasury_of(tx, payout.treasury))
    nodes.require(treasury.chain_id)
    blocked = nodes.is_blocked(treasury.token_address, payout.recipient_address)

    def decide(tx: Tx) -> None:
        locked = payouts.load(tx, payout.id)
        if locked is None or locked.state is not PayoutState.REQUESTED:
            return
        inputs = rules.Inputs(
            amount=payout.amount,
            recipient_address=payout.recipient_address,
            platform_addresses=store.platform_addresses(tx),
            paused=payouts.treasury_of(tx, payout.treasury).paused_at is not None,
            blocked=blocked,
            single_amount_max=limit,
        )
        verdict = rules.judge(inputs)
        payouts.decide(
            tx,
            locked,
            policy_version=rules.POLICY_VERSION,
            inputs=inputs.recorded(),
            hold=HoldReason(verdict.hold) if verdict.hold else None,
            approvals_needed=verdict.approvals_needed,
            now=clock.now(),
        )

    db.atomically(decide)


def _reserve(payout: Payout, signer: Signer, nodes: Chain) -> None:
    """Set the money aside, if the treasury has it on the chain and it is not promised already."""
    treasury = db.atomically(lambda tx: payouts.treasury_of(tx, payout.treasury))
    nodes.require(treasury.chain_id)
    on_chain = Usdt(nodes.token_balance(treasury.token_address, signer.address))

    def reserve(tx: Tx) -> None:
        locked = payouts.load(tx, payout.id)
        if locked is None or locked.state is not PayoutState.APPROVED:
            return
        payouts.treasury_of(tx, payout.treasury)
        others = store.promised_to_others(tx, payout.id)
        free = on_chain - others.promised
        if free >= payout.amount:
            payouts.reserve(tx, locked, clock.now())
        elif free + others.leaving >= payout.amount:
            raise ComeAgain("what is leaving the treasury may be missing from its balance already")
        else:
            log.error("the treasury cannot pay", treasury=payout.treasury, payout_id=payout.id)
            payouts.hold_back(tx, locked, HoldReason.FUNDS, clock.now())

    db.atomically(reserve)


def _allocate(payout: Payout, signer: Signer, nodes: Chain) -> bool:
    """Give the payout the signer's next nonce; False under a pause: a nonce that is not signed holds up all later ones.

    Afterwards it is too late to hold it: who is blocked from here on costs a transaction that reverts.
    """
    treasury = db.atomically(lambda tx: payouts.treasury_of(tx, payout.treasury))
    nodes.require(treasury.chain_id)
    blocked = nodes.is_blocked(treasury.token_address, payout.recipient_address)

    def allocate(tx: Tx) -> bool:
        locked = payouts.load(tx, payout.id)
        if locked is None or locked.state is not PayoutState.RESERVED:
            return True
        if payouts.treasury_of(tx, payout.treasury).paused_at:
            return False
        if blocked:
            payouts.hold_back(tx, locked, HoldReason.BLOCKED, clock.now(), approvals_needed=rules.BLOCKED_APPROVALS)
        else:
            payouts.allocate_slot(tx, locked, signer, clock.now())
        return True

    return db.atomically(allocate)


def _sign_and_send(payout: Payout, signer: Signer, nodes: Chain) -> None:
    """Sign what is not signed, store it, and only then send it. What is stored already is sent again as it is."""
    treasury = db.atomically(lambda tx: payouts.treasury_of(tx, payout.treasury))
    nodes.require(treasury.chain_id)
    slot = db.atomically(lambda tx: payout_slots.open_slot(tx, payout.id))
    if slot is None or slot.state not in (SlotState.ALLOCATED, SlotState.LIVE):
        return
    if slot.state is SlotState.ALLOCATED:
        if treasury.paused_at or not _is_unused(slot, treasury, nodes):
            return
        slot = _sign(payout, slot, signer, treasury, nodes)
    stored = db.atomically(lambda tx: payout_slots.attempts(tx, slot))[-1]
    answer = nodes.send(stored.raw)
    log.info("transaction sent", payout_id=payout.id, hash=stored.hash, nonce=slot.nonce, outcome=answer.outcome)
    detail = {"outcome": answer.outcome.value, "message": answer.message}
    db.atomically(lambda tx: payout_slots.note_event(tx, slot, "sent", detail, clock.now(), stored.hash))


def _is_unused(slot: Slot, treasury: Treasury, nodes: Chain) -> bool:
    """A nonce that is used before we have signed for it was used by somebody else, or by us before a restore (R5, R8).

    Who was paid with it is for people to find out; until then nothing more is signed.
    """
    if nodes.used_nonces(slot.signer) <= slot.nonce:
        return True
    reason = f"nonce {slot.nonce} of {slot.signer} is used on the chain and not by us"
    log.error("the treasury is paused", treasury=treasury.name, reason=reason, payout_id=slot.payout_id)
    db.atomically(lambda tx: payouts.pause(tx, treasury.name, reason, clock.now()))
    return False


def _sign(payout: Payout, slot: Slot, signer: Signer, treasury: Treasury, nodes: Chain) -> Slot:
    """The first attempt for a slot; stored together with the task that will look after it."""
    fees = nodes.fees()
    offer = rules.offer(fees.base_wei, fees.priority_wei)
    transfer = Transfer(
        chain_id=treasury.chain_id,
        nonce=slot.nonce,
        token=treasury.token_address,
        recipient=payout.recipient_address,
        amount_micro=payout.amount.micro,
        gas_limit=GAS_LIMIT_TRANSFER,
        fee_per_gas_wei_max=offer.fee_per_gas_wei_max,
        priority_fee_per_gas_wei_max=offer.priority_fee_per_gas_wei_max,
    )
    signature = kms.sign_ethereum(signer.kms_version, transfer.signing_hash, slot.signer)
    signed = chain.signed(transfer, signature.r, signature.s, signature.y_parity)
    attempt = Attempt(
        hash=signed.hash,
        signer=slot.signer,
        nonce=slot.nonce,
        position=1,
        kind="PAY",
        recipient_address=payout.recipient_address,
        amount=payout.amount,
        fee_per_gas_wei_max=offer.fee_per_gas_wei_max,
        priority_fee_per_gas_wei_max=offer.priority_fee_per_gas_wei_max,
        gas_limit=GAS_LIMIT_TRANSFER,
        raw=signed.raw,
        epoch=signer.epoch,
    )

    def keep(tx: Tx) -> None:
        payout_slots.store_attempt(tx, slot, attempt, clock.now())
        payouts.confirm_soon(tx, payout.id, clock.now())

    db.atomically(keep)
    return replace(slot, state=SlotState.LIVE)
