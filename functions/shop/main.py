"""HTTP: what is sold, and the member's cart (docs/product.md, "Shop")."""

from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from flask import Request, Response
from pydantic import Field

from functions.shop import rules, store
from shared import settings
from shared.api import Api
from shared.auth import Member
from shared.db import Tx
from shared.orders import carts
from shared.values import cart_sums
from shared.values.cart_sums import CartLine, Mark
from shared.values.fields import Body, Listing, Money, Query, Reply, Sku
from shared.values.goods import Availability, ProductNotOnSale, ProductUnknown, availability, dollars

Quantity = Annotated[int, Field(ge=1, le=rules.QUANTITY_MAX)]

api = Api("shop")


def shop(request: Request) -> Response:
    return api.handle(request)


class ShopProduct(Reply):
    """A product; `price` is in USD, `picture` a path below the public web site."""

    sku: str
    name: str
    flavor: str
    strength_mg: int
    price: Money
    availability: Availability
    on_sale: bool
    picture: str | None


class CartAddition(Body):
    """Tins of a product that come to those that are in the cart."""

    sku: Sku
    quantity: Quantity


class CartItemChange(Body):
    """The new quantity of an item."""

    item_id: UUID
    quantity: Quantity


class CartItemNamed(Query):
    """The item that is meant."""

    item_id: UUID


class CartItem(Reply):
    """A product in the cart. `unit_price` is the price of now, `added_price` that at which it was put in. `left` says
    how many tins can be had when they are fewer than `quantity`. Off sale, `line_total` is zero.
    """

    id: UUID
    sku: str
    name: str
    flavor: str
    strength_mg: int
    picture: str | None
    quantity: int
    unit_price: Money
    added_price: Money
    line_total: Money
    marks: list[Mark]
    left: int | None


class CartView(Reply):
    """The open cart with its sums in USD; `id` is null and the cart empty until something is put in.

    `free_shipping_in` is what is missing for free shipping, null when it is free.
    """

    id: UUID | None
    revision: int
    items: list[CartItem]
    subtotal: Money
    shipping: Money
    free_shipping_in: Money | None
    total_before_tax: Money


@api.get("/v1/shop/products")
def list_products(tx: Tx, member: Member) -> Listing[ShopProduct]:
    """List all products on one page, by flavor and strength."""
    low_below = settings.load(tx).shop.low_below
    return Listing[ShopProduct](items=[_product(row, low_below) for row in store.products(tx)], next_cursor=None)


@api.get("/v1/cart")
def get_cart(tx: Tx, member: Member) -> CartView:
    """Return the member's cart, with prices and stock of now."""
    return _shown(tx, member)


@api.post("/v1/cart/add", problems=(ProductUnknown, ProductNotOnSale))
def add_to_cart(tx: Tx, member: Member, body: CartAddition, now: datetime) -> CartView:
    """Put tins of a product into the cart. It may be more than there is: stock is promised with an order only."""
    offer = store.offer(tx, body.sku)
    if offer is None:
        raise ProductUnknown
    if not offer.on_sale:
        raise ProductNotOnSale
    cart_id = store.take_cart(tx, member.id, uuid4(), now)
    held = store.held(tx, cart_id, body.sku)
    if held:
        store.add_more(tx, held.id, rules.together(held.quantity, body.quantity), offer.price_cents)
    else:
        store.insert_item(
            tx, uuid4(), cart_id, sku=body.sku, quantity=body.quantity, price_cents=offer.price_cents, now=now
        )
    return _shown(tx, member)


@api.put("/v1/cart/update", problems=(rules.NotInCart,))
def update_cart_item(tx: Tx, member: Member, body: CartItemChange, now: datetime) -> CartView:
    """Change the quantity of an item."""
    cart_id = store.touch_cart(tx, member.id, now)
    if cart_id is None or not store.set_quantity(tx, cart_id, body.item_id, body.quantity):
        raise rules.NotInCart
    return _shown(tx, member)


@api.delete("/v1/cart/remove", problems=(rules.NotInCart,))
def remove_cart_item(tx: Tx, member: Member, named: CartItemNamed, now: datetime) -> CartView:
    """Take an item out of the cart."""
    cart_id = store.touch_cart(tx, member.id, now)
    if cart_id is None or not store.remove(tx, cart_id, named.item_id):
        raise rules.NotInCart
    return _shown(tx, member)


def _product(row: store.Product, low_below: int) -> ShopProduct:
    return ShopProduct(
        sku=row.sku,
        name=row.name,
        flavor=row.flavor,
        strength_mg=row.strength_mg,
        price=dollars(row.price_cents),
        availability=availability(row.sellable, low_below),
        on_sale=row.on_sale,
        picture=row.picture,
    )


def _shown(tx: Tx, member: Member) -> CartView:
    cart = carts.open_cart(tx, member.id)
    rows = carts.items(tx, [cart.id]) if cart else []
    lines = [row.line for row in rows]
    terms = settings.load(tx).shop
    sums = cart_sums.totals(lines, terms.shipping, terms.free_shipping_from)
    return CartView(
        id=cart.id if cart else None,
        revision=cart.revision if cart else 0,
        items=[_item(row, line) for row, line in zip(rows, lines, strict=True)],
        subtotal=sums.subtotal,
        shipping=sums.shipping,
        free_shipping_in=sums.free_shipping_in,
        total_before_tax=sums.total_before_tax,
    )


def _item(row: carts.Item, line: CartLine) -> CartItem:
    return CartItem(
        id=row.id,
        sku=row.sku,
        name=row.name,
        flavor=row.flavor,
        strength_mg=row.strength_mg,
        picture=row.picture,
        quantity=row.quantity,
        unit_price=line.price,
        added_price=line.added_price,
        line_total=line.total,
        marks=line.marks,
        left=line.left,
    )
