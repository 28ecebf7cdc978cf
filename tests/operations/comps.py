"""One example request for each operation on comps, trips and guarantees, in a function of its name."""

import json
from uuid import uuid4

from shared.auth import Role
from tests import factories
from tests.fakes import comp_records
from tests.fakes.treasury_admins import treasury_admin
from tests.fakes.wallet_driver import RECIPIENT
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene


def change_comp_rule(scene: Scene) -> Request:
    admin = treasury_admin(scene.client, Role.OPERATIONS)
    body = {
        "revision": 1, "interval": 500, "tier": "vip", "amount": 90, "unlock_volume": 0, "enabled": True,
        "unlocked_by_admin": False, "reason": "For Christmas", "totp": admin.code(),
    }  # fmt: skip
    path = "/v1/admin/comp-rules/crypto_100"
    return as_json(admin.client, path, body, body | {"amount": 80})


def revert_comp_rule(scene: Scene) -> Request:
    first, second = (treasury_admin(scene.client, Role.OPERATIONS) for _ in range(2))
    path = "/v1/admin/comp-rules/crypto_1k"
    edit = {
        "revision": 1, "interval": 7500, "tier": "high_roller", "amount": 900, "unlock_volume": 2500, "enabled": True,
        "unlocked_by_admin": False, "reason": "For Christmas", "totp": first.code(),
    }  # fmt: skip
    assert first.client.put(path, edit).status == 200
    body = {"revision": 2, "to_revision": 1, "reason": "Christmas is over", "totp": second.code()}
    return as_json(second.client, f"{path}/revert", body, body | {"reason": "It is over"})


def award_comp(scene: Scene) -> Request:
    body = {"member_id": str(factories.member().id), "amount": 50, "reason": "An apology"}
    return as_json(scene.member(Role.OPERATIONS), "/v1/admin/comps/award", body, body | {"amount": 60})


def approve_comp(scene: Scene) -> Request:
    body = {"member_id": str(factories.member().id), "type": "trip", "reason": "An apology"}
    first = scene.member(Role.OPERATIONS)
    comp = first.post("/v1/admin/comps/award", body, **{"Idempotency-Key": "award"}).body["id"]
    admin = treasury_admin(scene.client, Role.OPERATIONS)
    body = {"totp": admin.code(), "note": "looked at it"}
    return as_json(admin.client, f"/v1/admin/comps/{comp}/approve", body, body | {"note": "looked at it twice"})


def cancel_comp(scene: Scene) -> Request:
    path = f"/v1/admin/comps/{comp_records.award_comp(factories.member())}/cancel"
    return as_json(scene.member(Role.OPERATIONS), path, {"reason": "By mistake"}, {"reason": "On purpose"})


def retry_comp(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    body = {"member_id": str(factories.member(wallet=RECIPIENT).id), "amount": 5, "reason": "An apology"}
    comp = admin.post("/v1/admin/comps/award", body, **{"Idempotency-Key": "award"}).body["id"]
    path = "/v1/admin/comps/retry"
    return Request(admin, f"{path}/{comp}", other=Request(admin, f"{path}/{uuid4()}"))


def choose_trip(scene: Scene) -> Request:
    winner = factories.member()
    path = f"/v1/comps/trips/{factories.trip(winner)}/choose"
    return as_json(scene.client(winner.token), path, {"destination": "hawaii"}, {"destination": "aspen"})


def contact_winner(scene: Scene) -> Request:
    first, second = (factories.trip(factories.member(), chosen=True) for _ in range(2))
    other = Request(scene.member(Role.OPERATIONS), f"/v1/admin/trips/{second}/concierge-contacted")
    return Request(other.client, f"/v1/admin/trips/{first}/concierge-contacted", other=other)


def mail_chip(scene: Scene) -> Request:
    admin, trip = scene.member(Role.OPERATIONS), factories.trip(factories.member(), chosen=True)
    assert admin.post(f"/v1/admin/trips/{trip}/concierge-contacted").status == 200
    path = f"/v1/admin/trips/{trip}/chip-mailed"
    return as_json(admin, path, {"tracking_number": "12345"}, {"tracking_number": "54321"})


def decide_guarantee_review(scene: Scene) -> Request:
    member = factories.member()
    review = uuid4()
    scene.sql.execute_unnamed(
        "INSERT INTO guarantee_reviews (id, member_id, score, signals, asked_at) VALUES ($1, $2, 60, $3, now())",
        (review, member.id, json.dumps([{"kind": "device", "member_id": str(uuid4()), "points": 60}])),
    )
    path, body = f"/v1/admin/guarantees/reviews/{review}/decide", {"decision": "grant", "note": "two people"}
    return as_json(scene.member(Role.OPERATIONS), path, body, body | {"decision": "refuse"})
