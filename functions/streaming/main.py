"""HTTP: streams that members watch (docs/streams.md). One above the member's tier is not there, whatever is asked."""

from datetime import datetime
from uuid import UUID

from flask import Request, Response

from functions.streaming import rules, store
from functions.streaming.models import CalendarQuery, LiveStream, LiveStreams
from shared.api import Api
from shared.auth import Member
from shared.db import Tx
from shared.values import time_zones
from shared.values.fields import Listing, Page
from shared.values.periods import Interval
from shared.values.problems import NotFound
from shared.values.states import StreamStatus
from shared.web import paging
from shared.web.paging import Position

api = Api("streaming")


def streaming(request: Request) -> Response:
    return api.handle(request)


@api.get("/v1/streaming/live")
def list_live_streams(tx: Tx, member: Member) -> LiveStreams:
    """The streams that are live now."""
    return LiveStreams(streams=store.live(tx, member.tier))


@api.get("/v1/streaming/schedule")
def list_planned_streams(tx: Tx, member: Member, query: CalendarQuery, now: datetime) -> LiveStreams:
    """The streams of a week or a month that are planned, live, or were cancelled."""
    day = query.day or time_zones.today(now, query.time_zone)
    first, after = rules.span(Interval(query.view), day, query.time_zone)
    return LiveStreams(streams=store.planned(tx, member.tier, first, after))


@api.get("/v1/streaming/archive")
def list_archived_streams(tx: Tx, member: Member, page: Page) -> Listing[LiveStream]:
    """List the streams that have ended, newest first."""
    rows = store.archive(tx, member.tier, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, _ended)
    return Listing[LiveStream](items=list(shown), next_cursor=cursor)


@api.get("/v1/streaming/{stream_id}")
def get_stream(tx: Tx, member: Member, stream_id: UUID) -> LiveStream:
    """Return one stream that the member may watch."""
    found = store.find(tx, member.tier, stream_id)
    if found is None:
        raise NotFound
    return found


@api.post("/v1/streaming/{stream_id}/presence", status=204, problems=(rules.StreamNotLive,))
def note_presence(tx: Tx, member: Member, stream_id: UUID, now: datetime) -> None:
    """Note that the member watches. Of a large audience a sample is counted."""
    found = store.watched(tx, member.tier, stream_id)
    if found is None:
        raise NotFound
    if found.status is not StreamStatus.LIVE:
        raise rules.StreamNotLive(state=found.status.value)
    mark = rules.mark(stream_id, member.id)
    if rules.is_sampled(mark, found.sample_shift):
        store.see(tx, stream_id, mark, now)


def _ended(row: LiveStream) -> Position:
    assert row.ended_at, "the schema says so of each that has ended"
    return Position(row.ended_at, row.id)
