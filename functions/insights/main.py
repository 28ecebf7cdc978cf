"""HTTP: how many scans there are and how fast they come (plan sections "Scan velocity", "Scan Velocity Tracking")."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from flask import Request, Response

from functions.insights import store
from shared import paging, velocity
from shared.api import Api
from shared.auth import Anyone, Member
from shared.db import Tx
from shared.fields import Listing, Page, Reply
from shared.paging import Position
from shared.velocity import ScanVelocity

LIVE_CACHE_SECONDS = 1
LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
NOT_NEEDED = UUID(int=0)  # one period has one rollup: its start is the whole position

api = Api("insights")


def insights(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


class LiveNumbers(Reply):
    """The global count and the scan velocity, each as of its own moment."""

    total: int
    as_of: datetime
    velocity: ScanVelocity


class PeriodFilter(Page):
    """A page of hours or of days."""

    period: Literal["hour", "day"] = "hour"


class ScanPeriod(Reply):
    """An hour or a day (UTC) with its best minute and its processing times; one that is not over may still grow."""

    starts_at: datetime
    is_over: bool
    scans: int
    peak_per_minute: int
    peak_at: datetime
    processing_ms_average: int | None
    processing_ms_p95: int | None


@api.get("/v1/insights/live", reply_headers={"Cache-Control": f"public, max-age={LIVE_CACHE_SECONDS}"})
def get_live(tx: Tx, caller: Anyone, now: datetime) -> LiveNumbers:
    """For everybody, a second old at most."""
    return LiveNumbers(**vars(store.live(tx, now)))


@api.get("/v1/insights/scans")
def list_scan_periods(tx: Tx, member: Member, page: PeriodFilter) -> Listing[ScanPeriod]:
    """Scans per hour or day, newest first; those without any are left out."""
    rows = store.rollups(tx, page.period, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.starts_at, NOT_NEEDED))
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
