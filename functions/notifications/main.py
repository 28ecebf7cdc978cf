"""HTTP: list, read, count (plan section "In-App Notifications")."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from flask import Request, Response

from functions.notifications import store
from shared import events, paging
from shared.api import Api
from shared.auth import Member
from shared.db import Tx
from shared.events import InboxChanged, NotificationChanged
from shared.fields import Listing, Page, Reply
from shared.notifications import count_unread
from shared.paging import Position
from shared.problems import NotFound

api = Api("notifications")


def notifications(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


class Filter(Page):
    """A page, of one type if given."""

    type: Literal["system", "social", "comp", "order"] | None = None


class Notification(Reply):
    """`data` names what a tap should open."""

    id: UUID
    type: str
    title: str
    body: str
    data: dict[str, Any]
    created_at: datetime
    read: bool


class UnreadCount(Reply):
    """How many notifications have not been read."""

    unread_count: int


@api.get("/v1/notifications")
def list_notifications(tx: Tx, member: Member, page: Filter) -> Listing[Notification]:
    """Newest first."""
    after, wanted = paging.after(page.cursor), page.limit + 1
    if page.type:
        rows = store.page_of_type(tx, member.id, page.type, after, wanted)
    else:
        rows = store.page(tx, member.id, after, wanted)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return Listing[Notification](items=[_shown(row) for row in shown], next_cursor=cursor)


@api.get("/v1/notifications/unread-count")
def get_unread_count(tx: Tx, member: Member) -> UnreadCount:
    """For the badge."""
    return UnreadCount(unread_count=store.inbox(tx, member.id).unread)


@api.put("/v1/notifications/{notification_id}/read")
def read_one(tx: Tx, member: Member, notification_id: UUID, now: datetime) -> Notification:
    """Mark as read; harmless twice."""
    store.lock_inbox(tx, member.id)
    if store.mark_read(tx, member.id, notification_id, now):
        count_unread(tx, member.id, -1)
        events.emit(tx, now, NotificationChanged(notification_id=notification_id))
    found = store.find(tx, member.id, notification_id)
    if found is None:
        raise NotFound
    return _shown(found)


@api.post("/v1/notifications/read-all")
def read_all(tx: Tx, member: Member, now: datetime) -> UnreadCount:
    """Mark everything as read."""
    store.lock_inbox(tx, member.id)
    if read := store.mark_read(tx, member.id, None, now):
        count_unread(tx, member.id, -read)
        store.note_all_read(tx, member.id, now)
        events.emit(tx, now, InboxChanged(member_id=member.id))
    return UnreadCount(unread_count=store.inbox(tx, member.id).unread)


def _shown(row: store.Notification) -> Notification:
    return Notification(
        id=row.id,
        type=row.type,
        title=row.title,
        body=row.body,
        data=row.data,
        created_at=row.created_at,
        read=row.read_at is not None,
    )
