"""One example request for each operation on members' accounts, in a function of its name."""

import json
from uuid import uuid4

from shared import clock
from shared.auth import Role
from tests import factories
from tests.fakes import pictures
from tests.fakes.desk_list_rows import critical_event
from tests.fakes.treasury_admins import treasury_admin
from tests.fakes.vault_rows import Vaults
from tests.operations.examples import operation_named
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene


def set_referral_code(scene: Scene) -> Request:
    return as_json(scene.member(), "/v1/affiliate/referral-link", {"code": "ada-and-co"}, {"code": "ada-alone"})


def count_referral_click(scene: Scene) -> Request:
    name = factories.member().email.partition("@")[0]
    return as_json(scene.client(), "/v1/affiliate/clicks", {"code": name}, {"code": "ada-alone"})


def suspend_member(scene: Scene) -> Request:
    path = f"/v1/admin/members/{factories.member().id}/suspend"
    return as_json(scene.member(Role.OPERATIONS), path, {"reason": "stolen codes"}, {"reason": "many accounts"})


def activate_member(scene: Scene) -> Request:
    suspended = suspend_member(scene)
    assert suspended.client.post(suspended.path, json.loads(suspended.body)).status == 200
    path = suspended.path.replace("suspend", "activate")
    return as_json(suspended.client, path, {"reason": "all is well"}, {"reason": "a mistake"})


def change_user(scene: Scene) -> Request:
    path = f"/v1/admin/users/{factories.member().id}"
    body = {"username": f"ada_{uuid4().hex[:8]}", "full_name": "Ada", "reason": "a typing error"}
    admin = scene.member(Role.OPERATIONS)
    first, other = (json.dumps(sent).encode() for sent in (body, body | {"full_name": "Eve"}))
    return Request(admin, path, first, version='"1"', other=Request(admin, path, other, version='"1"'))


def change_role(scene: Scene) -> Request:
    owner = treasury_admin(scene.client, Role.OWNER)
    path = f"/v1/admin/users/{factories.member().id}/role"
    body = {"role": "support", "reason": "joins the team", "totp": owner.code()}
    return as_json(owner.client, path, body, body | {"role": "treasury"})


def acknowledge_critical_event(scene: Scene) -> Request:
    path = f"/v1/admin/critical-events/{critical_event(factories.member(), clock.now(), 0)}/acknowledge"
    return as_json(scene.member(Role.OPERATIONS), path, {"note": "I look at it"}, {"note": "It is not ours"})


def change_setting(scene: Scene, name: str = "stock_low") -> Request:
    owner, path = treasury_admin(scene.client, Role.OWNER), f"/v1/admin/settings/{name}"
    body = {"value": 90, "reason": "it was too high", "totp": owner.code()}
    first, other = (json.dumps(sent).encode() for sent in (body, body | {"value": 80}))
    return Request(owner.client, path, first, version='"1"', other=Request(owner.client, path, other, version='"1"'))


def revert_setting(scene: Scene) -> Request:
    changed = change_setting(scene, "payout_stuck_seconds")  # the other one may have been changed before
    assert changed.send(operation_named("change_setting"), "changed").status_code == 200
    owner, path = treasury_admin(scene.client, Role.OWNER), f"{changed.path}/revert"
    body = {"revision": 1, "reason": "a mistake", "totp": owner.code()}
    first, other = (json.dumps(sent).encode() for sent in (body, body | {"revision": 2}))
    return Request(owner.client, path, first, version='"2"', other=Request(owner.client, path, other, version='"2"'))


def override_tier(scene: Scene, scope: str = "quarter") -> Request:
    path = f"/v1/admin/members/{factories.member().id}/tier"
    body = {"scope": scope, "tier": "vip", "reason": "kind"}
    return as_json(scene.member(Role.OPERATIONS), path, body, body | {"tier": "whale"})


def removal_of_override(scene: Scene, scope: str) -> Request:
    override = override_tier(scene, scope)
    assert override.client.put(override.path, json.loads(override.body)).status == 200
    other = Request(override.client, f"/v1/admin/members/{uuid4()}/tier/{scope}")
    return Request(override.client, f"{override.path}/{scope}", other=other)


def remove_quarter_override(scene: Scene) -> Request:
    return removal_of_override(scene, "quarter")


def remove_permanent_override(scene: Scene) -> Request:
    return removal_of_override(scene, "permanent")


def change_profile(scene: Scene) -> Request:
    member, path = scene.member(), "/v1/users/me/profile"
    body = {"username": f"ada_{uuid4().hex[:8]}", "full_name": "Ada", "email": member.get(path).body["email"]}
    first, other = (json.dumps(sent).encode() for sent in (body, body | {"full_name": "Eve"}))
    return Request(member, path, first, version='"1"', other=Request(member, path, other, version='"1"'))


def confirm_email(scene: Scene) -> Request:
    change = change_profile(scene)
    email = f"{uuid4().hex}@example.com"
    body = json.dumps(json.loads(change.body) | {"email": email}).encode()
    headers = {"Content-Type": "application/json", "If-Match": '"1"'}
    assert change.client.send("PUT", change.path, body, headers).status == 200
    code = {"code": scene.mailed_code(email)}
    return as_json(change.client, "/v1/users/me/email/confirm", code, {"code": "000000"})


def upload_avatar(scene: Scene) -> Request:
    member, path = scene.member(), "/v1/users/me/avatar"
    (first, headers), (other, _) = (pictures.form(pictures.picture(kind)) for kind in ("JPEG", "PNG"))
    media = headers["Content-Type"]
    return Request(member, path, first, media, other=Request(member, path, other, media))


def remove_avatar(scene: Scene) -> Request:
    return Request(scene.member(), "/v1/users/me/avatar")


def create_export(scene: Scene) -> Request:
    return Request(scene.member(), "/v1/users/me/exports")


def move_chips(scene: Scene, verb: str) -> Request:
    """The member's referral has scanned, in a week that is open."""
    somebody, now = factories.member(), clock.now()
    vaults = Vaults(scene.sql)
    vaults.run(now)
    vaults.scan(somebody, 4, now)
    if verb == "withdraw":
        assert vaults.vault(somebody, 3, now) == ""
    return as_json(scene.client(somebody.token), f"/v1/affiliate/chips/{verb}", {"chips": 1}, {"chips": 2})


def vault_chips(scene: Scene) -> Request:
    return move_chips(scene, "vault")


def withdraw_chips(scene: Scene) -> Request:
    return move_chips(scene, "withdraw")
