"""Tins of orders that have left, and what was counted of them, as rows."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class Change:
    """A day's tins of an order: all that count now, and by how many more or fewer than were counted."""

    day: date
    tins: int
    difference: int


@dataclass(frozen=True)
class Sent:
    """The tins of an order that have left and were not given back, and who bought them."""

    buyer_id: UUID
    tins: int


def due(tx: Tx, limit: int) -> list[UUID]:
    """Orders of which the day's sales have something else than their parcels give, longest first."""
    return tx.column(
        UUID,
        "SELECT id FROM orders WHERE volume_due_at IS NOT NULL ORDER BY volume_due_at, id LIMIT :limit",
        limit=limit,
    )


def changes(tx: Tx, order_id: UUID) -> list[Change]:
    """The days on which the order's tins are others than were counted. The order is locked by the caller."""
    return tx.all(
        Change,
        """
        SELECT day, coalesce(now.tins, 0) AS tins, coalesce(now.tins, 0) - coalesce(counted.tins, 0) AS difference
        FROM order_volume(CAST(:order_id AS uuid)) now
        FULL JOIN (SELECT day, tins FROM order_tins_sold WHERE order_id = :order_id) counted USING (day)
        WHERE coalesce(now.tins, 0) <> coalesce(counted.tins, 0) ORDER BY day
        """,
        order_id=order_id,
    )


def note(tx: Tx, order_id: UUID, change: Change, now: datetime) -> None:
    """Note how many tins of a day are counted of the order."""
    tx.run(
        """
        INSERT INTO order_tins_sold (order_id, day, tins, counted_at) VALUES (:order_id, :day, :tins, :now)
        ON CONFLICT (order_id, day) DO UPDATE SET tins = :tins, counted_at = :now
        """,
        order_id=order_id,
        day=change.day,
        tins=change.tins,
        now=now,
    )


def done(tx: Tx, order_id: UUID) -> None:
    """Note that the sales have what the order gives; the schema refuses it while they have something else."""
    tx.run("UPDATE orders SET volume_due_at = NULL WHERE id = :id AND volume_due_at IS NOT NULL", id=order_id)


def unsettled(tx: Tx, before: datetime, limit: int) -> list[UUID]:
    """Orders whose last parcel left before that time, and whose tins were not counted for a referrer, oldest first."""
    return tx.column(
        UUID,
        """
        SELECT id FROM orders
        WHERE settled_at IS NULL AND state IN ('shipped', 'delivered') AND placed_at <= :before
          AND NOT EXISTS (SELECT FROM fulfilments f JOIN parcels ON fulfilment_id = f.id
                          WHERE f.order_id = orders.id AND shipped_at > :before)
        ORDER BY placed_at, id LIMIT :limit
        """,
        before=before,
        limit=limit,
    )


def settle(tx: Tx, order_id: UUID, now: datetime) -> Sent | None:
    """Note that the order's tins are counted for a referrer, and return them; None if they were counted before."""
    return tx.first(
        Sent,
        """
        UPDATE orders SET settled_at = :now WHERE id = :order_id AND settled_at IS NULL
        RETURNING member_id AS buyer_id,
                  (SELECT CAST(coalesce(sum(tins), 0) AS integer) FROM order_volume(CAST(:order_id AS uuid))) AS tins
        """,
        order_id=order_id,
        now=now,
    )
