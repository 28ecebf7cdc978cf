"""One example request for each operation on wholesale accounts, in a function of its name."""

from collections.abc import Mapping

from shared.auth import Role
from tests.fakes.wholesale_client import application
from tests.fakes.wholesale_rows import wholesale_account
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene


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


def _asked(
    scene: Scene, verb: str, body: Mapping[str, str], other: Mapping[str, str], statuses: tuple[str, ...] = ()
) -> Request:
    """An admin's request about a new account that has had these statuses since its application."""
    account = wholesale_account(*statuses)
    return as_json(scene.member(Role.OPERATIONS), f"/v1/admin/wholesale/{account}/{verb}", body, other)
