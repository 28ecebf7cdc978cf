"""One example request for each operation on scans, in a function of its name."""

from shared.auth import Role
from tests import factories
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene


def submit(scene: Scene) -> Request:
    first, second = factories.manufactured_codes(2)
    return as_json(scene.member(), "/v1/scans/submit", {"code": first}, {"code": second})


def decide_flagged_scan(scene: Scene) -> Request:
    path = f"/v1/admin/scans/flagged/{factories.flagged_scan()}/decide"
    body = {"decision": "clear", "note": "A flight attendant"}
    return as_json(scene.member(Role.OPERATIONS), path, body, body | {"decision": "confirm"})


def decide_flagged_scans(scene: Scene) -> Request:
    body = {"decision": "clear", "note": "A flight attendant", "scan_ids": [str(factories.flagged_scan())]}
    path = "/v1/admin/scans/flagged/decide"
    return as_json(scene.member(Role.OPERATIONS), path, body, body | {"decision": "confirm"})
