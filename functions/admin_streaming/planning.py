"""Admins schedule live events, and change, move and cancel them."""

import base64
import secrets
from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

from functions.admin_streaming import input_store, rules, store
from functions.admin_streaming.common import Operations, api, done, found, locked
from functions.admin_streaming.models import (
    AdminStream,
    NewStream,
    StreamCancellation,
    StreamChange,
    StreamFilter,
    StreamMove,
)
from shared import events
from shared.db import ConstraintViolated, Tx
from shared.messages import event_reminders
from shared.social import event_changes
from shared.social.events import ControlStream
from shared.values.fields import Listing
from shared.values.problems import NotValid
from shared.values.states import StreamStatus
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client, IfMatch
from shared.web.paging import Position

PLAYBACK_BYTES = 16


@api.post("/v1/admin/streaming/events", status=201)
def create_stream(tx: Tx, admin: Operations, body: NewStream, client: Client, now: datetime) -> AdminStream:
    """Schedule a live event."""
    identity, when = uuid4(), rules.begins_at(body.starts, body.time_zone, now)
    playback_id = base64.b32encode(secrets.token_bytes(PLAYBACK_BYTES)).decode().rstrip("=").lower()
    _with_channel(lambda: store.insert(tx, identity, body, playback_id=playback_id, when=when, by=admin.id, now=now))
    changes = body.model_dump(mode="json")
    event_reminders.order(tx, identity, 1, when[1], now)
    audit.record(tx, admin, client, Action("stream.create", "stream", identity, changes), now)
    return found(tx, identity)


@api.get("/v1/admin/streaming/events")
def list_admin_streams(tx: Tx, admin: Operations, page: StreamFilter) -> Listing[AdminStream]:
    """List streams, newest first."""
    rows = store.page(tx, page.status, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return Listing[AdminStream](items=list(shown), next_cursor=cursor)


@api.get("/v1/admin/streaming/events/{stream_id}")
def get_admin_stream(tx: Tx, admin: Operations, stream_id: UUID) -> AdminStream:
    """Return one stream in its present version."""
    return found(tx, stream_id)


@api.put("/v1/admin/streaming/events/{stream_id}", problems=(rules.StreamOver,))
def change_stream(
    tx: Tx, admin: Operations, stream_id: UUID, body: StreamChange, version: IfMatch, client: Client, now: datetime
) -> AdminStream:
    """Change the version of a stream that was read, also while it is live."""
    before = locked(tx, stream_id, version)
    rules.check_not_over(before.status)
    _with_channel(lambda: store.change(tx, stream_id, body))
    fields = set(StreamChange.model_fields)
    changes = {"before": before.model_dump(mode="json", include=fields), "after": body.model_dump(mode="json")}
    return done(tx, admin, stream_id, "change", changes, client=client, now=now)


@api.put("/v1/admin/streaming/events/{stream_id}/time", problems=(rules.StreamNotScheduled,))
def move_stream(
    tx: Tx, admin: Operations, stream_id: UUID, body: StreamMove, version: IfMatch, client: Client, now: datetime
) -> AdminStream:
    """Move a stream to another time of its wall clock."""
    before = locked(tx, stream_id, version)
    rules.check_scheduled(before.status)
    time_zone = body.time_zone or before.time_zone
    when = rules.begins_at(body.starts, time_zone, now)
    store.move(tx, stream_id, when, time_zone, now)
    event_changes.tell(tx, stream_id, now)
    event_reminders.order(tx, stream_id, before.plan + 1, when[1], now)
    changes = {
        "before": {"starts": before.starts, "time_zone": before.time_zone},
        "after": {"starts": body.starts, "time_zone": time_zone},
    }
    return done(tx, admin, stream_id, "move", changes, client=client, now=now)


@api.post("/v1/admin/streaming/events/{stream_id}/cancel", problems=(rules.StreamNotScheduled,))
def cancel_stream(
    tx: Tx, admin: Operations, stream_id: UUID, body: StreamCancellation, client: Client, now: datetime
) -> AdminStream:
    """Cancel a stream that is not live yet. Harmless twice."""
    before = locked(tx, stream_id)
    if before.status is StreamStatus.CANCELLED:
        return before
    rules.check_not_begun(before.status)
    store.cancel(tx, stream_id, now)
    event_changes.tell(tx, stream_id, now)
    input_store.look(tx, stream_id, now)
    events.enqueue(tx, now, ControlStream(stream_id=stream_id))
    return done(tx, admin, stream_id, "cancel", {"reason": body.reason}, client=client, now=now)


def _with_channel(write: Callable[[], None]) -> None:
    """Write a stream. Raises NotValid when there is no channel of the id that it names."""
    try:
        write()
    except ConstraintViolated as violated:
        if violated.constraint != "live_streams_channel_id_fkey":
            raise
        raise NotValid(errors=[{"field": "/channel_id", "message": "must be a channel of the chat"}]) from None
