"""Handles what our rows cannot explain: nonces used by others, nodes that disagree, a restored database.

No function here pays anybody. They pause the treasury, keep what the chain says as evidence, and apply what two people
have decided.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from shared import log
from shared.db import Tx
from shared.payouts import machine, policy, slots
from shared.payouts.machine import HoldReason, Payout, PayoutState
from shared.payouts.slots import Mined, Slot, SlotState

MOVED_OTHERWISE = "moved_otherwise"  # event kind of a mined payment that moved other money than was promised
QUESTIONS_MAX = 20  # as many questions are named at once
# States without an open slot and without a hold.
WAITING = (PayoutState.REQUESTED, PayoutState.APPROVED, PayoutState.RESERVED)


class NoEvidence(Exception):
    """Raised when no stored event says what became of a nonce, or when the event does not show that it has paid the
    payout.
    """


def ask(tx: Tx, signer: str, reason: str, now: datetime) -> None:
    """Ask for a key to be rebuilt from the chain before it signs another payment (R8), and `stop` its treasury. An
    earlier request and its reason stay.
    """
    stop(tx, treasury_of_key(tx, signer), reason, now)
    tx.run(
        """
        UPDATE signers SET rebuild_asked_at = :now, rebuild_reason = :reason, sealed_below = NULL
        WHERE address = :signer AND rebuild_asked_at IS NULL
        """,
        signer=signer,
        reason=reason,
        now=now,
    )


def stop(tx: Tx, treasury: str, reason: str, now: datetime) -> None:
    """Pause the treasury and log an error, which wakes somebody. The treasury's lock orders this before or after a
    resume that runs at the same moment.
    """
    machine.treasury_of(tx, treasury)
    machine.pause(tx, treasury, reason, now)
    log.error("the treasury is paused", treasury=treasury, reason=reason)


def call_foreign(tx: Tx, slot: Slot, reason: str, proof: Mapping[str, object], now: datetime) -> None:
    """Mark a nonce that is ALLOCATED or LIVE as FOREIGN (used by a transaction that is not ours), keep `proof`,
    quarantine its payout and pause the treasury; in any other state do nothing.
    """
    if slot.payout_id:
        machine.load(tx, slot.payout_id)
    (locked,) = slots.reload_locked(tx, slot.signer, [slot.nonce])
    if locked.state not in (SlotState.ALLOCATED, SlotState.LIVE):
        return
    stop(tx, treasury_of_key(tx, slot.signer), reason, now)
    slots.mark_foreign(tx, slot, now)
    slots.note_event(tx, slot, "foreign", proof, now, attempt_hash=str(proof["hash"]))
    _keep_transfers(tx, slot, proof, now)
    if slot.payout_id:
        _quarantine(tx, slot.payout_id, now)
    log.error("a nonce was used by somebody else", payout_id=slot.payout_id, nonce=slot.nonce, hash=proof["hash"])


def _keep_transfers(tx: Tx, slot: Slot, proof: Mapping[str, object], now: datetime) -> None:
    moved = proof["moved"]
    assert isinstance(moved, list)
    for position, transfer in enumerate(moved):
        tx.run_later(
            """
            INSERT INTO foreign_transfers (signer, nonce, position, transaction_hash, token_address,
                                           recipient_address, amount, found_at)
            VALUES (:signer, :nonce, :position, :hash, :token, :recipient, CAST(:amount AS numeric), :now)
            ON CONFLICT DO NOTHING
            """,
            signer=slot.signer,
            nonce=slot.nonce,
            position=position,
            hash=str(proof["hash"]),
            token=transfer["token"],
            recipient=transfer["recipient"],
            amount=str(transfer["amount_micro"]),
            now=now,
        )


def quarantine(tx: Tx, slot: Slot, kind: str, reason: str, proof: Mapping[str, object], now: datetime) -> None:
    """Quarantine the payout of an open slot until two people have decided, pause the treasury, and keep `proof` as an
    event of `kind`; do nothing unless the payout is IN_FLIGHT.
    """
    assert slot.payout_id
    payout = machine.load(tx, slot.payout_id)
    if payout is None or payout.state is not PayoutState.IN_FLIGHT:
        return
    stop(tx, payout.treasury, reason, now)
    slots.note_event(tx, slot, kind, proof, now)
    _quarantine(tx, slot.payout_id, now)
    log.error("a payout is in quarantine", payout_id=slot.payout_id, nonce=slot.nonce, reason=reason)


def _quarantine(tx: Tx, payout_id: UUID, now: datetime) -> None:
    tx.run(
        """
        UPDATE payouts SET state = 'QUARANTINED', hold_reason = NULL, approvals_needed = :people, state_at = :now
        WHERE id = :payout_id AND state = 'IN_FLIGHT'
        """,
        payout_id=payout_id,
        people=policy.TWO_PEOPLE,
        now=now,
    )


def resolve(tx: Tx, payout_id: UUID, now: datetime) -> PayoutState:
    """End a quarantine by its evidence, once two people have approved. The treasury stays paused until it is resumed.

    A disputed payout is followed again. For a foreign nonce: if its transaction paid the recipient that amount, the
    payout is followed as paid by it; if not, the nonce is closed and the payout is held until people approve it again.
    It is also held if its own payment moved other money: the ledger shows what has left, and people decide again.
    Raises NotWaiting, TooFewApprovals, NoEvidence.
    """
    payout, slot = machine.load(tx, payout_id), slots.open_slot(tx, payout_id)
    if payout is None or payout.state is not PayoutState.QUARANTINED or slot is None:
        raise machine.NotWaiting(f"payout {payout_id} is not in quarantine")
    agreed = machine.approvals(tx, payout_id)
    if agreed.given < agreed.needed:
        raise machine.TooFewApprovals(f"{agreed.given} of {agreed.needed}")
    if slot.state is SlotState.MINED and _has_moved_otherwise(tx, slot):
        slots.close(tx, slot, SlotState.FINAL_REVERTED, now)
        return _held_again(tx, payout, now)
    if slot.state is not SlotState.FOREIGN:
        machine.follow_again(tx, payout_id, now)
        return PayoutState.IN_FLIGHT
    proof = kept(tx, slot)
    token = machine.treasury_of(tx, payout.treasury).token_address
    paid = has_paid(proof, token, slot.signer, payout)
    mined = recover(tx, slot, proof, payout if paid else None, now)
    if paid:
        machine.follow_again(tx, payout_id, now)
        return PayoutState.IN_FLIGHT
    slots.close(tx, mined, SlotState.FINAL_NOOP, now)
    return _held_again(tx, payout, now)


def _held_again(tx: Tx, payout: Payout, now: datetime) -> PayoutState:
    machine.hold_back(tx, payout, HoldReason.REVIEW, now, approvals_needed=policy.TWO_PEOPLE)
    return PayoutState.HELD


def _has_moved_otherwise(tx: Tx, slot: Slot) -> bool:
    found = _last_event(tx, slot, MOVED_OTHERWISE)
    return found is not None and found["hash"] == slot.winning_hash


def claim(tx: Tx, slot: Slot, payout: Payout, proof: Mapping[str, object], now: datetime) -> None:
    """Take a payout that a foreign nonce has paid to IN_FLIGHT; it is in WAITING, or was just approved.

    The nonce belonged to no payout. The payout passes through the ordinary states in their order. Pauses the treasury
    if it is not paused.
    """
    _keep_paused(tx, slot, now)
    if payout.state is PayoutState.REQUESTED:
        inputs = {"recovered_from": f"{slot.signer} {slot.nonce}"}
        machine.decide(tx, payout, policy_version=policy.VERSION, inputs=inputs, hold=None, now=now)
    if payout.state is not PayoutState.RESERVED:
        machine.reserve(tx, payout, now)
    slots.assign(tx, slot, payout.id)
    recover(tx, slot, proof, payout, now)
    machine.follow_again(tx, payout.id, now)


def kept(tx: Tx, slot: Slot) -> dict[str, object]:
    """The evidence stored when the nonce became FOREIGN. Raises NoEvidence."""
    found = _last_event(tx, slot, "foreign")
    if found is None:
        raise NoEvidence(f"nonce {slot.nonce} of {slot.signer}")
    return found


def _last_event(tx: Tx, slot: Slot, kind: str) -> dict[str, object] | None:
    return tx.scalar_or_none(
        dict[str, object],
        """
        SELECT detail FROM payout_events WHERE signer = :signer AND nonce = :nonce AND kind = :kind
        ORDER BY id DESC LIMIT 1
        """,
        signer=slot.signer,
        nonce=slot.nonce,
        kind=kind,
    )


def has_paid(proof: Mapping[str, object], token: str, signer: str, payout: Payout) -> bool:
    """True when the transaction moved the payout's amount of the token from the key to its recipient."""
    wanted = {"token": token.lower(), "sender": signer.lower(), "recipient": payout.recipient_address.lower()}
    moved = proof["moved"]
    return isinstance(moved, list) and wanted | {"amount_micro": payout.amount.micro} in moved


def _keep_paused(tx: Tx, slot: Slot, now: datetime) -> None:
    """Pause the treasury if somebody has resumed it: the chain's word on a nonce is recorded only
    under a pause (R8).
    """
    treasury, reason = treasury_of_key(tx, slot.signer), f"what used nonce {slot.nonce} of {slot.signer} is entered"
    if machine.pause(tx, treasury, reason, now):
        log.error("the treasury is paused", treasury=treasury, reason=reason)


def recover(tx: Tx, slot: Slot, proof: Mapping[str, object], payout: Payout | None, now: datetime) -> Slot:
    """Record what only the chain knows of a nonce: an attempt of origin `recovered`, which makes the slot MINED.

    With a payout the attempt is that payout's payment; without one it has paid none of ours. Pauses the treasury if it
    is not paused (R8). Returns the slot as stored.
    """
    _keep_paused(tx, slot, now)
    tx.run(
        """
        INSERT INTO payout_attempts (hash, signer, nonce, position, kind, origin, recipient_address, amount,
                                     fee_per_gas_wei_max, priority_fee_per_gas_wei_max, gas_limit, raw, epoch,
                                     signed_at)
        SELECT :hash, address, slot.nonce,
               (SELECT count(*) + 1 FROM payout_attempts made
                WHERE made.signer = slot.signer AND made.nonce = slot.nonce),
               :kind, 'recovered', CAST(:recipient AS text), CAST(:amount AS bigint),
               greatest(CAST(:fee AS numeric), 1), greatest(CAST(:tip AS numeric), 1), CAST(:gas AS bigint), '',
               epoch, :now
        FROM signers JOIN payout_slots slot ON slot.signer = signers.address
        WHERE address = :signer AND slot.nonce = :nonce
        """,
        hash=str(proof["hash"]),
        signer=slot.signer,
        nonce=slot.nonce,
        kind="PAY" if payout else "OTHER",
        recipient=payout.recipient_address if payout else slot.signer,
        amount=payout.amount.micro if payout else 0,
        fee=str(proof["fee_per_gas_wei_max"]),
        tip=str(proof["priority_fee_per_gas_wei_max"]),
        gas=str(proof["gas_limit"]),
        now=now,
    )
    if slot.state is SlotState.ALLOCATED:
        slots.mark_live(tx, slot, now)
    succeeded = bool(proof["succeeded"])
    mined = Mined(str(proof["hash"]), int(str(proof["block_number"])), str(proof["block_hash"]), succeeded)
    slots.mark_mined(tx, slot, mined, now)
    (entered,) = slots.reload_locked(tx, slot.signer, [slot.nonce])
    return entered


def treasury_of_key(tx: Tx, signer: str) -> str:
    """The name of the treasury that the key belongs to."""
    return tx.scalar(str, "SELECT treasury FROM signers WHERE address = :signer", signer=signer)


class QuestionsOpen(Exception):
    """Raised when a treasury is to be resumed while questions are open; `questions` has them as sentences."""

    def __init__(self, questions: list[str]) -> None:
        super().__init__("; ".join(questions))
        self.questions = questions


def resume(tx: Tx, treasury: str, now: datetime) -> bool:
    """Resume a paused treasury on behalf of a person. False when it was not paused. Raises QuestionsOpen."""
    paused = machine.treasury_of(tx, treasury).paused_at  # this locks the treasury: no payout is quarantined meanwhile
    if paused and (open_questions := questions(tx, treasury)):
        raise QuestionsOpen(open_questions)
    return machine.resume(tx, treasury, now)


def questions(tx: Tx, treasury: str) -> list[str]:
    """Reasons why a treasury must not be resumed: keys being rebuilt, quarantines, unexplained foreign nonces."""
    return tx.column(
        str,
        """
        SELECT question FROM (
        SELECT 1 AS kind, 0 AS place, 'key ' || address || ' is being rebuilt from the chain' AS question
        FROM signers WHERE treasury = :treasury AND rebuild_asked_at IS NOT NULL
        UNION ALL
        SELECT 2, row_number() OVER (ORDER BY state_at), 'payout ' || id || ' is in quarantine'
        FROM payouts WHERE treasury = :treasury AND state = 'QUARANTINED'
        UNION ALL
        SELECT 3, slot.nonce,
               'nonce ' || slot.nonce || ' of ' || slot.signer || ' was used by somebody else and is not explained'
        FROM signers JOIN payout_slots slot ON slot.signer = signers.address
        WHERE signers.treasury = :treasury AND slot.state = 'FOREIGN' AND slot.payout_id IS NULL
        ) found ORDER BY kind, place LIMIT :limit
        """,
        treasury=treasury,
        limit=QUESTIONS_MAX,
    )
