"""HTTP for admins: tell every member something (plan section "In-App Notifications": admin broadcast)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from flask import Request, Response
from pydantic import StringConstraints

from functions.admin_notifications import store
from shared import audit, events, paging
from shared.api import Api
from shared.audit import Action
from shared.auth import Admin, Role
from shared.db import Tx
from shared.events import SendBroadcast
from shared.fields import Body, Listing, Page, Reply
from shared.http import Client
from shared.idempotency import IdempotencyKey
from shared.paging import Position
from shared.problems import NotFound

Operations = Annotated[Admin, Role.OPERATIONS]

api = Api("admin_notifications")


def admin_notifications(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


class BroadcastOrder(Body):
    """A system notification for everybody; `screen` is what a tap opens in the app."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
    body: Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]
    screen: Annotated[str, StringConstraints(pattern=r"^[a-z0-9/_-]{1,100}$")] | None = None


class Broadcast(Reply):
    """`told` counts the members who have it so far; who joins later does not get it."""

    id: UUID
    title: str
    body: str
    created_at: datetime
    created_by: UUID
    told: int
    progress: float
    finished_at: datetime | None


@api.post("/v1/admin/notifications/broadcast", status=202)
def broadcast(
    tx: Tx, admin: Operations, key: IdempotencyKey, body: BroadcastOrder, client: Client, now: datetime
) -> Broadcast:
    """Tell every member there is now; it cannot be called back, so that it wants an Idempotency-Key."""
    identity = uuid4()
    data = {"broadcast_id": str(identity)} | ({"screen": body.screen} if body.screen else {})
    store.insert(tx, identity, body.title, body.body, data, admin.id, now)
    changes = {"title": body.title, "body": body.body, "screen": body.screen}
    audit.record(tx, admin, client, Action("notification.broadcast", "broadcast", identity, changes), now)
    events.enqueue(tx, now, SendBroadcast(broadcast_id=identity, done_number=0), name=f"broadcast-{identity}-0")
    return _found(tx, identity)


@api.get("/v1/admin/notifications/broadcasts")
def list_broadcasts(tx: Tx, admin: Operations, page: Page) -> Listing[Broadcast]:
    """Newest first."""
    rows = store.page(tx, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return Listing[Broadcast](items=[Broadcast(**vars(row)) for row in shown], next_cursor=cursor)


@api.get("/v1/admin/notifications/broadcasts/{broadcast_id}")
def get_broadcast(tx: Tx, admin: Operations, broadcast_id: UUID) -> Broadcast:
    """How far it is."""
    return _found(tx, broadcast_id)


def _found(tx: Tx, broadcast_id: UUID) -> Broadcast:
    found = store.find(tx, broadcast_id)
    if found is None:
        raise NotFound
    return Broadcast(**vars(found))
