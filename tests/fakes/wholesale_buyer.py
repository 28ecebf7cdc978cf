"""A member who orders for a wholesale account, and a treasury admin who books transfers, through the API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from shared.auth import Role
from tests import factories
from tests.client import Answer, Client, FunctionClient
from tests.factories import Somebody
from tests.fakes.order_client import serve
from tests.fakes.shop_client import MINT
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin
from tests.fakes.wholesale_rows import wholesale_account

ORDERS = "/v1/wholesale/orders"
SERVED = ("CA", "NV", "NY")
CALIFORNIA: Mapping[str, Any] = {
    "address_line1": "1 Ocean Avenue", "city": "Oakland", "state": "CA", "zip_code": "94607",
}  # fmt: skip


@dataclass(frozen=True)
class WholesaleBuyer:
    """Requests of one account. Unless said otherwise it orders MINT, to its own address in Nevada, by invoice."""

    somebody: Somebody
    account: UUID
    member: FunctionClient
    staff: FunctionClient
    treasurer: TreasuryAdmin

    def estimate(self, tins: int = 100, **body: object) -> Answer:
        return self.member.post("/v1/wholesale/estimate", {"items": [{"sku": MINT, "quantity": tins}]} | body)

    def total(self, tins: int = 100, **body: object) -> float:
        """The total of that many tins, with their tax."""
        answer = self.estimate(tins, **body)
        assert answer.status == 200, answer.body
        return float(answer.body["total"])

    def order(self, tins: int = 100, *, card: str | None = None, key: str | None = None, **body: Any) -> Answer:
        """Order for the sum of an estimate, unless `expected_total` is given."""
        asked: dict[str, Any] = {
            "items": [{"sku": MINT, "quantity": tins}],
            "payment": {"provider": "card", "token": card} if card else {"provider": "invoice"},
        } | body
        if "expected_total" not in asked:
            goods = {name: asked[name] for name in ("items", "delivery_address") if name in asked}
            asked["expected_total"] = self.total(tins, **goods)
        return self.send(asked, key)

    def send(self, body: object, key: str | None = None) -> Answer:
        return self.member.post(ORDERS, body, **{"Idempotency-Key": key or str(uuid4())})

    def ordered(self, tins: int = 100, *, card: str | None = None, **body: Any) -> UUID:
        """The id of a new order."""
        answer = self.order(tins, card=card, **body)
        assert answer.status == 201, answer.body
        return UUID(answer.body["id"])

    def shown(self, order_id: UUID) -> dict[str, Any]:
        answer = self.member.get(f"{ORDERS}/{order_id}")
        assert answer.status == 200, answer.body
        return dict(answer.body)

    def cancel(self, order_id: UUID) -> Answer:
        return self.member.post(f"{ORDERS}/{order_id}/cancel", None, **{"Idempotency-Key": str(uuid4())})

    def pay(self, order_id: UUID, card: str | None = "ok") -> Answer:
        """Pay in another way: by this card, or in USDT without one."""
        body = {"provider": "card", "token": card} if card else {"provider": "usdt"}
        return self.member.post(f"{ORDERS}/{order_id}/pay", body, **{"Idempotency-Key": str(uuid4())})

    def certify(self, state: str = "NV", **said: object) -> Answer:
        """Have an operations admin record a resale certificate of the account."""
        body = {"state": state, "number": "RS-1", "valid_until": "2027-12-31", "reason": "The register knows it"} | said
        return self.staff.post(f"/v1/admin/wholesale/{self.account}/certificates", body)

    def book(self, order_id: object, *, key: str | None = None, **said: object) -> Answer:
        """Have the treasury admin book the transfer of an order's invoice, by default one of 210 dollars."""
        return self._booked(f"/v1/admin/wholesale/orders/{order_id}/paid", said, key)

    def book_refund(self, refund_id: object, **said: object) -> Answer:
        return self._booked(f"/v1/admin/wholesale/refunds/{refund_id}/paid", said, None)

    def _booked(self, path: str, said: dict[str, object], key: str | None) -> Answer:
        body = {"bank_reference": f"FT-{uuid4().hex}", "amount": 210, "reason": "On today's statement"} | said
        totp = {"totp": self.treasurer.code()}
        return self.treasurer.client.post(path, totp | body, **{"Idempotency-Key": key or str(uuid4())})


def wholesale_buyer(
    client: Client, sql: Connection, *statuses: str, somebody: Somebody | None = None
) -> WholesaleBuyer:
    """A member whose account has had these statuses (approved unless others are named), where SERVED is served."""
    serve(sql, *SERVED)
    somebody, staff = somebody or factories.member(), factories.member(role=Role.OPERATIONS)
    account = wholesale_account(*(statuses or ("approved",)), member=somebody)
    return WholesaleBuyer(somebody, account, client(somebody.token), client(staff.token), treasury_admin(client))
