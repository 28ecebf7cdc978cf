"""Operations on critical events: list what people must hear of at once, and say that one was seen (docs/alerts.md)."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from functions.admin_desk import event_store
from functions.admin_desk.common import Operations, api
from functions.admin_desk.event_store import Event
from shared.db import Tx
from shared.values.fields import Body, Listing, Page, Reason, Reply
from shared.values.problems import NotFound
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.paging import Position

IS_OPEN = {"open": True, "ended": False}  # by the filter `state`


class CriticalEventFilter(Page):
    """A page of the critical events that last (`open`) or are over (`ended`); without `state` all of them."""

    state: Literal["open", "ended"] | None = None


class Acknowledgement(Body):
    """A note of what an admin does about a critical event, which the audit log keeps."""

    note: Reason


class CriticalEvent(Reply):
    """Something that people must hear of at once. `subject` is what it is about, `detail` how it was first seen, and
    `runbook` the section that says what people do. `ended_at` is null while its cause lasts.
    """

    id: UUID
    kind: str
    subject: str
    detail: str
    runbook: str
    begun_at: datetime
    ended_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None


@api.get("/v1/admin/critical-events")
def list_critical_events(tx: Tx, admin: Operations, page: CriticalEventFilter) -> Listing[CriticalEvent]:
    """List what people must hear of at once, newest first."""
    rows = event_store.events(
        tx, IS_OPEN[page.state] if page.state else None, paging.after(page.cursor), page.limit + 1
    )
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.begun_at, row.id))
    return Listing[CriticalEvent](items=[_shown(row) for row in shown], next_cursor=cursor)


@api.post("/v1/admin/critical-events/{event_id}/acknowledge")
def acknowledge_critical_event(
    tx: Tx, admin: Operations, event_id: UUID, body: Acknowledgement, client: Client, now: datetime
) -> CriticalEvent:
    """Say that an admin has seen the event and looks after it. The first one who says so is kept; it ends nothing."""
    has_acknowledged = event_store.acknowledge(tx, event_id, admin.id, now)
    found = event_store.event(tx, event_id)
    if found is None:
        raise NotFound
    if has_acknowledged:
        changes = {"kind": found.kind, "subject": found.subject, "note": body.note}
        audit.record(tx, admin, client, Action("critical_event.acknowledge", "critical_event", event_id, changes), now)
    return _shown(found)


def _shown(row: Event) -> CriticalEvent:
    return CriticalEvent(**vars(row))
