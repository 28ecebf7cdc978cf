"""Products on sale, and what members change in their carts. A cart is locked before its items, by changing it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class Product:
    """A product with what can be sold of it."""

    sku: str
    name: str
    flavor: str
    strength_mg: int
    price_cents: int
    on_sale: bool
    picture: str | None
    sellable: int


@dataclass(frozen=True)
class Offer:
    """The terms on which a product is sold now."""

    price_cents: int
    on_sale: bool


@dataclass(frozen=True)
class Held:
    """How many tins of a product are in a cart."""

    id: UUID
    quantity: int


def products(tx: Tx) -> list[Product]:
    """All products, by flavor and strength."""
    return tx.all(
        Product,
        """
        SELECT sku, p.name, p.flavor, p.strength_mg, p.price_cents, p.on_sale, p.picture, s.sellable
        FROM products p JOIN stock s USING (sku) ORDER BY p.flavor, p.strength_mg, sku
        """,
    )


def offer(tx: Tx, sku: str) -> Offer | None:
    """The product's price and whether it is on sale; None if there is no such product."""
    return tx.first(Offer, "SELECT price_cents, on_sale FROM products WHERE sku = :sku", sku=sku)


def take_cart(tx: Tx, member_id: UUID, cart_id: UUID, now: datetime) -> UUID:
    """Lock the member's open cart, or open one with the given id; returns its id."""
    return tx.scalar(
        UUID,
        """
        INSERT INTO carts (id, member_id, created_at, changed_at) VALUES (:id, :member_id, :now, :now)
        ON CONFLICT (member_id) WHERE status = 'open' DO UPDATE SET changed_at = :now RETURNING id
        """,
        id=cart_id,
        member_id=member_id,
        now=now,
    )


def touch_cart(tx: Tx, member_id: UUID, now: datetime) -> UUID | None:
    """Lock the member's open cart; None if there is none."""
    return tx.scalar_or_none(
        UUID,
        "UPDATE carts SET changed_at = :now WHERE member_id = :member_id AND status = 'open' RETURNING id",
        member_id=member_id,
        now=now,
    )


def held(tx: Tx, cart_id: UUID, sku: str) -> Held | None:
    """The product's item in the cart, if there is one."""
    return tx.first(
        Held, "SELECT id, quantity FROM cart_items WHERE cart_id = :cart_id AND sku = :sku", cart_id=cart_id, sku=sku
    )


def insert_item(
    tx: Tx, item_id: UUID, cart_id: UUID, *, sku: str, quantity: int, price_cents: int, now: datetime
) -> None:
    """Put a product into the cart."""
    tx.run(
        """
        INSERT INTO cart_items (id, cart_id, sku, quantity, price_cents, added_at)
        VALUES (:id, :cart_id, :sku, :quantity, :price_cents, :now)
        """,
        id=item_id,
        cart_id=cart_id,
        sku=sku,
        quantity=quantity,
        price_cents=price_cents,
        now=now,
    )


def add_more(tx: Tx, item_id: UUID, quantity: int, price_cents: int) -> None:
    """Change how many tins of a product are in a cart; the price of now is the one that the member has seen."""
    tx.run(
        "UPDATE cart_items SET quantity = :quantity, price_cents = :price_cents WHERE id = :id",
        id=item_id,
        quantity=quantity,
        price_cents=price_cents,
    )


def set_quantity(tx: Tx, cart_id: UUID, item_id: UUID, quantity: int) -> bool:
    """Change an item's quantity; False if the cart has no such item."""
    return (
        tx.run(
            "UPDATE cart_items SET quantity = :quantity WHERE id = :id AND cart_id = :cart_id",
            id=item_id,
            cart_id=cart_id,
            quantity=quantity,
        )
        > 0
    )


def remove(tx: Tx, cart_id: UUID, item_id: UUID) -> bool:
    """Take an item out of the cart; False if the cart has no such item."""
    return tx.run("DELETE FROM cart_items WHERE id = :id AND cart_id = :cart_id", id=item_id, cart_id=cart_id) > 0
