"""Nonces and signed transactions of the payout machine: who may sign for a treasury, for what, and the outcome.

A slot is one nonce of a treasury's key, used for one payout. An attempt is one signed transaction for a slot; it is
stored before its first byte is sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.db import Tx
from shared.values.money import Usdt

# Longer than any single outside call; the key of a worker that died is free after this time.
LEASE = timedelta(seconds=30)
CLOCKS_APART_MAX = LEASE  # a lease that ends later than this allows was set by a wrong clock and is ignored


class SlotState(StrEnum):
    """The state of a nonce."""

    ALLOCATED = "ALLOCATED"
    LIVE = "LIVE"
    MINED = "MINED"
    FINAL_PAY = "FINAL_PAY"
    FINAL_REVERTED = "FINAL_REVERTED"
    FINAL_NOOP = "FINAL_NOOP"
    FOREIGN = "FOREIGN"


class SignerBusy(Exception):
    """Raised when another worker holds the treasury's key; the caller tries again later."""


@dataclass(frozen=True)
class Signer:
    """A key that signs for a treasury, held by this worker under `epoch`. Only nonces below `sealed_below` may have
    signatures that a restored database does not know; it is None before a rebuild has read it.
    """

    address: str
    treasury: str
    kms_version: str
    next_nonce: int
    epoch: int
    status: str
    rebuild_asked_at: datetime | None
    sealed_below: int | None


@dataclass(frozen=True)
class Slot:
    """One nonce of a key, its payout, and the transaction that won it."""

    signer: str
    nonce: int
    payout_id: UUID | None
    state: SlotState
    winning_hash: str | None
    block_number: int | None
    block_hash: str | None
    succeeded: bool | None
    given_up_for: str | None


@dataclass(frozen=True)
class Attempt:
    """One signed transaction. `kind` is PAY or NOOP; fees are in wei per gas."""

    hash: str
    signer: str
    nonce: int
    position: int
    kind: str
    recipient_address: str
    amount: Usdt
    fee_per_gas_wei_max: int
    priority_fee_per_gas_wei_max: int
    gas_limit: int
    raw: bytes
    epoch: int

    def may_be_sent_again(self, slot: Slot) -> bool:
        """False for a payment whose nonce was given up, and for a recovered attempt, whose bytes are unknown."""
        return bool(self.raw) and not (slot.given_up_for and self.kind == "PAY")


@dataclass(frozen=True)
class Mined:
    """The block that includes an attempt; `succeeded` is the status of its receipt."""

    hash: str
    block_number: int
    block_hash: str
    succeeded: bool


def take_signer(tx: Tx, treasury: str, now: datetime, payout_id: UUID | None = None) -> Signer:
    """Hold a treasury's key for LEASE, as the only worker. Raises SignerBusy while another worker holds it.

    A payout that has a nonce is signed by that nonce's key. Otherwise an older key that still drains comes first: until
    it is retired, the new key signs nothing. The epoch rises, so that the schema refuses what an older worker signs
    (R6).
    """
    taken = tx.first(
        Signer,
        """
        UPDATE signers SET epoch = epoch + 1, held_until = :until
        WHERE address = coalesce(
                  (SELECT signer FROM payout_slots
                   WHERE payout_id = CAST(:payout_id AS uuid) AND slot_is_open(state)),
                  (SELECT address FROM signers WHERE treasury = :treasury AND status IN ('draining', 'active')
                   ORDER BY status DESC LIMIT 1))
          AND (held_until IS NULL OR held_until <= :now OR held_until > :believable)
        RETURNING address, treasury, kms_version, next_nonce, epoch, status, rebuild_asked_at, sealed_below
        """,
        treasury=treasury,
        payout_id=payout_id,
        now=now,
        until=now + LEASE,
        believable=now + LEASE + CLOCKS_APART_MAX,
    )
    if taken is None:
        raise SignerBusy(f"the {treasury} treasury's signer is at work")
    return taken


def take_key(tx: Tx, address: str, now: datetime) -> Signer:
    """Hold one certain key for LEASE, by its address. Raises SignerBusy while another worker holds it."""
    taken = tx.first(
        Signer,
        """
        UPDATE signers SET epoch = epoch + 1, held_until = :until
        WHERE address = :address AND (held_until IS NULL OR held_until <= :now OR held_until > :believable)
        RETURNING address, treasury, kms_version, next_nonce, epoch, status, rebuild_asked_at, sealed_below
        """,
        address=address,
        now=now,
        until=now + LEASE,
        believable=now + LEASE + CLOCKS_APART_MAX,
    )
    if taken is None:
        raise SignerBusy(f"{address} is at work")
    return taken


def release_signer(tx: Tx, signer: Signer, now: datetime) -> None:
    """Free the key for the next worker. Does nothing if another worker has taken it over already."""
    tx.run(
        "UPDATE signers SET held_until = :now WHERE address = :address AND epoch = :epoch",
        address=signer.address,
        epoch=signer.epoch,
        now=now,
    )


def holds(tx: Tx, signer: Signer) -> bool:
    """True while no other worker has taken the key over."""
    return tx.scalar(
        bool,
        "SELECT epoch = :epoch AS held FROM signers WHERE address = :address",
        address=signer.address,
        epoch=signer.epoch,
    )


def is_still(tx: Tx, signer: Signer) -> bool:
    """True if the key's status (active, say) is unchanged since it was taken; it is locked until the commit."""
    return tx.scalar(
        bool,
        "SELECT status = :status AS held FROM signers WHERE address = :address FOR NO KEY UPDATE",
        address=signer.address,
        status=signer.status,
    )


def next_nonce(tx: Tx, signer: str) -> int:
    """The nonce that the key's next slot will take."""
    return tx.scalar(int, "SELECT next_nonce FROM signers WHERE address = :signer", signer=signer)


def open_slot(tx: Tx, payout_id: UUID) -> Slot | None:
    """The one slot that may still pay this payout; None if there is none."""
    return tx.first(
        Slot,
        """
        SELECT signer, nonce, payout_id, state, winning_hash, block_number, block_hash, succeeded,
               given_up_for
        FROM payout_slots
        WHERE payout_id = :payout_id AND slot_is_open(state)
        """,
        payout_id=payout_id,
    )


def attempts(tx: Tx, slot: Slot) -> list[Attempt]:
    """All attempts of a slot, in the order of their signing."""
    return tx.all(
        Attempt,
        """
        SELECT hash, signer, nonce, position, kind, recipient_address, amount, fee_per_gas_wei_max,
               priority_fee_per_gas_wei_max, gas_limit, raw, epoch
        FROM payout_attempts WHERE signer = :signer AND nonce = :nonce ORDER BY position
        """,
        signer=slot.signer,
        nonce=slot.nonce,
    )


def store_attempt(tx: Tx, slot: Slot, attempt: Attempt, now: datetime) -> None:
    """Store a signed transaction before any byte of it is sent (R1); an ALLOCATED slot becomes LIVE."""
    tx.run_later(
        """
        INSERT INTO payout_attempts (hash, signer, nonce, position, kind, recipient_address, amount,
                                     fee_per_gas_wei_max, priority_fee_per_gas_wei_max, gas_limit, raw, epoch,
                                     signed_at)
        VALUES (:hash, :signer, :nonce, :position, :kind, :recipient_address, :amount,
                :fee_per_gas_wei_max, :priority_fee_per_gas_wei_max, :gas_limit, :raw, :epoch, :now)
        """,
        **vars(attempt),
        now=now,
    )
    if slot.state is SlotState.ALLOCATED:
        tx.run_later(
            "UPDATE payout_slots SET state = 'LIVE', state_at = :now WHERE signer = :signer AND nonce = :nonce",
            signer=slot.signer,
            nonce=slot.nonce,
            now=now,
        )


def note_event(
    tx: Tx, slot: Slot, kind: str, detail: Mapping[str, object], now: datetime, attempt_hash: str | None = None
) -> None:
    """Record an event of the slot in the diary; no decision depends on the diary's text."""
    tx.run_later(
        """
        INSERT INTO payout_events (payout_id, signer, nonce, attempt_hash, kind, detail, happened_at)
        VALUES (:payout_id, :signer, :nonce, :attempt_hash, :kind, :detail, :now)
        """,
        payout_id=slot.payout_id,
        signer=slot.signer,
        nonce=slot.nonce,
        attempt_hash=attempt_hash,
        kind=kind,
        detail=dict(detail),
        now=now,
    )


def unsigned(tx: Tx, signer: str, limit: int) -> list[Slot]:
    """Nonces that are allocated and not signed, lowest first: every later nonce waits for them."""
    return tx.all(
        Slot,
        """
        SELECT signer, nonce, payout_id, state, winning_hash, block_number, block_hash, succeeded, given_up_for
        FROM payout_slots WHERE signer = :signer AND state = 'ALLOCATED' ORDER BY nonce LIMIT :limit
        """,
        signer=signer,
        limit=limit,
    )


def window(tx: Tx, signer: str, after_nonce: int, limit: int) -> list[Slot]:
    """The lowest open slots above a nonce, without FOREIGN ones. The chain uses nonces in order, so no later slot can
    be further along.
    """
    return tx.all(
        Slot,
        """
        SELECT signer, nonce, payout_id, state, winning_hash, block_number, block_hash, succeeded, given_up_for
        FROM payout_slots
        WHERE signer = :signer AND nonce > :after_nonce AND nonce_is_open(state)
        ORDER BY nonce LIMIT :limit
        """,
        signer=signer,
        after_nonce=after_nonce,
        limit=limit,
    )


def reload_locked(tx: Tx, signer: str, nonces: Sequence[int]) -> list[Slot]:
    """These slots as they are now, locked. Code that also locks their payouts locks the payouts first."""
    return tx.all(
        Slot,
        """
        SELECT signer, nonce, payout_id, state, winning_hash, block_number, block_hash, succeeded, given_up_for
        FROM payout_slots WHERE signer = :signer AND nonce = ANY(CAST(:nonces AS bigint[]))
        ORDER BY nonce FOR UPDATE
        """,
        signer=signer,
        nonces=list(nonces),
    )


def lowest_open(tx: Tx, signer: str) -> int | None:
    """The lowest nonce that is ALLOCATED, LIVE or MINED, which all later ones wait for; None if there is none."""
    return tx.scalar_or_none(
        int,
        """
        SELECT (SELECT nonce FROM payout_slots WHERE signer = :signer AND nonce_is_open(state)
                ORDER BY nonce LIMIT 1) AS nonce
        """,
        signer=signer,
    )


def count_open(tx: Tx, signer: str) -> int:
    """How many nonces lie from the lowest open one to the next free one."""
    lowest = lowest_open(tx, signer)
    return 0 if lowest is None else next_nonce(tx, signer) - lowest


def attempts_of(tx: Tx, slots: Sequence[Slot]) -> dict[int, list[Attempt]]:
    """All attempts of some slots of one key, by nonce, in the order of their signing."""
    found: dict[int, list[Attempt]] = {slot.nonce: [] for slot in slots}
    if not slots:
        return found
    rows = tx.all(
        Attempt,
        """
        SELECT hash, signer, nonce, position, kind, recipient_address, amount, fee_per_gas_wei_max,
               priority_fee_per_gas_wei_max, gas_limit, raw, epoch
        FROM payout_attempts WHERE signer = :signer AND nonce = ANY(CAST(:nonces AS bigint[]))
        ORDER BY nonce, position
        """,
        signer=slots[0].signer,
        nonces=[slot.nonce for slot in slots],
    )
    for attempt in rows:
        found[attempt.nonce].append(attempt)
    return found


def give_up(tx: Tx, slot: Slot, reason: str, now: datetime) -> None:
    """Give a nonce up: from now on only a no-op is signed for it (R3), but a payment that was sent may still win. Does
    nothing if it was given up before, or is neither ALLOCATED nor LIVE.
    """
    tx.run(
        """
        UPDATE payout_slots SET given_up_at = :now, given_up_for = :reason
        WHERE signer = :signer AND nonce = :nonce AND given_up_at IS NULL AND nonce_is_unmined(state)
        """,
        signer=slot.signer,
        nonce=slot.nonce,
        reason=reason,
        now=now,
    )


def assign(tx: Tx, slot: Slot, payout_id: UUID) -> None:
    """Assign a foreign nonce to the payout that it has paid."""
    tx.run(
        "UPDATE payout_slots SET payout_id = :payout_id WHERE signer = :signer AND nonce = :nonce",
        signer=slot.signer,
        nonce=slot.nonce,
        payout_id=payout_id,
    )


def mark_mined(tx: Tx, slot: Slot, mined: Mined, now: datetime) -> None:
    """Mark the slot as MINED, in its first block or, after a reorganisation, in another one."""
    tx.run_later(
        """
        UPDATE payout_slots SET state = 'MINED', winning_hash = :hash, block_number = :block_number,
               block_hash = :block_hash, succeeded = :succeeded, state_at = :now
        WHERE signer = :signer AND nonce = :nonce
        """,
        **vars(mined),
        signer=slot.signer,
        nonce=slot.nonce,
        now=now,
    )


def mark_live(tx: Tx, slot: Slot, now: datetime) -> None:
    """Mark the slot as LIVE: an attempt is stored."""
    _move(tx, slot, SlotState.LIVE, now)


def mark_foreign(tx: Tx, slot: Slot, now: datetime) -> None:
    """Mark the slot as FOREIGN: the finalized chain shows that a transaction not of ours has used the nonce."""
    _move(tx, slot, SlotState.FOREIGN, now)


def _move(tx: Tx, slot: Slot, state: SlotState, now: datetime) -> None:
    tx.run_later(
        "UPDATE payout_slots SET state = :state, state_at = :now WHERE signer = :signer AND nonce = :nonce",
        signer=slot.signer,
        nonce=slot.nonce,
        state=state,
        now=now,
    )


@dataclass(frozen=True)
class _Disputed:
    nonce: int
    disagreed_since: datetime


def dispute(tx: Tx, signer: str, nonces: Sequence[int], disputed: Sequence[int], now: datetime) -> dict[int, datetime]:
    """Store which of the observed slots the nodes disagree about; returns since when they do, by nonce.

    The mark is removed from the other observed slots.
    """
    tx.run(
        """
        UPDATE payout_slots SET disagreed_since = NULL
        WHERE signer = :signer AND nonce = ANY(CAST(:nonces AS bigint[])) AND disagreed_since IS NOT NULL
          AND NOT nonce = ANY(CAST(:disputed AS bigint[]))
        """,
        signer=signer,
        nonces=list(nonces),
        disputed=list(disputed),
    )
    rows = tx.all(
        _Disputed,
        """
        UPDATE payout_slots SET disagreed_since = coalesce(disagreed_since, :now)
        WHERE signer = :signer AND nonce = ANY(CAST(:disputed AS bigint[]))
        RETURNING nonce, disagreed_since
        """,
        signer=signer,
        disputed=list(disputed),
        now=now,
    )
    return {row.nonce: row.disagreed_since for row in rows}


def close(tx: Tx, slot: Slot, state: SlotState, now: datetime) -> None:
    """Set a MINED slot to FINAL_PAY, FINAL_REVERTED or FINAL_NOOP; the schema refuses (I10_winner) what does not fit
    the winning attempt, at the next statement or at the commit.
    """
    _move(tx, slot, state, now)
