"""Withdrawals: their states and transitions. Nothing else changes one; the schema holds the same rules.

A member asks, we prepare a transfer out of the member's own wallet, the member signs it, we keep what was signed and
then send it. docs/withdrawals.md tells the whole story.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from shared import events
from shared.db import Tx
from shared.events import FollowWithdrawal
from shared.money import Usdt

PREPARED_LIFE = timedelta(minutes=10)  # fees and nonce of a preparation grow stale


class State(StrEnum):
    """Where a withdrawal stands."""

    PREPARED = "prepared"
    SIGNED = "signed"
    MINED = "mined"
    LAPSED = "lapsed"
    CONFIRMED = "confirmed"
    REVERTED = "reverted"
    REPLACED = "replaced"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


FOLLOWED = frozenset({State.SIGNED, State.MINED, State.LAPSED})


@dataclass(frozen=True)
class Terms:
    """What is to be signed; fixed from birth. Fees are in wei per gas."""

    from_address: str
    to_address: str
    amount: Usdt
    chain_id: int
    token_address: str
    nonce: int
    gas_limit: int
    fee_per_gas_wei_max: int
    priority_fee_per_gas_wei_max: int


@dataclass(frozen=True)
class Withdrawal:
    """A withdrawal and where it stands."""

    id: UUID
    member_id: UUID
    from_address: str
    to_address: str
    amount: Usdt
    chain_id: int
    token_address: str
    nonce: int
    gas_limit: int
    fee_per_gas_wei_max: int
    priority_fee_per_gas_wei_max: int
    prepared_at: datetime
    expires_at: datetime
    state: State
    state_at: datetime
    raw: bytes | None
    transaction_hash: str | None
    signed_at: datetime | None
    block_number: int | None
    block_hash: str | None
    succeeded: bool | None


@dataclass(frozen=True)
class Block:
    """Where a transaction was included, and whether it moved what it was to move."""

    number: int
    hash: str
    succeeded: bool


@dataclass(frozen=True)
class _Id:
    id: UUID


def prepare(tx: Tx, member_id: UUID, terms: Terms, now: datetime) -> UUID | None:
    """A new withdrawal; None when its wallet has an open one, be it by somebody who came at the same moment."""
    identity = uuid4()
    inserted = tx.run(
        """
        INSERT INTO withdrawals (id, member_id, from_address, to_address, amount, chain_id, token_address, nonce,
                                 gas_limit, fee_per_gas_wei_max, priority_fee_per_gas_wei_max,
                                 prepared_at, expires_at, state_at)
        VALUES (:id, :member_id, :from_address, :to_address, :amount, :chain_id, :token_address, :nonce,
                :gas_limit, :fee_per_gas_wei_max, :priority_fee_per_gas_wei_max,
                :now, :until, :now)
        ON CONFLICT (lower(from_address)) WHERE state IN ('prepared', 'signed', 'mined') DO NOTHING
        """,
        id=identity,
        member_id=member_id,
        **vars(terms),
        now=now,
        until=now + PREPARED_LIFE,
    )
    return identity if inserted else None


def load(tx: Tx, withdrawal_id: UUID) -> Withdrawal | None:
    """A withdrawal, locked."""
    return tx.first(
        Withdrawal,
        """
        SELECT id, member_id, from_address, to_address, amount, chain_id, token_address, nonce, gas_limit,
               fee_per_gas_wei_max, priority_fee_per_gas_wei_max, prepared_at, expires_at, state, state_at, raw,
               transaction_hash, signed_at, block_number, block_hash, succeeded
        FROM withdrawals WHERE id = :id FOR UPDATE
        """,
        id=withdrawal_id,
    )


def keep_signature(tx: Tx, withdrawal: Withdrawal, raw: bytes, transaction_hash: str, now: datetime) -> None:
    """SIGNED: the bytes are ours from here on, and somebody will send them. The wallet's history begins."""
    tx.run(
        """
        UPDATE withdrawals SET state = 'signed', state_at = :now, signed_at = :now, raw = :raw,
               transaction_hash = :transaction_hash
        WHERE id = :id
        """,
        id=withdrawal.id,
        raw=raw,
        transaction_hash=transaction_hash,
        now=now,
    )
    tx.run(
        """
        INSERT INTO wallet_transactions (id, member_id, type, amount, transaction_hash, from_address, to_address,
                                         status, created_at, withdrawal_id)
        VALUES (:id, :member_id, 'withdrawal', :amount, :transaction_hash, :from_address, :to_address,
                'pending', :now, :withdrawal_id)
        """,
        id=uuid4(),
        member_id=withdrawal.member_id,
        amount=withdrawal.amount,
        transaction_hash=transaction_hash,
        from_address=withdrawal.from_address,
        to_address=withdrawal.to_address,
        now=now,
        withdrawal_id=withdrawal.id,
    )
    follow_soon(tx, withdrawal.id, now)


def follow_soon(tx: Tx, withdrawal_id: UUID, now: datetime, delay: timedelta | None = None) -> None:
    """Have it sent and looked at."""
    task = FollowWithdrawal(withdrawal_id=withdrawal_id)
    events.enqueue(tx, now, task, deliver_at=now + delay if delay else None)


def give_up_unsigned(tx: Tx, withdrawal: Withdrawal, state: State, now: datetime) -> None:
    """CANCELLED or EXPIRED: what nobody has signed."""
    tx.run(
        "UPDATE withdrawals SET state = :state, state_at = :now WHERE id = :id",
        id=withdrawal.id,
        state=state,
        now=now,
    )


def expire(tx: Tx, now: datetime, limit: int, address: str | None = None) -> int:
    """EXPIRED: preparations that nobody has signed in time, of one wallet or of all; how many. Whoever is signing one
    at this moment is not waited for.
    """
    return tx.run(
        """
        UPDATE withdrawals SET state = 'expired', state_at = :now
        WHERE id IN (SELECT id FROM withdrawals
                     WHERE state = 'prepared' AND expires_at <= :now
                       AND (CAST(:address AS text) IS NULL OR lower(from_address) = lower(:address))
                     ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        now=now,
        limit=limit,
        address=address,
    )


def see_mined(tx: Tx, withdrawal: Withdrawal, block: Block, now: datetime) -> None:
    """MINED, here or (after a reorganisation) elsewhere."""
    tx.run(
        """
        UPDATE withdrawals SET state = 'mined', state_at = :now, block_number = :number, block_hash = :hash,
               succeeded = :succeeded
        WHERE id = :id
        """,
        id=withdrawal.id,
        **vars(block),
        now=now,
    )


def see_dropped(tx: Tx, withdrawal: Withdrawal, now: datetime) -> None:
    """SIGNED again: the block that held it is no longer part of the chain."""
    tx.run(
        """
        UPDATE withdrawals SET state = 'signed', state_at = :now, block_number = NULL, block_hash = NULL,
               succeeded = NULL
        WHERE id = :id
        """,
        id=withdrawal.id,
        now=now,
    )


def lapse(tx: Tx, withdrawal: Withdrawal, now: datetime) -> None:
    """LAPSED: not sent any more, and looked at from time to time: as long as its nonce is free, a node may mine it."""
    tx.run("UPDATE withdrawals SET state = 'lapsed', state_at = :now WHERE id = :id", id=withdrawal.id, now=now)


def finish(tx: Tx, withdrawal: Withdrawal, state: State, block: Block | None, now: datetime) -> None:
    """CONFIRMED or REVERTED as it was mined, or REPLACED by another transaction of its nonce; and so in the history."""
    tx.run(
        """
        UPDATE withdrawals SET state = :state, state_at = :now, block_number = :number, block_hash = :hash,
               succeeded = :succeeded
        WHERE id = :id
        """,
        id=withdrawal.id,
        state=state,
        number=block.number if block else None,
        hash=block.hash if block else None,
        succeeded=block.succeeded if block else None,
        now=now,
    )
    confirmed = state is State.CONFIRMED
    tx.run(
        """
        UPDATE wallet_transactions SET status = :status, confirmed_at = :confirmed_at, block_number = :number
        WHERE withdrawal_id = :id
        """,
        id=withdrawal.id,
        status="confirmed" if confirmed else "failed",
        confirmed_at=now if confirmed else None,
        number=block.number if block else None,
    )


def touch(tx: Tx, withdrawal: Withdrawal, now: datetime) -> None:
    """Remember when it was last looked at, for the sweep."""
    tx.run("UPDATE withdrawals SET checked_at = :now WHERE id = :id", id=withdrawal.id, now=now)


def neglected(tx: Tx, before: datetime, lapsed_before: datetime, limit: int) -> list[UUID]:
    """Followed ones that nobody has looked at since `before`, lapsed ones since `lapsed_before`; oldest first."""
    rows = tx.all(
        _Id,
        """
        SELECT id FROM withdrawals
        WHERE (state IN ('signed', 'mined') AND state_at <= :before AND coalesce(checked_at, state_at) <= :before)
           OR (state = 'lapsed' AND coalesce(checked_at, state_at) <= :lapsed_before)
        ORDER BY checked_at NULLS FIRST, id LIMIT :limit
        """,
        before=before,
        lapsed_before=lapsed_before,
        limit=limit,
    )
    return [row.id for row in rows]
