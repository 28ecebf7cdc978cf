"""Deposits that belong to no order, and what people say of them, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Money, Reply
from shared.web.paging import Position


class Deposit(Reply):
    """A transfer to the shop's treasury. `order_id` is null until somebody has said for which order it has come."""

    id: UUID
    transaction_hash: str
    log_index: int
    sender: str
    amount: Money
    block_number: int
    found_at: datetime
    order_id: UUID | None


@dataclass(frozen=True)
class Waiting:
    """The payment in USDT that an order waits for, and whose order it is."""

    payment_id: UUID
    member_id: UUID


def unmatched(tx: Tx, after: Position | None, limit: int) -> list[Deposit]:
    """Deposits after a position that belong to no order and are not on their way back, newest first."""
    return tx.all(
        Deposit,
        """
        SELECT d.id, d.transaction_hash, d.log_index, came.counterparty AS sender, came.amount, came.block_number,
               d.found_at, CAST(NULL AS uuid) AS order_id
        FROM usdt_deposits d JOIN chain_transfers came USING (transaction_hash, log_index, direction)
        WHERE d.payment_id IS NULL AND usdt_deposit_is_free(d)
          AND (CAST(:at AS timestamptz) IS NULL OR (d.found_at, d.id) < (:at, CAST(:id AS uuid)))
        ORDER BY d.found_at DESC, d.id DESC LIMIT :limit
        """,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def deposit(tx: Tx, deposit_id: UUID) -> Deposit | None:
    """One deposit; None if there is none."""
    return tx.first(
        Deposit,
        """
        SELECT d.id, d.transaction_hash, d.log_index, came.counterparty AS sender, came.amount, came.block_number,
               d.found_at, payments.order_id
        FROM usdt_deposits d JOIN chain_transfers came USING (transaction_hash, log_index, direction)
        LEFT JOIN payments ON payments.id = d.payment_id
        WHERE d.id = :id
        """,
        id=deposit_id,
    )


def is_free(tx: Tx, deposit_id: UUID) -> bool:
    """True if the deposit is nobody's, and not on its way back."""
    return tx.scalar(
        bool, "SELECT usdt_deposit_is_free(d) AS free FROM usdt_deposits d WHERE d.id = :id", id=deposit_id
    )


def waiting(tx: Tx, order_id: UUID) -> Waiting | None:
    """The payment in USDT that the order waits for; None if it waits for none, or is to be cancelled."""
    return tx.first(
        Waiting,
        """
        SELECT payments.id AS payment_id, orders.member_id
        FROM orders JOIN payments ON payments.order_id = orders.id
        JOIN usdt_requests asked ON asked.payment_id = payments.id AND asked.closed_at IS NULL
        WHERE orders.id = :order_id AND orders.cancel_wanted_at IS NULL
        """,
        order_id=order_id,
    )


def assign(tx: Tx, deposit_id: UUID, payment_id: UUID) -> bool:
    """Say for which payment a deposit has come; False if it is somebody's, or on its way back."""
    return (
        tx.run(
            """
            UPDATE usdt_deposits SET payment_id = :payment_id, matched_by = 'person'
            WHERE id = :id AND usdt_deposit_is_free(usdt_deposits)
            """,
            id=deposit_id,
            payment_id=payment_id,
        )
        > 0
    )


def send_back(tx: Tx, deposit_id: UUID, transfer_id: UUID) -> bool:
    """Note by which transfer a deposit goes back; False if it is somebody's, or on its way back already."""
    return (
        tx.run(
            """
            UPDATE usdt_deposits SET transfer_id = :transfer_id
            WHERE id = :id AND usdt_deposit_is_free(usdt_deposits)
            """,
            id=deposit_id,
            transfer_id=transfer_id,
        )
        > 0
    )
