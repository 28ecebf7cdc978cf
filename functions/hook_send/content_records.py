"""Rows that events are about: orders, payouts and snapshots of treasuries, each with nothing that names a person."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.orders.states import OrderKind
from shared.values.money import Usdt


@dataclass(frozen=True)
class OrderRow:
    """An order, and the wholesale account that it is of."""

    kind: OrderKind
    number: int
    placed_at: datetime
    account_id: UUID | None


def order(tx: Tx, order_id: UUID) -> OrderRow | None:
    """The order; None if there is none."""
    return tx.first(OrderRow, "SELECT kind, number, placed_at, account_id FROM orders WHERE id = :id", id=order_id)


def treasury_of_payout(tx: Tx, payout_id: UUID) -> str | None:
    """The treasury that has paid a payout; None if there is none."""
    return tx.scalar_or_none(str, "SELECT treasury FROM payouts WHERE id = :id", id=payout_id)


def balance(tx: Tx, treasury: str, at: datetime) -> Usdt | None:
    """The balance of a treasury at a full hour; None if it was not read."""
    return tx.scalar_or_none(
        Usdt,
        "SELECT onchain_balance FROM treasury_snapshots WHERE treasury = :treasury AND at = :at",
        treasury=treasury,
        at=at,
    )
