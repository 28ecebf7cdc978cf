"""One example request for each operation on notifications, devices and the feed, in a function of its name."""

import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

from shared import db
from shared.auth import Role
from shared.db import Tx
from shared.messages import notifications
from shared.messages.notifications import Note
from tests import factories
from tests.client import FunctionClient
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene


def member_with_two_notifications(scene: Scene) -> tuple[FunctionClient, list[UUID]]:
    """A member with two notifications to read."""
    somebody = factories.member()

    def tell(tx: Tx) -> list[UUID]:
        notes = [Note(somebody.id, "system", "Hello", "there", {}, f"note-{number}") for number in range(2)]
        return [identity for note in notes if (identity := notifications.notify(tx, note, datetime.now(UTC)))]

    return scene.client(somebody.token), db.atomically(tell)


def read_one(scene: Scene) -> Request:
    member, (first, second) = member_with_two_notifications(scene)
    return Request(member, f"/v1/notifications/{first}/read", other=Request(member, f"/v1/notifications/{second}/read"))


def read_all(scene: Scene) -> Request:
    return Request(member_with_two_notifications(scene)[0], "/v1/notifications/read-all")


def create_token(scene: Scene) -> Request:
    return Request(scene.member(), "/v1/realtime/token")


def change_preferences(scene: Scene) -> Request:
    body = {kind: {"push": True, "email": False} for kind in ("system", "social", "comp", "order")}
    other = body | {"comp": {"push": False, "email": False}}
    return as_json(scene.member(), "/v1/users/me/notification-preferences", body, other)


def register_device(scene: Scene) -> Request:
    first, other = ({"platform": "ios", "token": uuid4().hex * 2} for _ in range(2))
    return as_json(scene.member(), "/v1/users/me/devices", first, other)


def remove_device(scene: Scene) -> Request:
    registered = register_device(scene)
    made = registered.client.post(registered.path, json.loads(registered.body)).body["id"]
    other = Request(registered.client, f"{registered.path}/{uuid4()}")
    return Request(registered.client, f"{registered.path}/{made}", other=other)


def broadcast(scene: Scene) -> Request:
    body = {"title": "Holiday hours", "body": "Back on 2 January."}
    path = "/v1/admin/notifications/broadcast"
    return as_json(scene.member(Role.OPERATIONS), path, body, body | {"title": "Hours"})
