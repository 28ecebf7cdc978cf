"""One example request for each operation on top-ups, in a function of its name."""

from tests.fakes.bridge import WALLET
from tests.fakes.top_up_driver import PATH, PREPARATIONS, approve, ask, prepared
from tests.fakes.treasury_admins import treasury_admin
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene


def ask_top_up(scene: Scene) -> Request:
    admin = treasury_admin(scene.client)
    body = {"pool": "member", "amount": 1000, "source_address": WALLET, "reason": "two weeks are left"}
    body["totp"] = admin.code()
    return as_json(admin.client, PATH, body, body | {"amount": 2000})


def approve_top_up(scene: Scene) -> Request:
    top_up, admin = ask(treasury_admin(scene.client)).body["id"], treasury_admin(scene.client)
    body = {"totp": admin.code(), "note": "read back by phone"}
    return as_json(admin.client, f"{PATH}/{top_up}/approve", body, body | {"note": "read back by mail"})


def prepare_top_up(scene: Scene) -> Request:
    asks, other = treasury_admin(scene.client), ask(treasury_admin(scene.client)).body["id"]
    top_up = ask(asks).body["id"]
    for _ in range(2):
        approve(treasury_admin(scene.client), top_up)
    body = {"totp": asks.code(), "top_up_id": top_up}
    return as_json(asks.client, PREPARATIONS, body, body | {"top_up_id": other})


def follow_top_up(scene: Scene) -> Request:
    admin, top_up = prepared(scene.client)
    body = {"totp": admin.code(), "transaction_hash": "0x" + "5c" * 32}
    path = f"{PATH}/{top_up['id']}/sent"
    return as_json(admin.client, path, body, body | {"transaction_hash": "0x" + "5d" * 32})


def cancel_top_up(scene: Scene) -> Request:
    admin = treasury_admin(scene.client)
    path = f"{PATH}/{ask(admin).body['id']}/cancel"
    return as_json(admin.client, path, {"reason": "no longer needed"}, {"reason": "mistyped"})
