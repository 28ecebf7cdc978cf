"""The payout machine's nonces and signatures: who may sign for a treasury, for what, and what became of it.

A slot is one nonce of a treasury's key, used for one payout. An attempt is one signed transaction for a slot; it is
stored before its first byte is sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.db import Tx
from shared.money import Usdt

LEASE = timedelta(seconds=30)  # longer than any one step with the outside; a worker that died is waited for so long
CLOCKS_APART_MAX = LEASE  # a lease that ends later than this allows was taken by a clock that is wrong


class SlotState(StrEnum):
    """Where a nonce stands."""

    ALLOCATED = "ALLOCATED"
    LIVE = "LIVE"
    MINED = "MINED"
    FINAL_PAY = "FINAL_PAY"
    FINAL_REVERTED = "FINAL_REVERTED"
    FINAL_NOOP = "FINAL_NOOP"
    FOREIGN = "FOREIGN"


class SignerBusy(Exception):
    """Another worker is at this treasury; come again."""


@dataclass(frozen=True)
class Signer:
    """The key that signs for a treasury, held by this worker under `epoch`."""

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
    """A nonce and what became of it."""

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


@dataclass(frozen=True)
class Mined:
    """Where an attempt was included."""

    hash: str
    block_number: int
    block_hash: str
    succeeded: bool


def take_signer(tx: Tx, treasury: str, now: datetime, payout_id: UUID | None = None) -> Signer:
    """Become the only worker at a treasury's key, for LEASE. Raises SignerBusy while another one is.

    A payout that has its nonce already is signed by that nonce's key. For all others an older key that still drains
    comes first: until it is retired the next one signs nothing.
    The epoch rises: whatever an older worker signs afterwards is refused by the schema (R6).
    """
    taken = tx.first(
        Signer,
        """
        UPDATE signers SET epoch = epoch + 1, held_until = :until
        WHERE address = coalesce(
                  (SELECT signer FROM payout_slots
                   WHERE payout_id = CAST(:payout_id AS uuid) AND state IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN')),
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
    """Likewise, a certain key."""
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
    """Let the next worker in; nothing when this worker was overtaken."""
    tx.run(
        "UPDATE signers SET held_until = :now WHERE address = :address AND epoch = :epoch",
        address=signer.address,
        epoch=signer.epoch,
        now=now,
    )


@dataclass(frozen=True)
class _Held:
    held: bool


def holds(tx: Tx, signer: Signer) -> bool:
    """True while this worker has not been overtaken."""
    return tx.one(
        _Held,
        "SELECT epoch = :epoch AS held FROM signers WHERE address = :address",
        address=signer.address,
        epoch=signer.epoch,
    ).held


def is_still(tx: Tx, signer: Signer) -> bool:
    """True while the key is what it was when it was taken (active, say), and until the end of the transaction."""
    return tx.one(
        _Held,
        "SELECT status = :status AS held FROM signers WHERE address = :address FOR NO KEY UPDATE",
        address=signer.address,
        status=signer.status,
    ).held


@dataclass(frozen=True)
class _Next:
    next_nonce: int


def next_nonce(tx: Tx, signer: str) -> int:
    """The nonce that the key's next slot takes."""
    return tx.one(_Next, "SELECT next_nonce FROM signers WHERE address = :signer", signer=signer).next_nonce


def open_slot(tx: Tx, payout_id: UUID) -> Slot | None:
    """The one slot that may still pay this payout."""
    return tx.first(
        Slot,
        """
        SELECT signer, nonce, payout_id, state, winning_hash, block_number, block_hash, succeeded,
               given_up_for
        FROM payout_slots
        WHERE payout_id = :payout_id AND state IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN')
        """,
        payout_id=payout_id,
    )


def attempts(tx: Tx, slot: Slot) -> list[Attempt]:
    """Everything that was signed for a slot, first to last."""
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
    """Keep a signed transaction before any of it is sent (R1), and have its fate looked into."""
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
    """Write into the diary what the chain said; nothing is ever decided by it."""
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
    """Nonces that are taken and not signed, lowest first: they hold up all later ones."""
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
    """The lowest open slots above a nonce: the chain takes nonces in order, so no later one can have come further."""
    return tx.all(
        Slot,
        """
        SELECT signer, nonce, payout_id, state, winning_hash, block_number, block_hash, succeeded, given_up_for
        FROM payout_slots
        WHERE signer = :signer AND nonce > :after_nonce AND state IN ('ALLOCATED', 'LIVE', 'MINED')
        ORDER BY nonce LIMIT :limit
        """,
        signer=signer,
        after_nonce=after_nonce,
        limit=limit,
    )


def relock(tx: Tx, signer: str, nonces: Sequence[int]) -> list[Slot]:
    """These slots as they are now, locked. Their payouts are locked first, by whoever locks both."""
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


@dataclass(frozen=True)
class _Lowest:
    nonce: int | None


def lowest_open(tx: Tx, signer: str) -> int | None:
    """The nonce that all later ones wait for."""
    return tx.one(
        _Lowest,
        """
        SELECT (SELECT nonce FROM payout_slots WHERE signer = :signer AND state IN ('ALLOCATED', 'LIVE', 'MINED')
                ORDER BY nonce LIMIT 1) AS nonce
        """,
        signer=signer,
    ).nonce


def count_open(tx: Tx, signer: str) -> int:
    """How many nonces lie between the lowest open one and the next."""
    lowest = lowest_open(tx, signer)
    return 0 if lowest is None else next_nonce(tx, signer) - lowest


def attempts_of(tx: Tx, slots: Sequence[Slot]) -> dict[int, list[Attempt]]:
    """Everything that was signed for slots of one key, first to last, by nonce."""
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
    """From now on the nonce is only to be used up (R3); a payment of it that is out may still win."""
    tx.run(
        """
        UPDATE payout_slots SET given_up_at = :now, given_up_for = :reason
        WHERE signer = :signer AND nonce = :nonce AND given_up_at IS NULL AND state IN ('ALLOCATED', 'LIVE')
        """,
        signer=slot.signer,
        nonce=slot.nonce,
        reason=reason,
        now=now,
    )


def own(tx: Tx, slot: Slot, payout_id: UUID) -> None:
    """The nonce turns out to be this payout's."""
    tx.run(
        "UPDATE payout_slots SET payout_id = :payout_id WHERE signer = :signer AND nonce = :nonce",
        signer=slot.signer,
        nonce=slot.nonce,
        payout_id=payout_id,
    )


def see_mined(tx: Tx, slot: Slot, mined: Mined, now: datetime) -> None:
    """MINED, here or (after a reorganisation) elsewhere."""
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


def see_live(tx: Tx, slot: Slot, now: datetime) -> None:
    """LIVE: an attempt is stored."""
    _move(tx, slot, SlotState.LIVE, now)


def see_foreign(tx: Tx, slot: Slot, now: datetime) -> None:
    """FOREIGN: the finalized chain has used the nonce for something that is not ours."""
    _move(tx, slot, SlotState.FOREIGN, now)


def _move(tx: Tx, slot: Slot, state: SlotState, now: datetime) -> None:
    tx.run_later(
        "UPDATE payout_slots SET state = :state, state_at = :now WHERE signer = :signer AND nonce = :nonce",
        signer=slot.signer,
        nonce=slot.nonce,
        state=state,
        now=now,
    )


def see_dropped(tx: Tx, slot: Slot, now: datetime) -> None:
    """LIVE again: the block that held it is no longer part of the chain."""
    tx.run(
        """
        UPDATE payout_slots SET state = 'LIVE', winning_hash = NULL, block_number = NULL, block_hash = NULL,
               succeeded = NULL, state_at = :now
        WHERE signer = :signer AND nonce = :nonce AND state = 'MINED'
        """,
        signer=slot.signer,
        nonce=slot.nonce,
        now=now,
    )


@dataclass(frozen=True)
class _Disputed:
    nonce: int
    disagreed_since: datetime


def dispute(tx: Tx, signer: str, nonces: Sequence[int], disputed: Sequence[int], now: datetime) -> dict[int, datetime]:
    """Of slots that were looked at, remember of which the nodes tell different stories, and since when."""
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
    """The chain's last word on a slot; the schema checks that it fits the winner."""
    _move(tx, slot, state, now)
