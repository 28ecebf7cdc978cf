"""One example request for each operation on the treasury, in a function of its name."""

import json
from datetime import timedelta

from shared import clock
from shared.auth import Role
from tests import factories
from tests.fakes import order_rows, usdt_rows
from tests.fakes.card_lists import payment_finding
from tests.fakes.treasury_admins import EXCHANGE, finding, foreign_nonce, treasury_admin
from tests.fakes.treasury_admins import PATH as TREASURY
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene


def pause_treasury(scene: Scene) -> Request:
    path, body = f"{TREASURY}/pools/member/pause", {"reason": "it looks wrong"}
    return as_json(scene.member(Role.TREASURY), path, body, {"reason": "it still looks wrong"})


def resume_treasury(scene: Scene) -> Request:
    admin, paused = treasury_admin(scene.client), pause_treasury(scene)
    assert paused.client.post(paused.path, json.loads(paused.body)).status == 200
    body = {"reason": "it was nothing", "totp": admin.code()}
    path = f"{TREASURY}/pools/member/resume"
    return as_json(admin.client, path, body, body | {"reason": "it was something"})


def set_treasury_alerts(scene: Scene) -> Request:
    body = {"usdt": 100, "gas_wei": "1000000000000000000"}
    path = f"{TREASURY}/pools/member/alerts"
    return as_json(scene.member(Role.TREASURY), path, body, body | {"usdt": 200})


def send_from_treasury(scene: Scene) -> Request:
    admin = treasury_admin(scene.client)
    body = {"pool": "member", "to_address": EXCHANGE, "amount": 25.5, "reason": "to the exchange"}
    body["totp"] = admin.code()
    return as_json(admin.client, f"{TREASURY}/send", body, body | {"amount": 26})


def approval_of_transfer(scene: Scene, kind: str) -> Request:
    """An approval of a transfer that somebody else has asked for, under the path of `kind` (transfers or payouts)."""
    transfer, admin = treasury_admin(scene.client).send().body["id"], treasury_admin(scene.client)
    body = {"totp": admin.code(), "note": "read back by phone"}
    return as_json(admin.client, f"{TREASURY}/{kind}/{transfer}/approve", body, body | {"note": "read back by mail"})


def approve_payout(scene: Scene) -> Request:
    return approval_of_transfer(scene, "payouts")


def approve_payouts(scene: Scene) -> Request:
    transfer, admin = treasury_admin(scene.client).send().body["id"], treasury_admin(scene.client)
    body = {"totp": admin.code(), "note": "read back by phone", "payout_ids": [transfer]}
    return as_json(admin.client, f"{TREASURY}/payouts/approve", body, body | {"note": "read back by mail"})


def approve_treasury_transfer(scene: Scene) -> Request:
    return approval_of_transfer(scene, "transfers")


def cancel_treasury_transfer(scene: Scene) -> Request:
    admin = treasury_admin(scene.client)
    path = f"{TREASURY}/transfers/{admin.send().body['id']}/cancel"
    return as_json(admin.client, path, {"reason": "no longer needed"}, {"reason": "mistyped"})


def start_reconciliation(scene: Scene) -> Request:
    return Request(scene.member(Role.TREASURY), f"{TREASURY}/reconciliations")


def resolve_finding(scene: Scene) -> Request:
    admin = treasury_admin(scene.client)
    path, body = f"{TREASURY}/findings/{finding(admin.somebody)}/resolve", {"explanation": "a gift"}
    body["totp"] = admin.code()
    return as_json(admin.client, path, body, body | {"explanation": "a mistake"})


def resolve_payment_finding(scene: Scene) -> Request:
    path = f"{TREASURY}/payment-findings/{payment_finding()}/resolve"
    admin = scene.member(Role.TREASURY)
    return as_json(admin, path, {"explanation": "by hand"}, {"explanation": "a mistake"})


def compare_payments(scene: Scene) -> Request:
    today = clock.now().date()
    days = [(today - timedelta(days=number)).isoformat() for number in (2, 3)]
    admin = scene.member(Role.TREASURY)
    return as_json(admin, f"{TREASURY}/payment-comparisons", {"day": days[0]}, {"day": days[1]})


def explain_foreign_nonce(scene: Scene) -> Request:
    signer, nonce = foreign_nonce()
    admin = treasury_admin(scene.client)
    body = {"payout_id": None, "explanation": "the stolen key", "totp": admin.code()}
    path = f"{TREASURY}/foreign-nonces/{signer}/{nonce}/explain"
    return as_json(admin.client, path, body, body | {"explanation": "the key that was stolen"})


def assign_deposit(scene: Scene) -> Request:
    order_rows.counted(10_000)
    order, deposit = usdt_rows.waiting(factories.member()), usdt_rows.deposit()
    body = {"order_id": str(order), "reason": "the buyer has shown the receipt"}
    path = f"/v1/admin/deposits/{deposit}/assign"
    return as_json(scene.member(Role.TREASURY), path, body, body | {"reason": "the buyer has written"})


def return_deposit(scene: Scene) -> Request:
    admin, deposit = treasury_admin(scene.client), usdt_rows.deposit()
    usdt_rows.fund()
    body = {"to_address": EXCHANGE, "reason": "the sender has asked for it", "totp": admin.code()}
    path = f"/v1/admin/deposits/{deposit}/return"
    return as_json(admin.client, path, body, body | {"reason": "the sender has written"})
