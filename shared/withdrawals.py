"""Withdrawals: their states and transitions. Nothing else changes one; the schema holds the same rules.

A member requests a transfer out of the member's own wallet, and we prepare it. The member signs it; we store what was
signed and then send it. docs/withdrawals.md describes the whole flow.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from shared import events
from shared.db import Tx
from shared.events import FollowWithdrawal
from shared.values.money import Usdt

PREPARED_LIFE = timedelta(minutes=10)  # after this time the fees and the nonce of a preparation are out of date


class State(StrEnum):
    """The state of a withdrawal."""

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
    """The terms that the wallet signs, which never change. Fees are in wei per gas; `prepared_block` had the nonce
    free.
    """

    from_address: str
    to_address: str
    amount: Usdt
    chain_id: int
    token_address: str
    nonce: int
    gas_limit: int
    fee_per_gas_wei_max: int
    priority_fee_per_gas_wei_max: int
    prepared_block: int


@dataclass(frozen=True)
class Withdrawal:
    """A withdrawal: its terms and its state.

    `raw` is None when the wallet has sent the transaction by itself. `transaction_hash` is what was signed or sent;
    `outcome_hash` is the transaction that used the nonce on the chain in the end.
    """

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
    prepared_block: int | None
    outcome_hash: str | None

    @property
    def shown_hash(self) -> str | None:
        """The hash to look up: the outcome's, else that of what was signed.

        None when another transaction used the nonce and was not found: what was signed is on no chain then.
        """
        if self.outcome_hash or self.state is State.REPLACED:
            return self.outcome_hash
        return self.transaction_hash


@dataclass(frozen=True)
class Inclusion:
    """The block that includes a transaction, and whether the transaction succeeded."""

    number: int
    hash: str
    succeeded: bool


def prepare(tx: Tx, member_id: UUID, terms: Terms, now: datetime, payment_id: UUID | None = None) -> UUID | None:
    """Store a new withdrawal; None when the wallet has an open one, also if it was stored at the same moment. With
    `payment_id` it pays an order.
    """
    identity = uuid4()
    inserted = tx.run(
        """
        INSERT INTO withdrawals (id, member_id, from_address, to_address, amount, chain_id, token_address, nonce,
                                 gas_limit, fee_per_gas_wei_max, priority_fee_per_gas_wei_max,
                                 prepared_block, prepared_at, expires_at, state_at, payment_id)
        VALUES (:id, :member_id, :from_address, :to_address, :amount, :chain_id, :token_address, :nonce,
                :gas_limit, :fee_per_gas_wei_max, :priority_fee_per_gas_wei_max,
                :prepared_block, :now, :until, :now, :payment_id)
        ON CONFLICT (lower(from_address)) WHERE withdrawal_is_open(state) DO NOTHING
        """,
        id=identity,
        member_id=member_id,
        **vars(terms),
        now=now,
        until=now + PREPARED_LIFE,
        payment_id=payment_id,
    )
    return identity if inserted else None


def load(tx: Tx, withdrawal_id: UUID) -> Withdrawal | None:
    """A withdrawal, locked until the transaction ends; None if there is none."""
    return tx.first(
        Withdrawal,
        """
        SELECT id, member_id, from_address, to_address, amount, chain_id, token_address, nonce, gas_limit,
               fee_per_gas_wei_max, priority_fee_per_gas_wei_max, prepared_at, expires_at, state, state_at, raw,
               transaction_hash, signed_at, block_number, block_hash, succeeded, prepared_block, outcome_hash
        FROM withdrawals WHERE id = :id FOR UPDATE
        """,
        id=withdrawal_id,
    )


def keep_signature(tx: Tx, withdrawal: Withdrawal, raw: bytes | None, transaction_hash: str, now: datetime) -> None:
    """Store the signature, set the withdrawal to SIGNED, and queue withdrawal_confirm, which sends the bytes.

    `raw` is None when the wallet has sent the transaction already. The transfer is added to the wallet's history.
    """
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
    """Queue a task of withdrawal_confirm, which sends the withdrawal and observes it; after `delay`, if given."""
    task = FollowWithdrawal(withdrawal_id=withdrawal_id)
    events.enqueue(tx, now, task, deliver_at=now + delay if delay else None)


def give_up_unsigned(tx: Tx, withdrawal: Withdrawal, state: State, now: datetime) -> None:
    """Set a withdrawal that was not signed to CANCELLED or EXPIRED."""
    tx.run(
        "UPDATE withdrawals SET state = :state, state_at = :now WHERE id = :id",
        id=withdrawal.id,
        state=state,
        now=now,
    )


def expire(tx: Tx, now: datetime, limit: int, address: str | None = None) -> int:
    """Set preparations that were not signed in time to EXPIRED, of one wallet or of all; returns how many.

    A row that is locked (it is being signed at this moment) is skipped.
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


def mark_mined(tx: Tx, withdrawal: Withdrawal, block: Inclusion, now: datetime) -> None:
    """Set the withdrawal to MINED, in its first block or, after a reorganisation, in another one."""
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


def mark_dropped(tx: Tx, withdrawal: Withdrawal, now: datetime) -> None:
    """Set the withdrawal back to SIGNED: the block that held its transaction is no longer part of the chain."""
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
    """Set the withdrawal to LAPSED: it is not sent any more, but still checked at times.

    It may be mined as long as its nonce is free.
    """
    tx.run("UPDATE withdrawals SET state = 'lapsed', state_at = :now WHERE id = :id", id=withdrawal.id, now=now)


def finish(
    tx: Tx, withdrawal: Withdrawal, state: State, block: Inclusion | None, outcome_hash: str | None, now: datetime
) -> None:
    """Set the final state, here and in the wallet's history: CONFIRMED or REVERTED as it was mined, or REPLACED by
    another transaction of its nonce.

    `outcome_hash` is the transaction that used the nonce; None when it was not found.
    """
    tx.run(
        """
        UPDATE withdrawals SET state = :state, state_at = :now, block_number = :number, block_hash = :hash,
               succeeded = :succeeded, outcome_hash = :outcome_hash
        WHERE id = :id
        """,
        id=withdrawal.id,
        outcome_hash=outcome_hash,
        state=state,
        number=block.number if block else None,
        hash=block.hash if block else None,
        succeeded=block.succeeded if block else None,
        now=now,
    )
    confirmed = state is State.CONFIRMED
    tx.run(
        """
        UPDATE wallet_transactions SET status = :status, confirmed_at = :confirmed_at, block_number = :number,
               transaction_hash = :outcome_hash
        WHERE withdrawal_id = :id
        """,
        id=withdrawal.id,
        outcome_hash=outcome_hash,
        status="confirmed" if confirmed else "failed",
        confirmed_at=now if confirmed else None,
        number=block.number if block else None,
    )


def touch(tx: Tx, withdrawal: Withdrawal, now: datetime) -> None:
    """Record when the withdrawal was last checked, for the sweep."""
    tx.run("UPDATE withdrawals SET checked_at = :now WHERE id = :id", id=withdrawal.id, now=now)


def neglected(tx: Tx, before: datetime, lapsed_before: datetime, limit: int) -> list[UUID]:
    """Followed withdrawals not checked since `before`, lapsed ones not since `lapsed_before`; oldest check first."""
    return tx.column(
        UUID,
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
