"""What a rebuild and a rotation read and write beside the machine's own queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.money import Usdt
from shared.payout_slots import Slot


@dataclass(frozen=True)
class Asked:
    """A key that something is asked of."""

    address: str
    treasury: str


def asked(tx: Tx) -> list[Asked]:
    """To be rebuilt, or draining."""
    return tx.all(
        Asked,
        """
        SELECT address, treasury FROM signers WHERE rebuild_asked_at IS NOT NULL OR status = 'draining'
        ORDER BY address
        """,
    )


def take_nonce(tx: Tx, signer: str, now: datetime) -> None:
    """The key's next nonce gets a slot that is nobody's."""
    tx.run_later(
        """
        INSERT INTO payout_slots (signer, nonce, payout_id, state_at, allocated_at)
        SELECT address, next_nonce, NULL, :now, :now FROM signers WHERE address = :signer
        """,
        signer=signer,
        now=now,
    )


@dataclass(frozen=True)
class _Id:
    id: UUID


def agreed(tx: Tx) -> list[UUID]:
    """Payouts in quarantine that enough people have agreed to let out."""
    rows = tx.all(
        _Id,
        """
        SELECT id FROM payouts
        WHERE state = 'QUARANTINED' AND greatest(approvals_needed, 2) <= (
            SELECT count(*) FROM payout_approvals WHERE payout_id = payouts.id AND hold = payouts.holds)
        ORDER BY requested_at, id
        """,
    )
    return [row.id for row in rows]


def candidates(tx: Tx, treasury: str, recipient: str, amount: Usdt) -> list[UUID]:
    """Payouts of these terms that nothing is out for and nobody has decided about: a found payment may be theirs."""
    rows = tx.all(
        _Id,
        """
        SELECT id FROM payouts
        WHERE treasury = :treasury AND lower(recipient_address) = lower(:recipient) AND amount = :amount
          AND state NOT IN ('PAID', 'CANCELLED', 'IN_FLIGHT')
        ORDER BY requested_at, id
        """,
        treasury=treasury,
        recipient=recipient,
        amount=amount,
    )
    return [row.id for row in rows]


def seal(tx: Tx, signer: str, below: int) -> None:
    """Remember up to which nonce a signature of a lost timeline could exist."""
    tx.run("UPDATE signers SET sealed_below = :below WHERE address = :signer", signer=signer, below=below)


def rebuilt(tx: Tx, signer: str) -> None:
    """The key may sign again, in this database."""
    tx.run(
        """
        UPDATE signers SET rebuild_asked_at = NULL, rebuild_reason = NULL, lineage = database_lineage()
        WHERE address = :signer
        """,
        signer=signer,
    )


def open_below(tx: Tx, signer: str, nonce: int, limit: int) -> list[Slot]:
    """Open slots below a nonce, lowest first."""
    return tx.all(
        Slot,
        """
        SELECT signer, nonce, payout_id, state, winning_hash, block_number, block_hash, succeeded, given_up_for
        FROM payout_slots
        WHERE signer = :signer AND nonce < :nonce AND state IN ('ALLOCATED', 'LIVE') ORDER BY nonce LIMIT :limit
        """,
        signer=signer,
        nonce=nonce,
        limit=limit,
    )


def unexplained(tx: Tx, signer: str, nonce: int, limit: int) -> list[Slot]:
    """Slots below a nonce that are open, or FOREIGN and nobody's, lowest first."""
    return tx.all(
        Slot,
        """
        SELECT signer, nonce, payout_id, state, winning_hash, block_number, block_hash, succeeded, given_up_for
        FROM payout_slots
        WHERE signer = :signer AND nonce < :nonce
          AND (state IN ('ALLOCATED', 'LIVE') OR (state = 'FOREIGN' AND payout_id IS NULL))
        ORDER BY nonce LIMIT :limit
        """,
        signer=signer,
        nonce=nonce,
        limit=limit,
    )


def retire(tx: Tx, signer: str) -> None:
    """The key has nothing left to do."""
    tx.run("UPDATE signers SET status = 'retired' WHERE address = :signer AND status = 'draining'", signer=signer)


@dataclass(frozen=True)
class _Address:
    address: str


def next_key(tx: Tx, treasury: str) -> str:
    """What the treasury pays from when the older key has drained."""
    return tx.one(
        _Address, "SELECT address FROM signers WHERE treasury = :treasury AND status = 'active'", treasury=treasury
    ).address


@dataclass(frozen=True)
class Signed:
    """The newest signature of an open slot that is nobody's."""

    nonce: int
    position: int
    signed_at: datetime
    fee_per_gas_wei_max: int
    priority_fee_per_gas_wei_max: int


def burning(tx: Tx, signer: str, slots: Sequence[Slot]) -> list[Signed]:
    """Of each of the slots, its newest signature."""
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
