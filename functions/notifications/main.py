"""HTTP: list, read, count; and the link in a mail that ends campaigns (docs/product.md, "Notifications and mails")."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from flask import Request, Response

from functions.notifications import pages, store
from shared import events
from shared.api import Api
from shared.auth import Anyone, Member
from shared.db import Tx
from shared.events import InboxChanged, NotificationChanged
from shared.messages import texts, unsubscribing, wording
from shared.messages.notifications import count_unread, language_of
from shared.messages.texts import Words
from shared.messages.wording import Language
from shared.values.fields import Listing, Page, Reply
from shared.values.problems import NotFound, NotValid
from shared.web import forms, paging
from shared.web.http import HtmlPage, Upload
from shared.web.paging import Position

FORM_BYTES_MAX = 4 * 1024

api = Api("notifications")


def notifications(request: Request) -> Response:
    return api.handle(request)


class Filter(Page):
    """A page of notifications, of one type if given."""

    type: Literal["system", "social", "comp", "order"] | None = None


class Notification(Reply):
    """A notification with title and body in the member's language; `code` and `params` say the same, for clients with
    their own texts. `data` names what a tap should open. Notifications of earlier releases have no code.
    """

    id: UUID
    type: str
    title: str
    body: str
    code: str | None
    params: dict[str, Any]
    data: dict[str, Any]
    created_at: datetime
    read: bool


class UnreadCount(Reply):
    """The number of unread notifications."""

    unread_count: int


@api.get("/v1/notifications")
def list_notifications(tx: Tx, member: Member, page: Filter) -> Listing[Notification]:
    """List the member's notifications, newest first."""
    into = language_of(tx, member.id)
    after, wanted = paging.after(page.cursor), page.limit + 1
    if page.type:
        rows = store.page_of_type(tx, member.id, page.type, after, wanted)
    else:
        rows = store.page(tx, member.id, after, wanted)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return Listing[Notification](items=[_shown(row, into) for row in shown], next_cursor=cursor)


@api.get("/v1/notifications/unread-count")
def get_unread_count(tx: Tx, member: Member) -> UnreadCount:
    """Return the number of unread notifications, for the badge."""
    return UnreadCount(unread_count=store.unread(tx, member.id))


@api.put("/v1/notifications/{notification_id}/read")
def read_one(tx: Tx, member: Member, notification_id: UUID, now: datetime) -> Notification:
    """Mark one notification as read. Harmless twice."""
    if store.mark_read(tx, member.id, notification_id, now):
        count_unread(tx, member.id, -1)
        events.emit(tx, now, NotificationChanged(notification_id=notification_id))
    found = store.find(tx, member.id, notification_id)
    if found is None:
        raise NotFound
    return _shown(found, language_of(tx, member.id))


@api.post("/v1/notifications/read-all")
def read_all(tx: Tx, member: Member, now: datetime) -> UnreadCount:
    """Mark all notifications as read, without blocking new notifications to the member meanwhile."""
    if read := store.mark_read(tx, member.id, None, now):
        count_unread(tx, member.id, -read)
        store.note_all_read(tx, member.id, now)
        events.emit(tx, now, InboxChanged(member_id=member.id))
    return UnreadCount(unread_count=store.unread(tx, member.id))


@api.get("/v1/mails/unsubscribe/{token}")
def show_unsubscribe(tx: Tx, caller: Anyone, token: str) -> HtmlPage:
    """Show whoever has followed the link in a mail a page with one button. Nothing is changed: programs that look at
    mails follow their links.
    """
    _, into = _recipient(tx, token)
    return HtmlPage(pages.question(into))


@api.post(
    "/v1/mails/unsubscribe/{token}",
    upload_types=("application/x-www-form-urlencoded", "multipart/form-data"),
    body_bytes_max=FORM_BYTES_MAX,
)
def unsubscribe(tx: Tx, caller: Anyone, token: str, upload: Upload) -> HtmlPage:
    """End campaigns for the member whose link this is (RFC 8058): the page's button and mail programs send the form
    `List-Unsubscribe=One-Click`. Harmless twice.
    """
    if forms.fields_of(upload) != pages.ONE_CLICK:
        raise NotValid(errors=[{"field": "/List-Unsubscribe", "message": "must be One-Click, and the only field"}])
    member_id, into = _recipient(tx, token)
    store.unsubscribe(tx, member_id)
    return HtmlPage(pages.confirmation(into))


def _recipient(tx: Tx, token: str) -> tuple[UUID, Language]:
    """The member whose link this is, and their language. Raises NotFound."""
    member_id = unsubscribing.member_of(token)
    found = store.language(tx, member_id) if member_id else None
    if member_id is None or found is None:
        raise NotFound
    return member_id, wording.language(found)


def _shown(row: store.Notification, into: Language) -> Notification:
    words = texts.notice(row.code, row.params, into) or Words(row.title, row.body)
    return Notification(
        id=row.id,
        type=row.type,
        title=words.title,
        body=words.body,
        code=row.code,
        params=row.params,
        data=row.data,
        created_at=row.created_at,
        read=row.read_at is not None,
    )
