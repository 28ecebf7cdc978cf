"""A member at the shop and an admin in its warehouse, through the API."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from shared.auth import Role
from tests import factories
from tests.client import Answer, Client, FunctionClient

COUNTED = datetime(2026, 1, 2, 6, 0, tzinfo=UTC)
MINT, COFFEE = "MINTICE-6", "COFFEE-3"


def hours(number: int) -> datetime:
    """The time so many hours after COUNTED."""
    return COUNTED + timedelta(hours=number)


@dataclass(frozen=True)
class ShopClient:
    """Requests of a member (carts) and of an admin of the role operations (products, stock)."""

    member: FunctionClient
    admin: FunctionClient

    def add(self, sku: str = MINT, quantity: object = 1) -> Answer:
        return self.member.post("/v1/cart/add", {"sku": sku, "quantity": quantity})

    def update(self, item_id: object, quantity: object) -> Answer:
        return self.member.put("/v1/cart/update", {"item_id": item_id, "quantity": quantity})

    def remove(self, item_id: object) -> Answer:
        return self.member.delete(f"/v1/cart/remove?item_id={item_id}")

    def cart(self) -> dict[str, Any]:
        answer = self.member.get("/v1/cart")
        assert answer.status == 200, answer.body
        shown: dict[str, Any] = answer.body
        return shown

    def item(self, sku: str = MINT) -> dict[str, Any]:
        """The product's item in the cart."""
        (found,) = [item for item in self.cart()["items"] if item["sku"] == sku]
        return dict(found)

    def product(self, sku: str = MINT) -> dict[str, Any]:
        """The product as the admin sees it."""
        listed = self.admin.get("/v1/admin/products").body["items"]
        (found,) = [product for product in listed if product["sku"] == sku]
        return dict(found)

    def change(self, sku: str = MINT, *, version: str | None = None, **said: object) -> Answer:
        """Change a product; what is not said stays as it is."""
        found = self.product(sku)
        body = {name: found[name] for name in ("price", "on_sale", "picture")} | said
        return self.put(f"/v1/admin/products/{sku}", body, version or f'"{found["revision"]}"')

    def put(self, path: str, body: object, version: str) -> Answer:
        headers = {"Content-Type": "application/json", "If-Match": version}
        return self.admin.send("PUT", path, json.dumps(body).encode(), headers)

    def count(self, quantity: object, sku: str = MINT, at: datetime = COUNTED, **other: object) -> Answer:
        body = {"quantity": quantity, "as_of": at.isoformat(), "reason": f"Count {uuid4()}"} | other
        return self.admin.put(f"/v1/admin/stock/{sku}", body)

    def level(self, sku: str = MINT) -> dict[str, Any]:
        """The stock of a product."""
        (found,) = [level for level in self.admin.get("/v1/admin/stock").body["items"] if level["sku"] == sku]
        return dict(found)


def shop_client(client: Client) -> ShopClient:
    """Return the desk of a new member and a new admin."""
    return ShopClient(client(factories.member().token), client(factories.member(role=Role.OPERATIONS).token))
