"""One example request for each operation of admins on affiliates, in a function of its name."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from shared import clock
from shared.auth import Role
from shared.values.money import Usdt
from tests import factories
from tests.fakes.plain_rows import unchecked
from tests.fakes.ring_rows import Rings
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin
from tests.fakes.week_rows import Weeks, newest_ended
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene

PATH = "/v1/admin/affiliates"


def approve_affiliate_week(scene: Scene) -> Request:
    admin, body = treasury_admin(scene.client), _verdict(scene)
    body["totp"] = admin.code()
    return as_json(admin.client, f"{PATH}/payouts/approve", body, body | {"reason": "Compared twice"})


def reject_affiliate_week(scene: Scene) -> Request:
    return _decided(scene, "reject")


def hold_affiliate_week(scene: Scene) -> Request:
    return _decided(scene, "hold")


def release_affiliate_week(scene: Scene) -> Request:
    request = _decided(scene, "hold")
    assert request.client.post(request.path, _verdict(scene)).status == 200
    return _decided(scene, "release")


def award_affiliate(scene: Scene) -> Request:
    admin = treasury_admin(scene.client)
    body = {"amount": 250, "reason": "For the launch in Reno", "totp": admin.code()}
    return as_json(admin.client, f"{PATH}/{factories.member().id}/award", body, body | {"amount": 251})


def agree_to_affiliate_award(scene: Scene) -> Request:
    earning = awarded(treasury_admin(scene.client), 2_500)
    admin = treasury_admin(scene.client)
    body = {"reason": "Agreed with the owner", "totp": admin.code()}
    return as_json(admin.client, f"{PATH}/earnings/{earning}/agree", body, body | {"reason": "Agreed"})


def reverse_affiliate_earning(scene: Scene) -> Request:
    earning = awarded(treasury_admin(scene.client), 250)
    body = {"reason": "A slip of the keyboard"}
    return as_json(scene.member(Role.TREASURY), f"{PATH}/earnings/{earning}/reverse", body, {"reason": "Twice"})


def decide_referral_review(scene: Scene) -> Request:
    review = Rings(scene.sql).review(factories.member(referred_by=factories.member()))
    body = {"verdict": "cleared", "note": "Two brothers"}
    path = f"{PATH}/reviews/{review}/decide"
    return as_json(scene.member(Role.TREASURY), path, body, body | {"verdict": "confirmed"})


def grant_chips(scene: Scene) -> Request:
    if not Weeks(scene.sql).rows("SELECT 1 FROM affiliate_weeks"):
        Weeks(scene.sql).run(clock.now())
    body = {"chips": 25, "reason": "Lost in the outage of Sunday"}
    path = f"{PATH}/{factories.member().id}/chips"
    return as_json(scene.member(Role.TREASURY), path, body, body | {"chips": 26})


def awarded(admin: TreasuryAdmin, amount: int) -> UUID:
    """An award by this admin to a new member."""
    body = {"amount": amount, "reason": "For the launch in Reno", "totp": admin.code()}
    return UUID(admin.client.post(f"{PATH}/{factories.member().id}/award", body).body["id"])


def _decided(scene: Scene, verb: str) -> Request:
    body = _verdict(scene)
    return as_json(scene.member(Role.TREASURY), f"{PATH}/payouts/{verb}", body, body | {"reason": "Looked again"})


def _verdict(scene: Scene) -> dict[str, Any]:
    """The body of a decision about the newest week, which is made ready if there is none, or one without chips."""
    weeks, now = Weeks(scene.sql), clock.now()
    week_on, cut_at = newest_ended(now)
    with unchecked(scene.sql):
        scene.sql.execute_simple("DELETE FROM affiliate_weeks WHERE outcome = 'no_pool' OR outcome = 'no_chips'")
    if not weeks.rows("SELECT 1 FROM affiliate_weeks WHERE week_on = $1", week_on):
        weeks.scan(factories.member(), at=cut_at)
        weeks.fill(Usdt.of(100), cut_at)
        weeks.run(now)
    found: Mapping[str, Any] = weeks.week(week_on)
    return {
        "week_on": week_on.isoformat(), "digest": found["payment_digest"].removeprefix("\\x"), "reason": "Compared"
    }  # fmt: skip
