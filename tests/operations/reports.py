"""One example request for each operation by which admins ask for reports, in a function of its name."""

from collections.abc import Mapping

from shared.auth import Role
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene

DAYS = {"from": "2026-10-01", "to": "2026-10-31"}
REASON = {"reason": "For the board meeting"}


def export_analytics(scene: Scene) -> Request:
    return _asked(scene, Role.OPERATIONS, "analytics", {"metrics": ["revenue"], **DAYS})


def export_audit_log(scene: Scene) -> Request:
    return _asked(scene, Role.TREASURY, "audit-log", DAYS)


def export_users(scene: Scene) -> Request:
    return _asked(scene, Role.OPERATIONS, "users", {})


def export_orders(scene: Scene) -> Request:
    return _asked(scene, Role.OPERATIONS, "orders", DAYS)


def export_affiliates(scene: Scene) -> Request:
    return _asked(scene, Role.TREASURY, "affiliates", {})


def _asked(scene: Scene, role: Role, name: str, body: Mapping[str, object]) -> Request:
    asked = {**body, **REASON}
    return as_json(scene.member(role), f"/v1/admin/{name}/export", asked, asked | {"reason": "Another reason"})
