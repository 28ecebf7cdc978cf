"""Disputes: while a buyer's bank wants its money back, nothing is refunded, cancelled or sent; once it has got it, the
rest may be refunded (docs/shop.md).
"""

from uuid import UUID

from shared.db import Tx
from shared.values.problems import Problem


class PaymentDisputed(Problem):
    """The buyer's bank disputes the payment, or has got its money back: it is not refunded or cancelled here."""

    status, title = 409, "The payment of this order is disputed by the buyer's bank."


def is_disputed(tx: Tx, order_id: UUID) -> bool:
    """True while a dispute of the order is open, or has taken money that has not come back."""
    return tx.scalar(bool, "SELECT order_is_disputed(CAST(:order_id AS uuid))", order_id=order_id)


def is_open(tx: Tx, order_id: UUID) -> bool:
    """True while a dispute of the order is not decided."""
    return tx.scalar(bool, "SELECT order_has_open_dispute(CAST(:order_id AS uuid))", order_id=order_id)


def is_lost(tx: Tx, order_id: UUID) -> bool:
    """True if every dispute of the order is decided and a bank has money of it."""
    return is_disputed(tx, order_id) and not is_open(tx, order_id)


def is_overdrawn(tx: Tx, order_id: UUID) -> bool:
    """True while disputes have taken more than was left of the order: the bank has what refunds had promised."""
    return tx.scalar(bool, "SELECT order_is_overdrawn(CAST(:order_id AS uuid))", order_id=order_id)


def refuse_open(tx: Tx, order_id: UUID) -> None:
    """Raises PaymentDisputed while a dispute of the order is not decided. The caller has locked the order."""
    if is_open(tx, order_id):
        raise PaymentDisputed


def refuse_disputed(tx: Tx, order_id: UUID) -> None:
    """Refuse a buyer who wants an order cancelled whose money the bank has, or may get.

    Raises PaymentDisputed. The caller has locked the order, so that no dispute of it is recorded before the commit.
    """
    if is_disputed(tx, order_id):
        raise PaymentDisputed
