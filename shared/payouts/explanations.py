"""Explanations of foreign nonces that belong to no payout; two people who agree settle what a nonce was used for.

Until then no payout of the same recipient and amount is approved or gets a nonce: it may be paid already (R8).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.payouts import interests, machine, recovery
from shared.payouts import slots as payout_slots
from shared.payouts.machine import ApprovedBefore, NotWaiting, OwnPayout, Payout, PayoutState
from shared.payouts.policy import TWO_PEOPLE
from shared.payouts.recovery import WAITING, NoEvidence
from shared.payouts.slots import Slot, SlotState


class ExplainedBefore(Exception):
    """Raised when a person repeats their explanation of a nonce; a different one would have replaced it."""


@dataclass(frozen=True)
class Explained:
    """How many people give the same explanation of a nonce, and how many must."""

    given: int
    needed: int


def explain(
    tx: Tx, signer: str, nonce: int, payout_id: UUID | None, person_id: UUID, why: str, now: datetime
) -> Explained:
    """Record what a person says of a foreign nonce: it paid this payout, or it paid none of ours (payout_id None).

    When a second person agrees, it takes effect: the payout is followed until it is PAID, or the nonce is closed, and
    the treasury is paused if it is not. The payout must be of the same treasury and fit the evidence. If it is held,
    the two explanations count as its approvals. Raises NotWaiting, NoEvidence, OwnPayout, ExplainedBefore.
    """
    payout = machine.load(tx, payout_id) if payout_id else None
    if payout_id and payout is None:
        raise NotWaiting(f"there is no payout {payout_id}")
    slot = _question(tx, signer, nonce)
    if not interests.may_explain(tx, [person_id], signer, nonce, payout_id):
        raise OwnPayout(f"the explainer would profit from what is said of nonce {nonce} of {signer}")
    proof = recovery.kept(tx, slot)
    if payout:
        _require_fit(tx, slot, payout, proof)
    if not _say(tx, slot, payout_id, person_id, why, now=now):
        raise ExplainedBefore(f"nonce {nonce} of {signer} has this explanation")
    detail = {"by": str(person_id), "as": str(payout_id) if payout_id else "none of ours", "why": why}
    payout_slots.note_event(tx, slot, "explained", detail, now)
    people = _agreeing(tx, slot, payout_id)
    if len(people) >= TWO_PEOPLE:
        _settle(tx, slot, payout, proof, people, now=now)
    return Explained(len(people), TWO_PEOPLE)


def _question(tx: Tx, signer: str, nonce: int) -> Slot:
    slots = payout_slots.reload_locked(tx, signer, [nonce])
    if not slots or slots[0].state is not SlotState.FOREIGN or slots[0].payout_id:
        raise NotWaiting(f"nonce {nonce} of {signer} is no open question")
    return slots[0]


def _require_fit(tx: Tx, slot: Slot, payout: Payout, proof: Mapping[str, object]) -> None:
    if payout.state not in (*WAITING, PayoutState.HELD):
        raise NotWaiting(f"payout {payout.id} is {payout.state}")
    token = machine.treasury_of(tx, payout.treasury).token_address
    same_treasury = recovery.treasury_of_key(tx, slot.signer) == payout.treasury
    if not (same_treasury and recovery.has_paid(proof, token, slot.signer, payout)):
        raise NoEvidence(f"nonce {slot.nonce} has not paid payout {payout.id}")


def _say(tx: Tx, slot: Slot, payout_id: UUID | None, person_id: UUID, why: str, now: datetime) -> bool:
    """Store the person's explanation in place of their earlier one; False when that one named the same payout, or none
    of ours, whatever its words.
    """
    return bool(
        tx.run(
            """
            INSERT INTO foreign_explanations AS said (signer, nonce, person_id, payout_id, why, explained_at)
            VALUES (:signer, :nonce, :person_id, CAST(:payout_id AS uuid), :why, :now)
            ON CONFLICT (signer, nonce, person_id) DO UPDATE
            SET payout_id = EXCLUDED.payout_id, why = EXCLUDED.why, explained_at = EXCLUDED.explained_at
            WHERE said.payout_id IS DISTINCT FROM EXCLUDED.payout_id
            """,
            signer=slot.signer,
            nonce=slot.nonce,
            person_id=person_id,
            payout_id=payout_id,
            why=why,
            now=now,
        )
    )


def _agreeing(tx: Tx, slot: Slot, payout_id: UUID | None) -> list[UUID]:
    """The people who give this explanation and may give it now. A person who has lost the role, is suspended or would
    profit does not count.
    """
    people = tx.column(
        UUID,
        """
        SELECT person_id FROM foreign_explanations
        WHERE signer = :signer AND nonce = :nonce AND payout_id IS NOT DISTINCT FROM CAST(:payout_id AS uuid)
        ORDER BY explained_at, person_id
        """,
        signer=slot.signer,
        nonce=slot.nonce,
        payout_id=payout_id,
    )
    counting = interests.may_explain(tx, people, slot.signer, slot.nonce, payout_id)
    return [person for person in people if person in counting]


def _settle(
    tx: Tx, slot: Slot, payout: Payout | None, proof: Mapping[str, object], people: Sequence[UUID], now: datetime
) -> None:
    if payout is None:
        payout_slots.close(tx, recovery.recover(tx, slot, proof, None, now), SlotState.FINAL_NOOP, now)
        return
    if payout.state is PayoutState.HELD:
        for person_id in people:
            _approve(tx, payout, person_id, slot, now)
        machine.approve_by_two(tx, payout, now)
    recovery.claim(tx, slot, payout, proof, now)


def _approve(tx: Tx, payout: Payout, person_id: UUID, slot: Slot, now: datetime) -> None:
    try:
        machine.approve(tx, payout.id, person_id, {"explained": f"{slot.signer} {slot.nonce}"}, now)
    except ApprovedBefore:
        return  # the person approved before the foreign nonce was found


@dataclass(frozen=True)
class Foreign:
    """A nonce used by a transaction that is not ours, and the hash of that transaction."""

    treasury: str
    signer: str
    nonce: int
    found_at: datetime
    transaction_hash: str


@dataclass(frozen=True)
class Transfer:
    """One Transfer log of a foreign transaction; the amount is in the token's smallest unit."""

    token_address: str
    recipient_address: str
    amount: str


@dataclass(frozen=True)
class Explanation:
    """One person's explanation of a foreign nonce."""

    person_id: UUID
    username: str
    payout_id: UUID | None
    why: str
    explained_at: datetime


def unexplained(tx: Tx, limit: int) -> list[Foreign]:
    """The foreign nonces of all treasuries that are not explained yet, ordered by key and nonce."""
    return tx.all(
        Foreign,
        """
        SELECT signers.treasury, slot.signer, slot.nonce, told.happened_at AS found_at,
               told.attempt_hash AS transaction_hash
        FROM payout_slots slot JOIN signers ON signers.address = slot.signer
        CROSS JOIN LATERAL (
            SELECT happened_at, attempt_hash FROM payout_events
            WHERE signer = slot.signer AND nonce = slot.nonce AND kind = 'foreign' ORDER BY id DESC LIMIT 1
        ) told
        WHERE slot.state = 'FOREIGN' AND slot.payout_id IS NULL
        ORDER BY slot.signer, slot.nonce LIMIT :limit
        """,
        limit=limit,
    )


def foreign(tx: Tx, signer: str, nonce: int) -> Foreign | None:
    """A nonce that was found to be used by somebody else at any time, explained or not; None if it never was."""
    return tx.first(
        Foreign,
        """
        SELECT signers.treasury, told.signer, told.nonce, told.happened_at AS found_at,
               told.attempt_hash AS transaction_hash
        FROM payout_events told JOIN signers ON signers.address = told.signer
        WHERE told.signer = :signer AND told.nonce = :nonce AND told.kind = 'foreign'
        ORDER BY told.id DESC LIMIT 1
        """,
        signer=signer,
        nonce=nonce,
    )


def transfers(tx: Tx, of: Foreign) -> list[Transfer]:
    """The transfers of a foreign transaction, in the order of its logs."""
    return tx.all(
        Transfer,
        """
        SELECT token_address, recipient_address, CAST(amount AS text) AS amount FROM foreign_transfers
        WHERE signer = :signer AND nonce = :nonce ORDER BY position
        """,
        signer=of.signer,
        nonce=of.nonce,
    )


def said(tx: Tx, of: Foreign) -> list[Explanation]:
    """The explanations of a foreign nonce, earliest first."""
    return tx.all(
        Explanation,
        """
        SELECT said.person_id, members.username, said.payout_id, said.why, said.explained_at
        FROM foreign_explanations said JOIN members ON members.id = said.person_id
        WHERE said.signer = :signer AND said.nonce = :nonce ORDER BY said.explained_at, said.person_id
        """,
        signer=of.signer,
        nonce=of.nonce,
    )
