"""HTTP for admins: tell every member something (docs/product.md, "Notifications and mails")."""

from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid5

from flask import Request, Response
from pydantic import StringConstraints

from functions.admin_notifications import store
from functions.admin_notifications.store import Broadcast
from shared import events
from shared.api import Api
from shared.auth import Admin, Role
from shared.db import Tx
from shared.events import SendBroadcast
from shared.values.fields import LINE, LINES, Body, Listing, Page, Shape
from shared.values.problems import IdempotencyKeyReused, NotFound
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.idempotency import IdempotencyKey
from shared.web.paging import Position

Operations = Annotated[Admin, Role.OPERATIONS]

api = Api("admin_notifications")


def admin_notifications(request: Request) -> Response:
    return api.handle(request)


class BroadcastOrder(Body):
    """A system notification for every member; `screen` is what a tap opens in the app."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=100), LINE]
    body: Annotated[str, StringConstraints(min_length=1, max_length=1000), LINES]
    screen: Annotated[str, Shape(r"^[a-z0-9/_-]{1,100}$", "a path of small letters, digits, / _ and -")] | None = None


@api.post("/v1/admin/notifications/broadcast", status=202)
def broadcast(
    tx: Tx, admin: Operations, key: IdempotencyKey, body: BroadcastOrder, client: Client, now: datetime
) -> Broadcast:
    """Send a message to every present member. It cannot be recalled, so an Idempotency-Key is required."""
    identity = uuid5(admin.id, key.key_hash.hex())
    data = {"broadcast_id": str(identity)} | ({"screen": body.screen} if body.screen else {})
    if not store.insert(tx, identity, body.title, body.body, data, admin_id=admin.id, now=now):
        raise IdempotencyKeyReused  # the key's answer is deleted (shared/database/retention.py), its message is not
    changes = {"title": body.title, "body": body.body, "screen": body.screen}
    audit.record(tx, admin, client, Action("notification.broadcast", "broadcast", identity, changes), now)
    events.enqueue(tx, now, SendBroadcast(broadcast_id=identity, done_number=0), name=f"broadcast-{identity}-0")
    return _found(tx, identity)


@api.get("/v1/admin/notifications/broadcasts")
def list_broadcasts(tx: Tx, admin: Operations, page: Page) -> Listing[Broadcast]:
    """List the messages to all members, newest first."""
    rows = store.page(tx, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return Listing[Broadcast](items=list(shown), next_cursor=cursor)


@api.get("/v1/admin/notifications/broadcasts/{broadcast_id}")
def get_broadcast(tx: Tx, admin: Operations, broadcast_id: UUID) -> Broadcast:
    """Return one message with its progress."""
    return _found(tx, broadcast_id)


def _found(tx: Tx, broadcast_id: UUID) -> Broadcast:
    found = store.find(tx, broadcast_id)
    if found is None:
        raise NotFound
    return found
