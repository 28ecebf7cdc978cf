"""A member at the checkout, through the API: estimates, orders, other cards, cancelling."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pg8000.dbapi import Connection

from emulators import cloud
from shared import settings
from tests import factories
from tests.client import Answer, Client, FunctionClient
from tests.factories import Somebody

ADDRESS: Mapping[str, Any] = {
    "line1": "12 Main Street", "line2": "Apartment 4", "city": "New York", "state": "NY", "zip": "10001",
}  # fmt: skip
SERVED = ("CA", "NY", "OR", "TX")


@dataclass(frozen=True)
class OrderClient:
    """Requests of one member. Unless an address is given, the parcel goes to ADDRESS."""

    who: Somebody
    member: FunctionClient

    def add(self, sku: str, quantity: int) -> Answer:
        answer = self.member.post("/v1/cart/add", {"sku": sku, "quantity": quantity})
        assert answer.status == 200, answer.body
        return answer

    def estimate(self, **address: object) -> Answer:
        return self.member.post("/v1/tax/estimate", {"shipping_address": {**ADDRESS, **address}})

    def total(self, **address: object) -> float:
        """The total of the open cart with its tax."""
        answer = self.estimate(**address)
        assert answer.status == 200, answer.body
        return float(answer.body["total"])

    def create(
        self,
        total: object = None,
        *,
        key: str | None = None,
        card: str = "ok",
        cart_id: object = None,
        **address: object,
    ) -> Answer:
        """Order what is in the cart, for the sum of an estimate unless another one is given."""
        body = {
            "shipping_address": {**ADDRESS, **address},
            "payment": {"provider": "card", "token": card},
            "expected_total": self.total(**address) if total is None else total,
        }
        return self.send(body if cart_id is None else {**body, "cart_id": str(cart_id)}, key)

    def send(self, body: object, key: str | None = None) -> Answer:
        return self.member.post("/v1/orders/create", body, **{"Idempotency-Key": key or str(uuid4())})

    def order(self, order_id: object) -> dict[str, Any]:
        answer = self.member.get(f"/v1/orders/{order_id}")
        assert answer.status == 200, answer.body
        return dict(answer.body)

    def cancel(self, order_id: object) -> Answer:
        return self.member.post(f"/v1/orders/{order_id}/cancel", None, **{"Idempotency-Key": str(uuid4())})

    def pay(self, order_id: object, card: str = "ok") -> Answer:
        body = {"provider": "card", "token": card}
        return self.member.post(f"/v1/orders/{order_id}/pay", body, **{"Idempotency-Key": str(uuid4())})


def order_client(client: Client) -> OrderClient:
    """Return a new member at the checkout."""
    who = factories.member()
    return OrderClient(who, client(who.token))


def serve(sql: Connection, *states: str) -> None:
    """Ship to these states and to no others."""
    cloud.serve_states(sql, states)
    settings.forget()
