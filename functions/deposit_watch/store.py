"""Requests, deposits and what goes back, as rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

from functions.deposit_watch.rules import Arrival, Asked, Match
from shared.db import Tx
from shared.values.money import Usdt
from shared.values.states import PaymentState

FORMER = timedelta(days=180)  # so long nobody else is asked for the amount of a closed request


@dataclass(frozen=True)
class Prepared:
    """A transaction that we have prepared for a payment."""

    transaction_hash: str
    payment_id: UUID


@dataclass(frozen=True)
class Named:
    """A deposit whose payment is known and that is not booked yet, with who has placed the order."""

    id: UUID
    payment_id: UUID
    order_id: UUID
    number: int
    member_id: UUID


@dataclass(frozen=True)
class Deposit:
    """A deposit with the state of the payment that it is for."""

    id: UUID
    transaction_hash: str
    log_index: int
    amount: Usdt
    payment_state: PaymentState
    booked_at: datetime | None


@dataclass(frozen=True)
class Owed:
    """A refund or return that no payout was promised for yet."""

    id: UUID
    member_id: UUID
    refund_to: str
    amount: Usdt


@dataclass(frozen=True)
class Return:
    """A return whose payout is paid."""

    id: UUID
    order_id: UUID
    payment_id: UUID
    amount: Usdt


def note_head(tx: Tx, signer: str, head: int) -> None:
    """Note the newest block that every node has. It never goes back: requests count from it on."""
    tx.run(
        "UPDATE chain_scans SET head = :head WHERE signer = :signer AND coalesce(head, -1) < :head",
        signer=signer,
        head=head,
    )


def open_requests(tx: Tx) -> list[Asked]:
    """The requests that wait for something, newest first."""
    return tx.all(
        Asked,
        """
        SELECT payment_id, amount, lower(refund_to) AS wallet, after_block, true AS is_open,
               tail IS NOT NULL AS has_tail, false AS is_named
        FROM usdt_requests
        WHERE closed_at IS NULL ORDER BY opened_at DESC, payment_id
        """,
    )


def prepared(tx: Tx, hashes: Sequence[str]) -> dict[str, UUID]:
    """The payments for which we have prepared these transactions, by hash."""
    found = tx.all(
        Prepared,
        """
        SELECT transaction_hash, payment_id FROM withdrawals
        WHERE transaction_hash = ANY(CAST(:hashes AS text[])) AND payment_id IS NOT NULL
        """,
        hashes=list(hashes),
    )
    return {row.transaction_hash: row.payment_id for row in found}


def set_seen(tx: Tx, seen: Mapping[UUID, Usdt]) -> None:
    """Note of each open request what has come for it in blocks that are not final; of all others nothing."""
    tx.run(
        """
        UPDATE usdt_requests SET seen = coalesce(given.amount, 0)
        FROM usdt_requests asked LEFT JOIN
             unnest(CAST(:ids AS uuid[]), CAST(:amounts AS bigint[])) AS given (payment_id, amount) USING (payment_id)
        WHERE usdt_requests.payment_id = asked.payment_id AND usdt_requests.closed_at IS NULL
          AND usdt_requests.seen <> coalesce(given.amount, 0)
        """,
        ids=list(seen),
        amounts=[amount.micro for amount in seen.values()],
    )


def arrivals(tx: Tx, up_to: int, limit: int) -> list[Arrival]:
    """Transfers to the shop that nobody has taken for a deposit yet, in the order of the chain."""
    return tx.all(
        Arrival,
        """
        SELECT transaction_hash, log_index, counterparty AS sender, amount, block_number FROM chain_transfers
        WHERE awaits_deposit AND block_number <= :up_to ORDER BY block_number, log_index LIMIT :limit
        """,
        up_to=up_to,
        limit=limit,
    )


def asked_for(tx: Tx, came: Arrival, now: datetime) -> list[Asked]:
    """The requests that the transfer may be for, newest first: the one for which its transaction was prepared, those of
    its amount, and the open ones of its sender.
    """
    return tx.all(
        Asked,
        """
        SELECT payment_id, amount, lower(refund_to) AS wallet, after_block, closed_at IS NULL AS is_open,
               tail IS NOT NULL AS has_tail, coalesce(payment_id = named.id, false) AS is_named
        FROM usdt_requests LEFT JOIN (
            SELECT payment_id AS id FROM withdrawals
            WHERE transaction_hash = :hash AND payment_id IS NOT NULL) named ON named.id = payment_id
        WHERE (amount = :amount AND coalesce(closed_at, 'infinity') > :since)
           OR (closed_at IS NULL AND lower(refund_to) = :sender)
           OR payment_id = (SELECT payment_id FROM withdrawals WHERE transaction_hash = :hash)
        ORDER BY opened_at DESC, payment_id
        """,
        amount=came.amount,
        sender=came.sender,
        hash=came.transaction_hash,
        since=now - FORMER,
    )


def insert(tx: Tx, came: Arrival, found: Match | None, now: datetime) -> UUID | None:
    """Record a transfer as a deposit; returns its id, or None if somebody else has recorded it."""
    return tx.scalar_or_none(
        UUID,
        """
        INSERT INTO usdt_deposits (id, transaction_hash, log_index, payment_id, matched_by, found_at)
        VALUES (:id, :hash, :index, :payment_id, :way, :now) ON CONFLICT DO NOTHING RETURNING id
        """,
        id=uuid4(),
        hash=came.transaction_hash,
        index=came.log_index,
        payment_id=found.payment_id if found else None,
        way=found.way if found else None,
        now=now,
    )


def unbooked(tx: Tx, limit: int) -> list[Named]:
    """Deposits whose payment is known and that are not booked yet, oldest first."""
    return tx.all(
        Named,
        """
        SELECT d.id, d.payment_id, payments.order_id, orders.number, orders.member_id
        FROM usdt_deposits d JOIN payments ON payments.id = d.payment_id JOIN orders ON orders.id = payments.order_id
        WHERE d.payment_id IS NOT NULL AND d.booked_at IS NULL ORDER BY d.found_at, d.id LIMIT :limit
        """,
        limit=limit,
    )


def deposit(tx: Tx, deposit_id: UUID) -> Deposit:
    """A deposit whose payment is known. The payment's request is locked by the caller."""
    return tx.one(
        Deposit,
        """
        SELECT d.id, d.transaction_hash, d.log_index, came.amount, payments.state AS payment_state, d.booked_at
        FROM usdt_deposits d
        JOIN chain_transfers came USING (transaction_hash, log_index, direction)
        JOIN payments ON payments.id = d.payment_id
        WHERE d.id = :id
        """,
        id=deposit_id,
    )


def book(tx: Tx, deposit_id: UUID, outcome: Literal["counted", "returned"], now: datetime) -> None:
    """Note what becomes of a deposit; the schema adds it to what its request has received."""
    tx.run(
        "UPDATE usdt_deposits SET booked_at = :now, outcome = :outcome WHERE id = :id",
        id=deposit_id,
        outcome=outcome,
        now=now,
    )


def unpromised(tx: Tx, limit: int) -> list[Owed]:
    """Refunds in USDT and returns that have no payout yet, oldest first."""
    return tx.all(
        Owed,
        """
        SELECT owed.id, orders.member_id, asked.refund_to, owed.amount
        FROM (SELECT id, payment_id, amount, recorded_at FROM usdt_returns WHERE paid_at IS NULL
              UNION ALL
              SELECT id, payment_id, amount, recorded_at FROM payment_operations
              WHERE kind = 'refund' AND status = 'recorded') owed
        JOIN usdt_requests asked ON asked.payment_id = owed.payment_id
        JOIN payments ON payments.id = owed.payment_id
        JOIN orders ON orders.id = payments.order_id
        WHERE NOT EXISTS (SELECT FROM payouts WHERE source_kind = 'refund' AND source_id = CAST(owed.id AS text))
        ORDER BY owed.recorded_at, owed.id LIMIT :limit
        """,
        limit=limit,
    )


def paid_returns(tx: Tx, limit: int) -> list[Return]:
    """Returns whose payout is paid and that do not say so yet, oldest first."""
    return tx.all(
        Return,
        """
        SELECT back.id, payments.order_id, back.payment_id, back.amount
        FROM usdt_returns back JOIN payments ON payments.id = back.payment_id
        JOIN payouts ON payouts.source_kind = 'refund' AND payouts.source_id = CAST(back.id AS text)
        WHERE back.paid_at IS NULL AND payouts.state = 'PAID' ORDER BY back.recorded_at, back.id LIMIT :limit
        """,
        limit=limit,
    )


def is_unpaid(tx: Tx, return_id: UUID) -> bool:
    """True if the return does not say yet that it was paid. Its request is locked by the caller."""
    return tx.scalar(
        bool, "SELECT paid_at IS NULL AS is_unpaid FROM usdt_returns WHERE id = :return_id", return_id=return_id
    )


def end_return(tx: Tx, return_id: UUID, now: datetime) -> None:
    """Note that a return was paid."""
    tx.run("UPDATE usdt_returns SET paid_at = :now WHERE id = :id", id=return_id, now=now)


def orders_refunded(tx: Tx, limit: int) -> list[UUID]:
    """Orders with a refund in USDT whose payout has ended, and that does not say so yet."""
    return tx.column(
        UUID,
        """
        SELECT payments.order_id FROM payment_operations refund JOIN payments ON payments.id = refund.payment_id
        JOIN payouts ON payouts.source_kind = 'refund' AND payouts.source_id = CAST(refund.id AS text)
        WHERE refund.kind = 'refund' AND refund.status = 'recorded' AND NOT payout_is_unfinished(payouts.state)
        ORDER BY refund.recorded_at, refund.id LIMIT :limit
        """,
        limit=limit,
    )
