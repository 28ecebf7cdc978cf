"""HTTP for admins: prices, what is on sale, and what lies in the warehouse (docs/product.md, "Shop")."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from flask import Request, Response
from pydantic import AfterValidator, Field

from functions.admin_shop import rules, store
from shared import settings
from shared.api import Api
from shared.auth import Admin, Role
from shared.db import ConstraintViolated, Tx
from shared.values.fields import Body, Listing, Moment, Money, Reason, Reply, Shape, Versioned
from shared.values.goods import PICTURE, Availability, availability, cents, dollars
from shared.values.problems import NotFound
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client, IfMatch

Operations = Annotated[Admin, Role.OPERATIONS]

api = Api("admin_shop")


def admin_shop(request: Request) -> Response:
    return api.handle(request)


class AdminProduct(Versioned):
    """A product; `price` is in USD, `picture` a path below the public web site. The ETag is the revision in quotes."""

    sku: str
    name: str
    flavor: str
    strength_mg: int
    price: Money
    on_sale: bool
    picture: str | None


class ProductChange(Body):
    """All that people set of a product: the price in whole cents of a dollar, and a path of the public web site."""

    price: Annotated[Money, AfterValidator(rules.price)]
    on_sale: bool
    picture: Annotated[str, Shape(PICTURE, "a path such as /pictures/mint-ice.webp, in small letters")] | None


class StockLevel(Reply):
    """The stock of a product: as last counted, less what has left since. `promised` waits to be shipped, `sellable` is
    the rest, `shortage` what is promised and not there. When it was counted last and why is null until it was; who
    counted also when that was the warehouse. `low_since` and `short_since` are when people were told that it runs low
    or that tins are missing, and null once it has recovered.
    """

    sku: str
    name: str
    on_hand: int
    promised: int
    sellable: int
    shortage: int
    availability: Availability
    counted_at: datetime | None
    counted_by: UUID | None
    reason: str | None
    low_since: datetime | None
    short_since: datetime | None


class StockCount(Body):
    """A count of what physically lay in the warehouse at a moment."""

    quantity: Annotated[int, Field(ge=0, le=rules.COUNT_MAX)]
    as_of: Moment
    reason: Reason


@api.get("/v1/admin/products")
def list_admin_products(tx: Tx, admin: Operations) -> Listing[AdminProduct]:
    """List all products on one page, by flavor and strength."""
    return Listing[AdminProduct](items=[_product(row) for row in store.products(tx)], next_cursor=None)


@api.put("/v1/admin/products/{sku}")
def change_product(
    tx: Tx, admin: Operations, sku: str, body: ProductChange, version: IfMatch, client: Client, now: datetime
) -> AdminProduct:
    """Change the version of a product that was read. Carts show the new price at once, marked as changed."""
    before = store.lock(tx, sku)
    if before is None:
        raise NotFound
    version.check(before.revision)
    store.change(tx, sku, price_cents=cents(body.price), on_sale=body.on_sale, picture=body.picture)
    after = store.lock(tx, sku)
    assert after, "it is locked"
    changes = {"before": _recorded(before), "after": _recorded(after)}
    audit.record(tx, admin, client, Action("product.change", "product", sku, changes), now)
    return _product(after)


@api.get("/v1/admin/stock")
def list_stock(tx: Tx, admin: Operations) -> Listing[StockLevel]:
    """List the stock of all products on one page, by flavor and strength."""
    low_below = settings.load(tx).shop.low_below
    return Listing[StockLevel](items=[_level(row, low_below) for row in store.levels(tx, None)], next_cursor=None)


@api.put("/v1/admin/stock/{sku}", problems=(rules.StockCountOld,))
def count_stock(tx: Tx, admin: Operations, sku: str, body: StockCount, client: Client, now: datetime) -> StockLevel:
    """Record what was counted. Counts may arrive in any order: one that is older than the last is refused."""
    before = _found(tx, sku)
    rules.check_moment(body.as_of, now)
    try:
        with tx.savepoint():
            store.count(tx, sku, body.quantity, body.as_of, counted_by=admin.id, reason=body.reason, now=now)
    except ConstraintViolated as refused:
        if refused.constraint != "stock_count_old":
            raise
        raise rules.StockCountOld(counted_at=_found(tx, sku).counted_at) from None
    changes = {"on_hand_before": before.on_hand, **body.model_dump(mode="json")}
    audit.record(tx, admin, client, Action("stock.count", "product", sku, changes), now)
    return _level(_found(tx, sku), settings.load(tx).shop.low_below)


def _found(tx: Tx, sku: str) -> store.Level:
    """The stock of a product. Raises NotFound."""
    found = store.levels(tx, sku)
    if not found:
        raise NotFound
    return found[0]


def _product(row: store.Product) -> AdminProduct:
    shown = {name: value for name, value in vars(row).items() if name != "price_cents"}
    return AdminProduct(**shown, price=dollars(row.price_cents))


def _recorded(row: store.Product) -> dict[str, object]:
    """The fields of a product that people set, for the audit log."""
    return {"price_cents": row.price_cents, "on_sale": row.on_sale, "picture": row.picture, "revision": row.revision}


def _level(row: store.Level, low_below: int) -> StockLevel:
    return StockLevel(**vars(row), availability=availability(row.sellable, low_below))
