"""Counts, and the products that people were told of, as rows."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.inventory_sync.rules import Crossing
from shared.db import Tx
from shared.ports.warehouse import Counts


@dataclass(frozen=True)
class Kept:
    """The products that we know, and those whose counts were taken over, by SKU."""

    known: AbstractSet[str]
    taken: AbstractSet[str]


@dataclass(frozen=True)
class Recovered:
    """A product of which there is enough again."""

    sku: str
    kind: str


@dataclass(frozen=True)
class Person:
    """Somebody who is told."""

    id: UUID
    email: str
    full_name: str


def keep(tx: Tx, told: Counts, reason: str, now: datetime) -> Kept:
    """Record the counts of products that we know and that nobody has counted later.

    Raises ConstraintViolated (stock_count_old) when somebody counts at this moment.
    """
    known = set(tx.column(str, "SELECT sku FROM stock"))
    taken = tx.column(
        str,
        """
        INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, reason)
        SELECT sku, 'count', given.quantity, :as_of, :now, :reason
        FROM unnest(CAST(:skus AS text[]), CAST(:quantities AS integer[])) AS given (sku, quantity)
        JOIN stock USING (sku)
        WHERE counted_at IS NULL OR counted_at < :as_of
        RETURNING sku
        """,
        skus=list(told.counts),
        quantities=list(told.counts.values()),
        as_of=told.as_of,
        reason=reason,
        now=now,
    )
    return Kept(known, set(taken))


def cross_low(tx: Tx, low_below: int, now: datetime) -> list[Crossing]:
    """The products on sale that were counted, of which fewer tins can be sold, and of which nobody was told yet; of two
    concurrent calls, one gets each.
    """
    return tx.all(
        Crossing,
        """
        WITH crossed AS (
            INSERT INTO stock_alerts (sku, kind, crossed_at)
            SELECT sku, 'low', :now FROM stock JOIN products USING (sku)
            WHERE on_sale AND counted_at IS NOT NULL AND sellable < :low_below
            ON CONFLICT DO NOTHING RETURNING sku
        )
        SELECT sku, name, sellable, shortage FROM crossed JOIN stock USING (sku) JOIN products USING (sku)
        """,
        low_below=low_below,
        now=now,
    )


def cross_shortage(tx: Tx, now: datetime) -> list[Crossing]:
    """The products of which more tins are promised than are there, and of which nobody was told yet."""
    return tx.all(
        Crossing,
        """
        WITH crossed AS (
            INSERT INTO stock_alerts (sku, kind, crossed_at)
            SELECT sku, 'shortage', :now FROM stock WHERE shortage > 0
            ON CONFLICT DO NOTHING RETURNING sku
        )
        SELECT sku, name, sellable, shortage FROM crossed JOIN stock USING (sku) JOIN products USING (sku)
        """,
        now=now,
    )


def recover(tx: Tx, enough: int) -> list[Recovered]:
    """Forget the alerts of products of which there is enough again, or that are off sale; returns them."""
    return tx.all(
        Recovered,
        """
        DELETE FROM stock_alerts USING stock JOIN products USING (sku)
        WHERE stock.sku = stock_alerts.sku
          AND CASE kind WHEN 'low' THEN sellable >= :enough OR NOT on_sale ELSE shortage = 0 END
        RETURNING stock_alerts.sku, kind
        """,
        enough=enough,
    )


def admins(tx: Tx) -> list[Person]:
    """Active operations admins and owners."""
    return tx.all(
        Person,
        """
        SELECT id, email, full_name FROM members WHERE role IN ('operations', 'owner') AND status = 'active' ORDER BY id
        """,
    )
