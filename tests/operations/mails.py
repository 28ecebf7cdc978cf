"""One example request for each operation of admins on mails and campaigns, and for the link in a mail."""

from shared.auth import Role
from shared.messages import unsubscribing
from tests import factories
from tests.client import FunctionClient
from tests.fakes import campaign_desk as desk
from tests.fakes.campaign_desk import BASE
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene

FORM = "application/x-www-form-urlencoded"


def create_mail_template(scene: Scene) -> Request:
    body = {"name": "Winter news", "language": "en"}
    return as_json(scene.member(Role.OPERATIONS), f"{BASE}/templates", body, body | {"language": "es"})


def add_mail_version(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    path = f"{BASE}/templates/{desk.template(admin)}/versions"
    return as_json(admin, path, desk.CONTENT, {**desk.CONTENT, "subject": "News"})


def send_test_mail(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    first, second = desk.version(admin), desk.version(admin)
    other = Request(admin, f"{BASE}/versions/{second}/test")
    return Request(admin, f"{BASE}/versions/{first}/test", other=other)


def publish_mail_version(scene: Scene) -> Request:
    author, publisher = scene.member(Role.OPERATIONS), scene.member(Role.OPERATIONS)
    first, second = desk.replacement(author), desk.replacement(author, "reset_password")
    other = Request(publisher, f"{BASE}/versions/{second}/publish")
    return Request(publisher, f"{BASE}/versions/{first}/publish", other=other)


def withdraw_mail_version(scene: Scene) -> Request:
    author, publisher = scene.member(Role.OPERATIONS), scene.member(Role.OPERATIONS)
    first, second = (desk.replacement(author, key, "es") for key in ("verify_email", "reset_password"))
    for version in (first, second):
        desk.publish(publisher, version)
    other = Request(publisher, f"{BASE}/versions/{second}/withdraw")
    return Request(publisher, f"{BASE}/versions/{first}/withdraw", other=other)


def count_segment(scene: Scene) -> Request:
    return as_json(scene.member(Role.OPERATIONS), f"{BASE}/segments/count", {"tiers": ["vip"]}, {})


def create_campaign(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    body = {"name": "Winter news", "version_id": desk.version(admin), "segment": {}}
    return as_json(admin, f"{BASE}/campaigns", body, body | {"name": "News"})


def approve_campaign(scene: Scene) -> Request:
    return _acted(scene, "approve", by=scene.member(Role.OPERATIONS))


def start_campaign(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    made = desk.campaign(admin)
    return as_json(admin, f"{BASE}/campaigns/{made}/start", {}, {"starts_at": None})


def pause_campaign(scene: Scene) -> Request:
    return _acted(scene, "pause", "start")


def resume_campaign(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    made = desk.started(admin)
    desk.act(admin, made, "pause")
    return as_json(admin, f"{BASE}/campaigns/{made}/resume", {}, {"after_number": 0})


def cancel_campaign(scene: Scene) -> Request:
    return _acted(scene, "cancel")


def lift_mail_suppression(scene: Scene) -> Request:
    body = {"email": "ada@example.com", "reason": "The mailbox is empty again"}
    path = f"{BASE}/suppressions/lift"
    return as_json(scene.member(Role.OPERATIONS), path, body, body | {"email": "eve@example.com"})


def unsubscribe(scene: Scene) -> Request:
    links = [unsubscribing.link(factories.member().id) for _ in range(2)]
    first, other = (f"/v1/{link.partition('/v1/')[2]}" for link in links)
    client, form = scene.client(), b"List-Unsubscribe=One-Click"
    return Request(client, first, form, FORM, other=Request(client, other, form, FORM))


def _acted(scene: Scene, verb: str, *before: str, by: FunctionClient | None = None) -> Request:
    admin = scene.member(Role.OPERATIONS)
    first, second = desk.campaign(admin), desk.campaign(admin)
    for earlier in before:
        desk.act(admin, first, earlier)
    other = Request(by or admin, f"{BASE}/campaigns/{second}/{verb}")
    return Request(by or admin, f"{BASE}/campaigns/{first}/{verb}", other=other)
