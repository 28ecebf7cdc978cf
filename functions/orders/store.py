"""The rows of orders that are paid again. New orders have records of their own."""

from datetime import datetime
from uuid import UUID

from shared.db import Tx


def prolong(tx: Tx, order_id: UUID, until: datetime) -> None:
    """Give the order time until then, unless it has more."""
    tx.run(
        "UPDATE orders SET expires_at = greatest(expires_at, CAST(:until AS timestamptz)) WHERE id = :id",
        until=until,
        id=order_id,
    )
