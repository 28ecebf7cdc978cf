"""Operations admins with their authenticator apps, and what they send about orders."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from shared import clock, db
from shared.auth import Role
from shared.credentials import totp
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody

PATH = "/v1/admin/orders"


@dataclass(frozen=True)
class OrderAdmin:
    """An operations admin; `code` makes codes of their app, as often as they are wanted."""

    who: Somebody
    secret: bytes
    client: FunctionClient

    def code(self) -> str:
        unused = "UPDATE second_factors SET last_step = 0 WHERE member_id = :id"
        db.atomically(lambda tx: tx.run(unused, id=self.who.id))
        return totp.code(self.secret, totp.step_of(clock.now()))

    def order(self, order_id: UUID) -> dict[str, Any]:
        answer = self.client.get(f"{PATH}/{order_id}")
        assert answer.status == 200, answer.body
        return dict(answer.body)

    def cancel(self, order_id: UUID, reason: str = "The buyer has called") -> Answer:
        return self.client.put(f"{PATH}/{order_id}", {"status": "cancelled", "reason": reason})

    def refund(self, order_id: UUID, *, key: str | None = None, **terms: object) -> Answer:
        """Ask for a refund: `tins` by SKU, an `amount`, or the shipping."""
        tins = terms.pop("tins", None)
        body: dict[str, object] = {"kind": "shipping", "reason": "faulty", "note": "As the buyer says"}
        if isinstance(tins, dict):
            body |= {"kind": "tins", "tins": [{"sku": sku, "tins": count} for sku, count in tins.items()]}
        if "amount" in terms:
            body |= {"kind": "amount", "reason": "goodwill"}
        headers = {"Idempotency-Key": key or str(uuid4())}
        return self.client.post(f"{PATH}/{order_id}/refunds", body | terms, **headers)

    def approve(self, order_id: UUID, refund_id: object) -> Answer:
        body = {"totp": self.code(), "note": "The picture shows it"}
        return self.client.post(f"{PATH}/{order_id}/refunds/{refund_id}/approve", body)

    def reject(self, order_id: UUID, refund_id: object) -> Answer:
        return self.client.post(f"{PATH}/{order_id}/refunds/{refund_id}/reject", {"reason": "It was sent again"})

    def ship(self, order_id: UUID, *, key: str | None = None, **terms: object) -> Answer:
        """Send by hand what is left of an order, or the `tins` by SKU, under a new number unless one is named."""
        if isinstance(tins := terms.get("tins"), dict):
            terms |= {"tins": [{"sku": sku, "tins": count} for sku, count in tins.items()]}
        body = {"carrier": "UPS", "tracking_number": f"1Z{uuid4().hex.upper()}", "reason": "The warehouse has none"}
        headers = {"Idempotency-Key": key or str(uuid4())}
        return self.client.post(f"{PATH}/{order_id}/ship", body | terms, **headers)

    def tell_parcel(self, order_id: UUID, parcel_id: object, outcome: str) -> Answer:
        body = {"outcome": outcome, "reason": "The carrier says so"}
        return self.client.post(f"{PATH}/{order_id}/parcels/{parcel_id}/outcome", body)

    def resolve(self, order_id: UUID, operation_id: object, outcome: str, reference: str | None = None) -> Answer:
        body = {"outcome": outcome, "reference": reference, "evidence": "Their pages say so", "totp": self.code()}
        return self.client.post(f"{PATH}/{order_id}/payments/{operation_id}/resolve", body)


def signed_in_again(admin: OrderAdmin, client: Callable[..., FunctionClient]) -> OrderAdmin:
    """The same admin with a token of now, whose session has just been proved by a second factor."""
    proved = "UPDATE sessions SET totp_at = :now WHERE member_id = :id"
    db.atomically(lambda tx: tx.run(proved, now=clock.now(), id=admin.who.id))
    return replace(admin, client=client(factories.token(admin.who)))


def order_admin(client: Callable[..., FunctionClient], role: Role = Role.OPERATIONS) -> OrderAdmin:
    """Return a new admin with an app."""
    who = factories.member(role=role)
    return OrderAdmin(who, factories.second_factor(who), client(who.token))
