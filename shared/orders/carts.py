"""Members' open carts, with prices and stock of now: what they would cost, and what an order takes over."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx
from shared.values.cart_sums import CartLine
from shared.values.goods import dollars


@dataclass(frozen=True)
class Cart:
    """An open cart; its revision counts the changes of its items."""

    id: UUID
    revision: int


@dataclass(frozen=True)
class Item:
    """A product in a cart: the price at which it was put in, and what is true of it now."""

    id: UUID
    cart_id: UUID
    sku: str
    name: str
    flavor: str
    strength_mg: int
    picture: str | None
    quantity: int
    added_cents: int
    price_cents: int
    on_sale: bool
    sellable: int

    @property
    def line(self) -> CartLine:
        """The item as amounts."""
        return CartLine(
            quantity=self.quantity,
            added_price=dollars(self.added_cents),
            price=dollars(self.price_cents),
            on_sale=self.on_sale,
            sellable=self.sellable,
        )


def open_cart(tx: Tx, member_id: UUID) -> Cart | None:
    """The member's open cart, if there is one."""
    return tx.first(
        Cart, "SELECT id, revision FROM carts WHERE member_id = :member_id AND status = 'open'", member_id=member_id
    )


def items(tx: Tx, cart_ids: Collection[UUID]) -> list[Item]:
    """The items of carts, in the order in which they were put in."""
    return tx.all(
        Item,
        """
        SELECT i.id, i.cart_id, sku, p.name, p.flavor, p.strength_mg, p.picture, i.quantity,
               i.price_cents AS added_cents, p.price_cents, p.on_sale, s.sellable
        FROM cart_items i JOIN products p USING (sku) JOIN stock s USING (sku)
        WHERE i.cart_id = ANY(CAST(:cart_ids AS uuid[])) ORDER BY i.added_at, i.id
        """,
        cart_ids=list(cart_ids),
    )
