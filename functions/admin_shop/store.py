"""Products and their stock as rows, for those who set the one and count the other."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class Product:
    """A product in its present version."""

    sku: str
    name: str
    flavor: str
    strength_mg: int
    price_cents: int
    on_sale: bool
    picture: str | None
    revision: int


@dataclass(frozen=True)
class Level:
    """The stock of a product and its last count, if there was one."""

    sku: str
    name: str
    on_hand: int
    promised: int
    sellable: int
    shortage: int
    counted_at: datetime | None
    counted_by: UUID | None
    reason: str | None
    low_since: datetime | None
    short_since: datetime | None


def products(tx: Tx) -> list[Product]:
    """All products, by flavor and strength."""
    return tx.all(
        Product,
        """
        SELECT sku, name, flavor, strength_mg, price_cents, on_sale, picture, revision
        FROM products ORDER BY flavor, strength_mg, sku
        """,
    )


def lock(tx: Tx, sku: str) -> Product | None:
    """Lock the product, so that it changes one version at a time; None if there is none."""
    return tx.first(
        Product,
        """
        SELECT sku, name, flavor, strength_mg, price_cents, on_sale, picture, revision
        FROM products WHERE sku = :sku FOR NO KEY UPDATE
        """,
        sku=sku,
    )


def change(tx: Tx, sku: str, *, price_cents: int, on_sale: bool, picture: str | None) -> None:
    """Store the next version of a product."""
    tx.run(
        """
        UPDATE products SET price_cents = :price_cents, on_sale = :on_sale, picture = :picture, revision = revision + 1
        WHERE sku = :sku
        """,
        sku=sku,
        price_cents=price_cents,
        on_sale=on_sale,
        picture=picture,
    )


def levels(tx: Tx, sku: str | None) -> list[Level]:
    """The stock of all products, by flavor and strength; of a single one, if given."""
    return tx.all(
        Level,
        """
        SELECT s.sku, p.name, s.on_hand, s.promised, s.sellable, s.shortage, s.counted_at, m.counted_by, m.reason,
               (SELECT crossed_at FROM stock_alerts WHERE sku = s.sku AND kind = 'low') AS low_since,
               (SELECT crossed_at FROM stock_alerts WHERE sku = s.sku AND kind = 'shortage') AS short_since
        FROM stock s JOIN products p ON p.sku = s.sku
        LEFT JOIN stock_moves m ON m.sku = s.sku AND m.kind = 'count' AND m.moved_at = s.counted_at
        WHERE CAST(:sku AS text) IS NULL OR s.sku = :sku
        ORDER BY p.flavor, p.strength_mg, p.sku
        """,
        sku=sku,
    )


def count(tx: Tx, sku: str, quantity: int, as_of: datetime, *, counted_by: UUID, reason: str, now: datetime) -> None:
    """Record a count. Raises ConstraintViolated (stock_count_old) when a count is as new or newer."""
    tx.run(
        """
        INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, counted_by, reason)
        VALUES (:sku, 'count', :quantity, :as_of, :now, :counted_by, :reason)
        """,
        sku=sku,
        quantity=quantity,
        as_of=as_of,
        now=now,
        counted_by=counted_by,
        reason=reason,
    )
