"""One example request for each operation on products, stock and carts, in a function of its name."""

import json
from uuid import uuid4

from shared.auth import Role
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene


def add_to_cart(scene: Scene) -> Request:
    body = {"sku": "MINTICE-6", "quantity": 3}
    return as_json(scene.member(), "/v1/cart/add", body, body | {"quantity": 4})


def update_cart_item(scene: Scene) -> Request:
    member = scene.member()
    item = member.post("/v1/cart/add", {"sku": "MINTICE-6", "quantity": 3}).body["items"][0]["id"]
    body = {"item_id": item, "quantity": 5}
    return as_json(member, "/v1/cart/update", body, body | {"quantity": 6})


def remove_cart_item(scene: Scene) -> Request:
    member, path = scene.member(), "/v1/cart/remove"
    item = member.post("/v1/cart/add", {"sku": "MINTICE-6", "quantity": 3}).body["items"][0]["id"]
    return Request(member, f"{path}?item_id={item}", other=Request(member, f"{path}?item_id={uuid4()}"))


def change_product(scene: Scene) -> Request:
    admin, path = scene.member(Role.OPERATIONS), "/v1/admin/products/MINTICE-6"
    body = {"price": 5.49, "on_sale": True, "picture": None}
    first, other = (json.dumps(sent).encode() for sent in (body, body | {"price": 5.99}))
    return Request(admin, path, first, version='"1"', other=Request(admin, path, other, version='"1"'))


def count_stock(scene: Scene) -> Request:
    body = {"quantity": 4200, "as_of": "2026-01-02T06:00:00Z", "reason": "Monthly count"}
    path = "/v1/admin/stock/MINTICE-6"
    return as_json(scene.member(Role.OPERATIONS), path, body, body | {"quantity": 4201})
