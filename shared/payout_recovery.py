"""What our rows do not explain: nonces that others have used, nodes that do not agree, a database that was restored.

Nothing here pays anybody. It pauses, keeps what the chain has said as evidence, and lets two people decide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from shared import log, payout_slots, payouts
from shared.db import Tx
from shared.payout_slots import Mined, Slot, SlotState
from shared.payouts import PEOPLE, HoldReason, Payout, PayoutState
from shared.ports.chain import Found

POLICY_VERSION = 2
# Nothing is out for them, and nobody holds them.
WAITING = (PayoutState.REQUESTED, PayoutState.APPROVED, PayoutState.RESERVED)


class NoEvidence(Exception):
    """Nothing is stored that tells what became of the payout's nonce."""


def ask(tx: Tx, signer: str, reason: str, now: datetime) -> None:
    """Have a key rebuilt from the chain before anything more is signed with it (R8); its treasury is paused."""
    tx.run(
        """
        UPDATE signers SET rebuild_asked_at = :now, rebuild_reason = :reason, sealed_below = NULL
        WHERE address = :signer AND rebuild_asked_at IS NULL
        """,
        signer=signer,
        reason=reason,
        now=now,
    )
    stop(tx, _treasury(tx, signer), reason, now)


def stop(tx: Tx, treasury: str, reason: str, now: datetime) -> None:
    """Pause, and wake somebody."""
    payouts.pause(tx, treasury, reason, now)
    log.error("the treasury is paused", treasury=treasury, reason=reason)


def evidence(found: Found) -> dict[str, object]:
    """What the chain says of a transaction, as it is kept."""
    receipt = asdict(found.receipt)
    return {**{name: getattr(found, name) for name in ("hash", "sender", "nonce", "to", "gas_limit")}} | {
        "fee_per_gas_wei_max": found.fee_per_gas_wei_max,
        "priority_fee_per_gas_wei_max": found.priority_fee_per_gas_wei_max,
        "block_number": receipt["block_number"],
        "block_hash": receipt["block_hash"],
        "succeeded": receipt["succeeded"],
        "moved": [dict(moved) for moved in receipt["moved"]],
    }


def call_foreign(tx: Tx, slot: Slot, reason: str, proof: Mapping[str, object], now: datetime) -> None:
    """The nonce is gone for something that is not ours: FOREIGN, its payout in quarantine, the treasury paused."""
    if slot.payout_id:
        payouts.load(tx, slot.payout_id)
    (locked,) = payout_slots.relock(tx, slot.signer, [slot.nonce])
    if locked.state not in (SlotState.ALLOCATED, SlotState.LIVE):
        return
    stop(tx, _treasury(tx, slot.signer), reason, now)
    payout_slots.see_foreign(tx, slot, now)
    payout_slots.note_event(tx, slot, "foreign", proof, now, str(proof["hash"]))
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
    """The payout of an open slot waits for two people; the treasury is paused."""
    assert slot.payout_id
    payout = payouts.load(tx, slot.payout_id)
    if payout is None or payout.state is not PayoutState.IN_FLIGHT:
        return
    stop(tx, payout.treasury, reason, now)
    payout_slots.note_event(tx, slot, kind, proof, now)
    _quarantine(tx, slot.payout_id, now)
    log.error("a payout is in quarantine", payout_id=slot.payout_id, nonce=slot.nonce, reason=reason)


def _quarantine(tx: Tx, payout_id: UUID, now: datetime) -> None:
    tx.run(
        """
        UPDATE payouts SET state = 'QUARANTINED', hold_reason = NULL, approvals_needed = :people, state_at = :now
        WHERE id = :payout_id AND state = 'IN_FLIGHT'
        """,
        payout_id=payout_id,
        people=PEOPLE,
        now=now,
    )


@dataclass(frozen=True)
class _Evidence:
    detail: dict[str, object]


def resolve(tx: Tx, payout_id: UUID, now: datetime) -> PayoutState:
    """End a quarantine by its evidence, once two people have agreed; the treasury stays paused until it is resumed.

    A disputed payout is followed again. Of a foreign nonce: if its transaction paid the recipient that amount, the
    payout is paid by it; if not, the nonce is used up and the payout is held for people to let go again.
    Raises NotWaiting, TooFewApprovals, NoEvidence.
    """
    payout, slot = payouts.load(tx, payout_id), payout_slots.open_slot(tx, payout_id)
    if payout is None or payout.state is not PayoutState.QUARANTINED or slot is None:
        raise payouts.NotWaiting(f"payout {payout_id} is not in quarantine")
    agreed = payouts.approvals(tx, payout_id)
    if agreed.given < agreed.needed:
        raise payouts.TooFewApprovals(f"{agreed.given} of {agreed.needed}")
    if slot.state is not SlotState.FOREIGN:
        payouts.follow_again(tx, payout_id, now)
        return PayoutState.IN_FLIGHT
    proof = _kept(tx, slot)
    token = payouts.treasury_of(tx, payout.treasury).token_address
    paid = _paid(proof, token, slot.signer, payout.recipient_address, payout.amount.micro)
    mined = recover(tx, slot, proof, payout if paid else None, now)
    if paid:
        payouts.follow_again(tx, payout_id, now)
        return PayoutState.IN_FLIGHT
    payout_slots.close(tx, mined, SlotState.FINAL_NOOP, now)
    payouts.hold_back(tx, payout, HoldReason.REVIEW, now, approvals_needed=PEOPLE)
    return PayoutState.HELD


def explain(tx: Tx, signer: str, nonce: int, payout_id: UUID | None, approvers: Sequence[UUID], now: datetime) -> None:
    """Two people say what a foreign transaction of nobody's nonce was: the payment of a payout that waits, or none of
    ours.

    Its evidence must fit the payout, whose own hold they must have let go as well. Raises NotWaiting,
    TooFewApprovals, NoEvidence.
    """
    if len(set(approvers)) < PEOPLE:
        raise payouts.TooFewApprovals(f"{len(set(approvers))} of {PEOPLE}")
    payout = payouts.load(tx, payout_id) if payout_id else None
    (slot,) = payout_slots.relock(tx, signer, [nonce])
    if slot.state is not SlotState.FOREIGN or slot.payout_id:
        raise payouts.NotWaiting(f"nonce {nonce} of {signer} is no open question")
    proof = _kept(tx, slot)
    payout_slots.note_event(tx, slot, "explained", {"by": [str(it) for it in approvers], "as": str(payout_id)}, now)
    if payout is None:
        payout_slots.close(tx, recover(tx, slot, proof, None, now), SlotState.FINAL_NOOP, now)
        return
    token = payouts.treasury_of(tx, payout.treasury).token_address
    if not _paid(proof, token, signer, payout.recipient_address, payout.amount.micro):
        raise NoEvidence(f"nonce {nonce} has not paid payout {payout_id}")
    if payout.state is PayoutState.HELD:
        payouts.let_go(tx, payout, now)
    elif payout.state not in WAITING:
        raise payouts.NotWaiting(f"payout {payout_id} is {payout.state}")
    claim(tx, slot, payout, proof, now)


def claim(tx: Tx, slot: Slot, payout: Payout, proof: Mapping[str, object], now: datetime) -> None:
    """A payout that is WAITING, or was just let go, was paid by a nonce that was nobody's: to IN_FLIGHT by the only way
    there is.
    """
    if payout.state is PayoutState.REQUESTED:
        inputs = {"recovered_from": f"{slot.signer} {slot.nonce}"}
        payouts.decide(tx, payout, policy_version=POLICY_VERSION, inputs=inputs, hold=None, now=now)
    if payout.state is not PayoutState.RESERVED:
        payouts.reserve(tx, payout, now)
    payout_slots.own(tx, slot, payout.id)
    recover(tx, slot, proof, payout, now)
    payouts.follow_again(tx, payout.id, now)


def _kept(tx: Tx, slot: Slot) -> dict[str, object]:
    kept = tx.first(
        _Evidence,
        """
        SELECT detail FROM payout_events WHERE signer = :signer AND nonce = :nonce AND kind = 'foreign'
        ORDER BY id DESC LIMIT 1
        """,
        signer=slot.signer,
        nonce=slot.nonce,
    )
    if kept is None:
        raise NoEvidence(f"nonce {slot.nonce} of {slot.signer}")
    return kept.detail


def _paid(proof: Mapping[str, object], token: str, signer: str, recipient: str, amount_micro: int) -> bool:
    wanted = {"token": token.lower(), "sender": signer.lower(), "recipient": recipient.lower()}
    moved = proof["moved"]
    return isinstance(moved, list) and wanted | {"amount_micro": amount_micro} in moved


def recover(tx: Tx, slot: Slot, proof: Mapping[str, object], payout: Payout | None, now: datetime) -> Slot:
    """Enter what the chain knows of a nonce and we do not: an attempt of origin `recovered`, by which it is MINED.

    With a payout it is that payout's payment, without one it has paid none of ours.
    """
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
        payout_slots.see_live(tx, slot, now)
    succeeded = bool(proof["succeeded"])
    mined = Mined(str(proof["hash"]), int(str(proof["block_number"])), str(proof["block_hash"]), succeeded)
    payout_slots.see_mined(tx, slot, mined, now)
    (entered,) = payout_slots.relock(tx, slot.signer, [slot.nonce])
    return entered


@dataclass(frozen=True)
class _Treasury:
    treasury: str


def _treasury(tx: Tx, signer: str) -> str:
    return tx.one(_Treasury, "SELECT treasury FROM signers WHERE address = :signer", signer=signer).treasury
