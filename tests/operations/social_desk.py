"""One example request for each operation by which admins look after the chat, in a function of its name."""

import json
from uuid import uuid4

from shared.auth import Role
from tests import factories
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene
from tests.operations.social import author_with_messages

DESK = "/v1/admin/social"
CHANNEL = {
    "name": "Events",
    "description": "What is on.",
    "category": "General",
    "icon": "star",
    "kind": "chat",
    "access": {"standard": "view", "vip": "full", "high_roller": "full", "whale": "full"},
    "display_order": 20,
}


def decide_chat_case(scene: Scene) -> Request:
    _, (message, _) = author_with_messages(scene)
    case = scene.member().post(f"{message}/report", {"reason": "spam"}).body["case_id"]
    body = b'{"decision": "%s", "reason": "the rules"}'
    admin, path = scene.member(Role.SUPPORT), f"{DESK}/cases/{case}/decision"
    other = Request(admin, path, body % b"keep", version='"1"')
    return Request(admin, path, body % b"remove", version='"1"', other=other)


def delete_chat_message(scene: Scene) -> Request:
    _, (first, second) = author_with_messages(scene)
    admin = scene.member(Role.SUPPORT)
    paths = [f"{message.replace('/v1', '/v1/admin')}?reason=spam" for message in (first, second)]
    return Request(admin, paths[0], other=Request(admin, paths[1]))


def time_out_chat_member(scene: Scene) -> Request:
    path = f"{DESK}/users/{factories.member().id}/timeout"
    body = {"hours": 1, "reason": "the rules"}
    return as_json(scene.member(Role.SUPPORT), path, body, body | {"hours": 24})


def ban_chat_member(scene: Scene) -> Request:
    path = f"{DESK}/users/{factories.member().id}/ban"
    return as_json(scene.member(Role.SUPPORT), path, {"reason": "threats"}, {"reason": "insults"})


def lift_chat_sanctions(scene: Scene) -> Request:
    banned = ban_chat_member(scene)
    assert banned.client.post(banned.path, {"reason": "threats"}).status == 200
    path = banned.path.replace("/ban", "/lift")
    return as_json(banned.client, path, {"reason": "a mistake"}, {"reason": "an appeal"})


def pin_chat_message(scene: Scene) -> Request:
    _, (first, second) = author_with_messages(scene)
    admin = scene.member(Role.SUPPORT)
    paths = [f"{message.replace('/v1', '/v1/admin')}/pin" for message in (first, second)]
    return Request(admin, paths[0], b"{}", other=Request(admin, paths[1], b"{}"))


def unpin_chat_message(scene: Scene) -> Request:
    pinned = pin_chat_message(scene)
    assert pinned.other
    for request in (pinned, pinned.other):
        assert pinned.client.post(request.path, {}).status == 200
    return Request(pinned.client, pinned.path, other=Request(pinned.client, pinned.other.path))


def create_chat_channel(scene: Scene) -> Request:
    made = CHANNEL | {"slug": f"events-{uuid4().hex[:8]}"}
    return as_json(scene.member(Role.OPERATIONS), f"{DESK}/channels", made, made | {"name": "Other events"})


def change_chat_channel(scene: Scene) -> Request:
    made = create_chat_channel(scene)
    identity = made.client.post(made.path, json.loads(made.body)).body["id"]
    path, first, other = f"{made.path}/{identity}", json.dumps(CHANNEL), json.dumps(CHANNEL | {"name": "Nights"})
    changed = Request(made.client, path, other.encode(), version='"1"')
    return Request(made.client, path, first.encode(), version='"1"', other=changed)
