"""One example request for each operation on orders, in a function of its name."""

from tests import factories
from tests.fakes import order_rows
from tests.fakes.order_client import ADDRESS, SERVED, serve
from tests.fakes.shop_client import MINT
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene

CARD = {"provider": "card", "token": "ok"}


def estimate_tax(scene: Scene) -> Request:
    serve(scene.sql, *SERVED)
    member = scene.member()
    member.post("/v1/cart/add", {"sku": MINT, "quantity": 3})
    body = {"shipping_address": dict(ADDRESS)}
    return as_json(member, "/v1/tax/estimate", body, {"shipping_address": {**ADDRESS, "zip": "10002"}})


def create_order(scene: Scene) -> Request:
    serve(scene.sql, *SERVED)
    order_rows.counted(10_000)
    member = scene.member()
    member.post("/v1/cart/add", {"sku": MINT, "quantity": 3})
    total = member.post("/v1/tax/estimate", {"shipping_address": dict(ADDRESS)}).body["total"]
    body = {"shipping_address": dict(ADDRESS), "payment": CARD, "expected_total": total}
    return as_json(member, "/v1/orders/create", body, body | {"expected_total": 1})


def cancel_order(scene: Scene) -> Request:
    order_rows.counted(10_000)
    who = factories.member()
    one, other = (f"/v1/orders/{order_rows.placed(who)}/cancel" for _ in range(2))
    client = scene.client(who.token)
    return Request(client, one, other=Request(client, other))


def pay_order(scene: Scene) -> Request:
    order_rows.counted(10_000)
    who = factories.member()
    order_id = order_rows.placed(who)
    order_rows.taken_further(who, order_id)
    order_rows.declined(order_id)
    return as_json(scene.client(who.token), f"/v1/orders/{order_id}/pay", CARD, CARD | {"token": "another"})
