"""Queries of a rebuild and a rotation, beside those of the payout machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.payouts.slots import Slot
from shared.values.money import Usdt


@dataclass(frozen=True)
class Asked:
    """A key to be rebuilt or replaced."""

    address: str
    treasury: str


def asked(tx: Tx) -> list[Asked]:
    """The keys that are to be rebuilt, or are draining."""
    return tx.all(
        Asked,
        """
        SELECT address, treasury FROM signers WHERE rebuild_asked_at IS NOT NULL OR status = 'draining'
        ORDER BY address
        """,
    )


def take_nonce(tx: Tx, signer: str, now: datetime) -> None:
    """Insert a slot without a payout for the key's next nonce."""
    tx.run_later(
        """
        INSERT INTO payout_slots (signer, nonce, payout_id, state_at, allocated_at)
        SELECT address, next_nonce, NULL, :now, :now FROM signers WHERE address = :signer
        """,
        signer=signer,
        now=now,
    )


def agreed(tx: Tx) -> list[UUID]:
    """Payouts in quarantine whose release enough people have approved."""
    return tx.column(
        UUID,
        """
        SELECT id FROM payouts
        WHERE state = 'QUARANTINED' AND approvals_required(payouts) <= approvals_that_count(payouts)
        ORDER BY requested_at, id
        """,
    )


def candidates(tx: Tx, treasury: str, recipient: str, amount: Usdt) -> list[UUID]:
    """Payouts with these terms that are not PAID, CANCELLED or IN_FLIGHT: a found payment may be theirs."""
    return tx.column(
        UUID,
        """
        SELECT id FROM payouts
        WHERE treasury = :treasury AND lower(recipient_address) = lower(:recipient) AND amount = :amount
          AND payout_is_unfinished(state) AND state <> 'IN_FLIGHT'
        ORDER BY requested_at, id
        """,
        treasury=treasury,
        recipient=recipient,
        amount=amount,
    )


def seal(tx: Tx, signer: str, below: int) -> None:
    """Store up to which nonce a signature of a lost timeline could exist."""
    tx.run("UPDATE signers SET sealed_below = :below WHERE address = :signer", signer=signer, below=below)


def rebuilt(tx: Tx, signer: str) -> None:
    """Mark the key as rebuilt: it may sign again, in this database."""
    tx.run(
        """
        UPDATE signers SET rebuild_asked_at = NULL, rebuild_reason = NULL, lineage = database_lineage()
        WHERE address = :signer
        """,
        signer=signer,
    )


def open_below(tx: Tx, signer: str, nonce: int, limit: int) -> list[Slot]:
    """Slots below a nonce that are ALLOCATED or LIVE, lowest first."""
    return tx.all(
        Slot,
        """
        SELECT signer, nonce, payout_id, state, winning_hash, block_number, block_hash, succeeded, given_up_for
        FROM payout_slots
        WHERE signer = :signer AND nonce < :nonce AND nonce_is_unmined(state) ORDER BY nonce LIMIT :limit
        """,
        signer=signer,
        nonce=nonce,
        limit=limit,
    )


def unexplained(tx: Tx, signer: str, nonce: int, limit: int) -> list[Slot]:
    """Slots below a nonce that are ALLOCATED, LIVE, or FOREIGN without a payout, lowest first."""
    return tx.all(
        Slot,
        """
        SELECT signer, nonce, payout_id, state, winning_hash, block_number, block_hash, succeeded, given_up_for
        FROM payout_slots
        WHERE signer = :signer AND nonce < :nonce
          AND (nonce_is_unmined(state) OR (state = 'FOREIGN' AND payout_id IS NULL))
        ORDER BY nonce LIMIT :limit
        """,
        signer=signer,
        nonce=nonce,
        limit=limit,
    )


def retire(tx: Tx, signer: str) -> None:
    """Mark a draining key as retired."""
    tx.run("UPDATE signers SET status = 'retired' WHERE address = :signer AND status = 'draining'", signer=signer)


def next_key(tx: Tx, treasury: str) -> str:
    """The key from which the treasury pays once the older one has drained."""
    return tx.scalar(
        str, "SELECT address FROM signers WHERE treasury = :treasury AND status = 'active'", treasury=treasury
    )


@dataclass(frozen=True)
class Signed:
    """The newest signature of an open slot without a payout."""

    nonce: int
    position: int
    signed_at: datetime
    fee_per_gas_wei_max: int
    priority_fee_per_gas_wei_max: int


def burning(tx: Tx, signer: str, slots: Sequence[Slot]) -> list[Signed]:
    """The newest signature of each of the slots."""
    return tx.all(
        Signed,
        """
        SELECT DISTINCT ON (nonce) nonce, position, signed_at, fee_per_gas_wei_max, priority_fee_per_gas_wei_max
        FROM payout_attempts WHERE signer = :signer AND nonce = ANY(CAST(:nonces AS bigint[]))
        ORDER BY nonce, position DESC
        """,
        signer=signer,
        nonces=[slot.nonce for slot in slots],
    )
