"""The operation that shows what an admin looks at first: figures, and the queues that wait for people."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from functions.admin_desk import queue_store
from functions.admin_desk.common import Operations, api
from shared.db import Tx
from shared.figures import kept
from shared.figures.names import NOT_COUNTED, Name
from shared.values.fields import Reply

# Where the things of each queue are listed, for people who decide about them.
PATHS: Mapping[str, str] = {
    "critical_events": "/v1/admin/critical-events?state=open",
    "payouts": "/v1/admin/treasury/payouts",
    "foreign_nonces": "/v1/admin/treasury/foreign-nonces",
    "flagged_scans": "/v1/admin/scans/flagged?status=open",
    "guarantee_reviews": "/v1/admin/guarantees/reviews?status=waiting",
    "referral_reviews": "/v1/admin/affiliates/reviews?status=open",
    "comps": "/v1/admin/comps?status=in_review",
    "affiliate_awards": "/v1/admin/affiliates",
    "trips": "/v1/admin/trips",
    "weeks": "/v1/admin/affiliates/weeks",
    "findings": "/v1/admin/treasury/findings",
    "payment_findings": "/v1/admin/treasury/payment-findings",
    "refunds": "/v1/admin/refunds?status=waiting",
    "deposits": "/v1/admin/deposits",
    "campaigns": "/v1/admin/mails/campaigns",
    "banks": "/v1/admin/banks",
    "wholesale_applications": "/v1/admin/wholesale/applications?status=pending",
}
FIGURES = (
    Name.MEMBERS,
    Name.ACTIVE_MEMBERS,
    Name.SCANS_TODAY,
    Name.SCANS_THIS_WEEK,
    Name.SCANS_THIS_MONTH,
    Name.REVENUE,
    Name.ORDERS_UNDER_WAY,
    Name.AFFILIATES_ACTIVE,
    Name.TINS_THIS_MONTH,
    Name.PAYOUTS_LAST_24H,
    Name.PAYOUT_PIPELINE,
    Name.COMP_BUDGET_HEALTH,
    Name.TIER_DISTRIBUTION,
)
# The operation that does it, or the list of those things one of which is chosen for it.
QUICK_ACTIONS: Mapping[str, str] = {
    "order_codes": "/v1/admin/qr/generate",
    "approve_wholesale_account": "/v1/admin/wholesale/applications?status=pending",
    "start_live_event": "/v1/admin/streaming/events?status=scheduled",
    "award_comp": "/v1/admin/comps/award",
    "broadcast": "/v1/admin/notifications/broadcast",
}


class DashboardFigure(Reply):
    """A figure with the moment of which it is true; `is_stale` if it is older than it should be, and `reason` if it has
    no value.
    """

    name: str
    value: Any | None
    as_of: datetime | None
    is_stale: bool
    reason: str | None


class DashboardQueue(Reply):
    """Things that wait for people: how many (10,000 stands for that many and more), since when the oldest does, and
    where they are listed.
    """

    name: str
    count: int
    oldest_at: datetime | None
    path: str


class QuickAction(Reply):
    """Something that admins often do, and the path of its operation, or of the list of what it is done to."""

    name: str
    path: str


class AdminDashboard(Reply):
    """Figures, the queues that wait for people, and what admins often do. `as_of` is the moment of the queues."""

    as_of: datetime
    figures: list[DashboardFigure]
    queues: list[DashboardQueue]
    quick_actions: list[QuickAction]


@api.get("/v1/admin/dashboard")
def get_dashboard(tx: Tx, admin: Operations, now: datetime) -> AdminDashboard:
    """Return what waits for people, and the figures of the platform."""
    found = kept.find(tx, FIGURES)
    return AdminDashboard(
        as_of=now,
        figures=[_figure(name, found.get(name), now) for name in FIGURES],
        queues=[_queue(tx, name, path) for name, path in PATHS.items()],
        quick_actions=[QuickAction(name=name, path=path) for name, path in QUICK_ACTIONS.items()],
    )


def _figure(name: Name, found: kept.Kept | None, now: datetime) -> DashboardFigure:
    if found is None:
        return DashboardFigure(name=name, value=None, as_of=None, is_stale=True, reason=NOT_COUNTED)
    return DashboardFigure(
        name=name, value=found.value, as_of=found.as_of, is_stale=found.is_stale(now), reason=found.reason
    )


def _queue(tx: Tx, name: str, path: str) -> DashboardQueue:
    waiting = queue_store.waiting(tx, name)
    return DashboardQueue(name=name, count=waiting.count, oldest_at=waiting.oldest_at, path=path)
