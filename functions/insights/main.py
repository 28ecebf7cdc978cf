"""HTTP: how many scans there are and how fast they come (docs/product.md, "Figures for everybody")."""

from datetime import datetime, timedelta
from typing import Literal

from flask import Request, Response

from functions.insights import store
from functions.insights.store import LiveNumbers
from shared.api import Api
from shared.auth import Anyone, Member
from shared.db import Tx
from shared.scans import velocity
from shared.scans.counter import CountIsBeingCompared
from shared.values.fields import Listing, Page, Reply
from shared.values.ids import NIL
from shared.web import paging
from shared.web.paging import Position

LIVE_CACHE_SECONDS = 1
LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}

api = Api("insights")


def insights(request: Request) -> Response:
    return api.handle(request)


class PeriodFilter(Page):
    """A page of hours or of days."""

    period: Literal["hour", "day"] = "hour"


class ScanPeriod(Reply):
    """An hour or a day (UTC) with its best minute and its processing times; the current one may still grow."""

    starts_at: datetime
    is_over: bool
    scans: int
    peak_per_minute: int
    peak_at: datetime
    processing_ms_average: int | None
    processing_ms_p95: int | None


@api.get(
    "/v1/insights/live",
    problems=(CountIsBeingCompared,),
    reply_headers={"Cache-Control": f"public, max-age={LIVE_CACHE_SECONDS}"},
)
def get_live(tx: Tx, caller: Anyone, now: datetime) -> LiveNumbers:
    """Return the live figures to anybody; they are at most a second old."""
    return store.live(tx, now)


@api.get("/v1/insights/scans")
def list_scan_periods(tx: Tx, member: Member, page: PeriodFilter) -> Listing[ScanPeriod]:
    """List the scans per hour or day, newest first, without the periods that had none."""
    rows = store.rollups(tx, page.period, paging.after(page.cursor), page.limit + 1)
    # There is one rollup per period, so its start alone is the position.
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.starts_at, NIL))
    return Listing[ScanPeriod](items=[_shown(row, LENGTHS[page.period]) for row in shown], next_cursor=cursor)


def _shown(row: store.Rollup, length: timedelta) -> ScanPeriod:
    average, p95 = velocity.processing(row.processing_ms, velocity.from_json(row.histogram))
    return ScanPeriod(
        starts_at=row.starts_at,
        is_over=row.starts_at + length <= row.rolled_up_to,
        scans=row.scans,
        peak_per_minute=row.peak_scans,
        peak_at=row.peak_at,
        processing_ms_average=average,
        processing_ms_p95=p95,
    )
