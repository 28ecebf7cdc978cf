"""One example request for each operation on wholesale accounts, in a function of its name."""

from collections.abc import Mapping
from uuid import uuid4

from shared.auth import Role
from tests import factories
from tests.client import FunctionClient
from tests.fakes import order_rows, wholesale_order_rows
from tests.fakes.order_client import serve
from tests.fakes.shop_client import MINT
from tests.fakes.treasury_admins import EXCHANGE, treasury_admin
from tests.fakes.wholesale_client import application
from tests.fakes.wholesale_rows import wholesale_account
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene

CARD = {"provider": "card", "token": "ok"}


def apply_for_wholesale(scene: Scene) -> Request:
    body = application()
    return as_json(scene.member(), "/v1/wholesale/apply", body, body | {"contact_name": "Grace Hopper"})


def decide_wholesale_application(scene: Scene) -> Request:
    body = {"decision": "approve", "reason": "The register knows it"}
    return _asked(scene, "approve", body, body | {"decision": "reject"})


def suspend_wholesale_account(scene: Scene) -> Request:
    body = {"reason": "Invoices of last year are open"}
    return _asked(scene, "suspend", body, body | {"reason": "It asked us to"}, ("approved",))


def activate_wholesale_account(scene: Scene) -> Request:
    body = {"reason": "All invoices are paid"}
    return _asked(scene, "activate", body, body | {"reason": "It asked us to"}, ("approved", "suspended"))


def show_wholesale_tax_id(scene: Scene) -> Request:
    body = {"reason": "To compare it with a register"}
    return _asked(scene, "tax-id", body, body | {"reason": "An auditor asked"})


def record_resale_certificate(scene: Scene) -> Request:
    body = {"state": "NV", "number": "RS-1042-77", "valid_until": "2027-12-31", "reason": "The register knows it"}
    return _asked(scene, "certificates", body, body | {"number": "RS-1042-78"}, ("approved",))


def estimate_wholesale_order(scene: Scene) -> Request:
    body = {"items": [{"sku": MINT, "quantity": 100}]}
    return as_json(_buyer(scene), "/v1/wholesale/estimate", body, {"items": [{"sku": MINT, "quantity": 200}]})


def create_wholesale_order(scene: Scene) -> Request:
    order_rows.counted(1000)
    buyer, items = _buyer(scene), [{"sku": MINT, "quantity": 100}]
    total = buyer.post("/v1/wholesale/estimate", {"items": items}).body["total"]
    body = {"items": items, "payment": {"provider": "invoice"}, "expected_total": total}
    return as_json(buyer, "/v1/wholesale/orders", body, body | {"expected_total": 1})


def cancel_wholesale_order(scene: Scene) -> Request:
    order_rows.counted(1000)
    who = factories.member()
    one, other = (f"/v1/wholesale/orders/{wholesale_order_rows.awaited(who)}/cancel" for _ in range(2))
    client = scene.client(who.token)
    return Request(client, one, other=Request(client, other))


def pay_wholesale_order(scene: Scene) -> Request:
    order_rows.counted(1000)
    who = factories.member()
    path = f"/v1/wholesale/orders/{wholesale_order_rows.declined(who)}/pay"
    return as_json(scene.client(who.token), path, CARD, CARD | {"token": "another"})


def book_invoice_paid(scene: Scene) -> Request:
    order_rows.counted(1000)
    return _booking(scene, f"/v1/admin/wholesale/orders/{wholesale_order_rows.awaited(factories.member())}/paid")


def book_invoice_refunded(scene: Scene) -> Request:
    order_rows.counted(1000)
    return _booking(scene, f"/v1/admin/wholesale/refunds/{wholesale_order_rows.refunding(factories.member())}/paid")


def award_wholesale_comp(scene: Scene) -> Request:
    admin = treasury_admin(scene.client, Role.OPERATIONS)
    account = wholesale_account("approved", member=factories.member(wallet=EXCHANGE))
    body = {"amount": 100, "reason": "A good year", "totp": admin.code()}
    return as_json(admin.client, f"/v1/admin/wholesale/{account}/comps", body, body | {"amount": 200})


def _booking(scene: Scene, path: str) -> Request:
    admin = treasury_admin(scene.client)
    reference = f"FT-{uuid4().hex[:12].upper()}"
    body = {"bank_reference": reference, "amount": 210, "reason": "On the statement", "totp": admin.code()}
    return as_json(admin.client, path, body, body | {"bank_reference": f"{reference}-2"})


def _buyer(scene: Scene) -> FunctionClient:
    """A member with an approved account, in a state that is served."""
    serve(scene.sql, "NV")
    who = factories.member()
    wholesale_account("approved", member=who)
    return scene.client(who.token)


def _asked(
    scene: Scene, verb: str, body: Mapping[str, str], other: Mapping[str, str], statuses: tuple[str, ...] = ()
) -> Request:
    """An admin's request about a new account that has had these statuses since its application."""
    account = wholesale_account(*statuses)
    return as_json(scene.member(Role.OPERATIONS), f"/v1/admin/wholesale/{account}/{verb}", body, other)
