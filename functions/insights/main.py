"""HTTP: the figures that members and everybody are shown (docs/insights.md)."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from flask import Request, Response

from functions.insights import award_store, store, tabs
from functions.insights.award_store import PublicAward, PublicAwards
from functions.insights.memory import remembered
from functions.insights.store import FeedLine, LiveNumbers
from functions.insights.tabs import (
    CompsFigures,
    OverviewFigures,
    PartnersFigures,
    PublicFigures,
    SystemsFigures,
    TreasuryFigures,
)
from shared.api import Api
from shared.auth import Anyone, Member
from shared.db import Tx
from shared.messages.feed import Kind
from shared.scans import velocity
from shared.scans.counter import CountIsBeingCompared
from shared.values.fields import Listing, Page, Reply
from shared.values.ids import NIL
from shared.web import paging
from shared.web.paging import Position

LIVE_CACHE_SECONDS = 1
PUBLIC_CACHE_SECONDS = 30
AWARDS_CACHE_SECONDS = 5
LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}

OWN_COPY = {"Cache-Control": "private, no-cache"}  # kept by the app, and asked for again with its ETag

api = Api("insights")


def insights(request: Request) -> Response:
    return api.handle(request)


class PeriodFilter(Page):
    """A page of hours or of days."""

    period: Literal["hour", "day"] = "hour"


class FeedFilter(Page):
    """A page of the feed, of one kind of lines or of all."""

    kind: Kind | None = None


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
    return remembered("live", lambda: store.live(tx, now))


@api.get("/v1/insights/overview", tagged=True, reply_headers=OWN_COPY)
def get_overview(tx: Tx, member: Member, now: datetime) -> OverviewFigures:
    """Return the figures at a glance, and what has just happened."""
    return remembered("overview", lambda: tabs.overview(tx, now))


@api.get("/v1/insights/treasury", tagged=True, reply_headers=OWN_COPY)
def get_treasury(tx: Tx, member: Member, now: datetime) -> TreasuryFigures:
    """Return the figures of the money."""
    return remembered("treasury", lambda: tabs.treasury(tx, now))


@api.get("/v1/insights/systems", tagged=True, reply_headers=OWN_COPY)
def get_systems(tx: Tx, member: Member, now: datetime) -> SystemsFigures:
    """Return the figures of how the platform does."""
    return remembered("systems", lambda: tabs.systems(tx, now))


@api.get("/v1/insights/comps", tagged=True, reply_headers=OWN_COPY)
def get_comps_figures(tx: Tx, member: Member, now: datetime) -> CompsFigures:
    """Return the figures of the prizes."""
    return remembered("comps", lambda: tabs.comps(tx, now))


@api.get("/v1/insights/partners", tagged=True, reply_headers=OWN_COPY)
def get_partners(tx: Tx, member: Member, now: datetime) -> PartnersFigures:
    """Return the figures of affiliates and wholesale."""
    return remembered("partners", lambda: tabs.partners(tx, now))


@api.get("/v1/insights/feed")
def list_feed(tx: Tx, member: Member, page: FeedFilter) -> Listing[FeedLine]:
    """List what has happened, newest first, without names."""
    after = paging.after(page.cursor)
    if after is not None and after.id.int > paging.FIGURE_MAX:
        raise paging.not_ours()
    rows = store.lines(tx, page.kind, after, page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda line: Position(line.happened_at, UUID(int=int(line.id))))
    return Listing[FeedLine](items=list(shown), next_cursor=cursor)


@api.get(
    "/v1/insights/public",
    tagged=True,
    reply_headers={"Cache-Control": f"public, max-age={PUBLIC_CACHE_SECONDS}"},
)
def get_public_insights(tx: Tx, caller: Anyone, now: datetime) -> PublicFigures:
    """Return the figures that everybody may see."""
    return remembered("public", lambda: tabs.public(tx, now))


@api.get(
    "/v1/insights/awards",
    reply_headers={"Cache-Control": f"public, max-age={AWARDS_CACHE_SECONDS}"},
)
def list_awards(tx: Tx, caller: Anyone, page: Page) -> Listing[PublicAward]:
    """List what was decided about each number that could win a prize, the highest number first, to anybody."""
    rows = award_store.newest(tx, award_store.position(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, award_store.place)
    return Listing[PublicAward](items=list(shown), next_cursor=cursor)


@api.get(
    "/v1/insights/awards/{number}",
    reply_headers={"Cache-Control": f"public, max-age={AWARDS_CACHE_SECONDS}"},
)
def get_award(tx: Tx, caller: Anyone, number: str) -> PublicAwards:
    """Return what was decided about one number of the global count to anybody. Raises NotFound for no number."""
    wanted = award_store.number_of(number)
    return PublicAwards(number=wanted, items=award_store.of_number(tx, wanted))


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
