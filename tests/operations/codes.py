"""One example request for each operation on codes and their batches, in a function of its name."""

from uuid import uuid4

from shared.auth import Role
from tests import factories
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene


def generate(scene: Scene) -> Request:
    body = {"name": "November", "product_sku": "MINTICE-6", "quantity": 5}
    return as_json(scene.member(Role.OPERATIONS), "/v1/admin/qr/generate", body, body | {"quantity": 6})


def export(scene: Scene) -> Request:
    body = {"batch_id": str(scene.exportable_batch())}
    return as_json(scene.member(Role.OPERATIONS), "/v1/admin/qr/export", body, {"batch_id": str(uuid4())})


def import_feedback(scene: Scene) -> Request:
    made = factories.manufactured_codes(2, status="generated")
    admin, path = scene.member(Role.OPERATIONS), "/v1/admin/qr/import-feedback"
    file, other = ("\n".join(["code", *lines]).encode() for lines in (made, made[:1]))
    return Request(admin, path, file, "text/csv", other=Request(admin, path, other, "text/csv"))


def create_import(scene: Scene) -> Request:
    return Request(scene.member(Role.OPERATIONS), "/v1/admin/qr/imports")


def start_import(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    first, second = (admin.post("/v1/admin/qr/imports").body["id"] for _ in range(2))
    other = Request(admin, f"/v1/admin/qr/imports/{second}/start")
    return Request(admin, f"/v1/admin/qr/imports/{first}/start", other=other)


def change_of_codes(scene: Scene, act: str, status: str) -> Request:
    body = {"codes": factories.manufactured_codes(2, status=status), "reason": "lost"}
    return as_json(scene.member(Role.OPERATIONS), f"/v1/admin/qr/{act}", body, body | {"reason": "torn"})


def invalidate_codes(scene: Scene) -> Request:
    return change_of_codes(scene, "invalidate", "manufactured")


def reuse_codes(scene: Scene) -> Request:
    return change_of_codes(scene, "reuse", "invalidated")


def change_of_batch(scene: Scene, act: str) -> Request:
    path = f"/v1/admin/qr/batches/{scene.exportable_batch()}/{act}"
    return as_json(scene.member(Role.OPERATIONS), path, {"reason": "lost"}, {"reason": "torn"})


def invalidate_batch(scene: Scene) -> Request:
    return change_of_batch(scene, "invalidate")


def reuse_batch(scene: Scene) -> Request:
    return change_of_batch(scene, "reuse")


def recall_batch(scene: Scene) -> Request:
    return change_of_batch(scene, "recall")


def search_code(scene: Scene) -> Request:
    first, second = factories.manufactured_codes(2)
    return as_json(scene.member(Role.OPERATIONS), "/v1/admin/qr/search", {"code": first}, {"code": second})
