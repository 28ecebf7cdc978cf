"""The operations that ask for reports as CSV files, and show how far these are."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

from functions.admin_analytics import rules, store
from functions.admin_analytics.common import Operations, Treasurer, api
from shared import events
from shared.auth import Admin
from shared.config import read
from shared.db import Tx
from shared.events import ExportReport
from shared.ports import files
from shared.reports.filters import (
    ANALYTICS_DAYS_MAX,
    ROWS_DAYS_MAX,
    AffiliatesRows,
    AnalyticsRows,
    AuditLogRows,
    OrdersRows,
    ReportKind,
    UsersRows,
    require_range,
)
from shared.reports.storage import ReportsConfig, object_name
from shared.values.fields import Body, Reason, Reply
from shared.values.problems import NotFound
from shared.values.states import ReportState
from shared.web import audit, quotas
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.quotas import Limit, Quota

LINK_LIFE = timedelta(minutes=15)


class AnalyticsExport(AnalyticsRows):
    """The wish for metrics over days, and its reason; the audit log keeps it."""

    reason: Reason


class AuditLogExport(AuditLogRows):
    """The wish for lines of the audit log, and its reason; the audit log keeps it."""

    reason: Reason


class UsersExport(UsersRows):
    """The wish for a list of members, and its reason; the audit log keeps it."""

    reason: Reason


class OrdersExport(OrdersRows):
    """The wish for a list of orders, and its reason; the audit log keeps it."""

    reason: Reason


class AffiliatesExport(AffiliatesRows):
    """The wish for a list of affiliates, and its reason; the audit log keeps it."""

    reason: Reason


class ReportAsked(Reply):
    """A report that is being made. Its own path tells how far it is, and has a link to the file once that is whole."""

    id: UUID
    kind: ReportKind
    state: Literal["making"]
    asked_at: datetime


class ReportFile(Reply):
    """A report as a CSV file, shown to whoever has asked for it. Its rows were read from `read_from` to `read_until`;
    `rows` is without the header, `sha256` that of the whole file. A failed one says why in `fault`. The link works for
    fifteen minutes; reading this again makes a new one, until `expires_at`.
    """

    id: UUID
    kind: ReportKind
    state: Literal["making", "ready", "failed", "expired"]
    asked_at: datetime
    read_from: datetime | None
    read_until: datetime | None
    rows: int | None
    bytes: int | None
    sha256: str | None
    expires_at: datetime | None
    fault: str | None
    download_url: str | None
    link_expires_at: datetime | None


class StoredReport(Reply):
    """A report before its link is signed."""

    shown: ReportFile
    object_name: str | None
    filename: str
    shown_at: datetime


def link(found: StoredReport) -> ReportFile:
    """Sign the link to the file, outside the transaction."""
    if found.object_name is None:
        return found.shown
    url = files.signed_url(
        read(ReportsConfig).reports_bucket,
        found.object_name,
        signed_at=found.shown_at,
        expires_in=LINK_LIFE,
        filename=found.filename,
    )
    return found.shown.model_copy(update={"download_url": url, "link_expires_at": found.shown_at + LINK_LIFE})


@api.post("/v1/admin/analytics/export", status=202, problems=(rules.TooManyReports,))
def export_analytics(tx: Tx, admin: Operations, body: AnalyticsExport, client: Client, now: datetime) -> ReportAsked:
    """Have metrics written into a file."""
    require_range(body.first_day, body.last_day, ANALYTICS_DAYS_MAX)
    return _asked(tx, admin, ReportKind.ANALYTICS, body, body.reason, client=client, now=now)


@api.get("/v1/admin/exports/analytics/{export_id}", after=link)
def get_analytics_export(tx: Tx, admin: Operations, export_id: UUID, now: datetime) -> StoredReport:
    """Return how far a report of metrics is, with a link once it is whole."""
    return _found(tx, admin, ReportKind.ANALYTICS, export_id, now)


@api.post("/v1/admin/audit-log/export", status=202, problems=(rules.TooManyReports,))
def export_audit_log(tx: Tx, admin: Treasurer, body: AuditLogExport, client: Client, now: datetime) -> ReportAsked:
    """Have lines of the audit log written into a file."""
    require_range(body.first_day, body.last_day, ROWS_DAYS_MAX)
    return _asked(tx, admin, ReportKind.AUDIT_LOG, body, body.reason, client=client, now=now)


@api.get("/v1/admin/exports/audit-log/{export_id}", after=link)
def get_audit_log_export(tx: Tx, admin: Treasurer, export_id: UUID, now: datetime) -> StoredReport:
    """Return how far a report of lines of the audit log is, with a link once it is whole."""
    return _found(tx, admin, ReportKind.AUDIT_LOG, export_id, now)


@api.post("/v1/admin/users/export", status=202, problems=(rules.TooManyReports,))
def export_users(tx: Tx, admin: Operations, body: UsersExport, client: Client, now: datetime) -> ReportAsked:
    """Have the members written into a file."""
    return _asked(tx, admin, ReportKind.USERS, body, body.reason, client=client, now=now)


@api.get("/v1/admin/exports/users/{export_id}", after=link)
def get_users_export(tx: Tx, admin: Operations, export_id: UUID, now: datetime) -> StoredReport:
    """Return how far a report of members is, with a link once it is whole."""
    return _found(tx, admin, ReportKind.USERS, export_id, now)


@api.post("/v1/admin/orders/export", status=202, problems=(rules.TooManyReports,))
def export_orders(tx: Tx, admin: Operations, body: OrdersExport, client: Client, now: datetime) -> ReportAsked:
    """Have orders written into a file, without their addresses."""
    require_range(body.first_day, body.last_day, ROWS_DAYS_MAX)
    return _asked(tx, admin, ReportKind.ORDERS, body, body.reason, client=client, now=now)


@api.get("/v1/admin/exports/orders/{export_id}", after=link)
def get_orders_export(tx: Tx, admin: Operations, export_id: UUID, now: datetime) -> StoredReport:
    """Return how far a report of orders is, with a link once it is whole."""
    return _found(tx, admin, ReportKind.ORDERS, export_id, now)


@api.post("/v1/admin/affiliates/export", status=202, problems=(rules.TooManyReports,))
def export_affiliates(tx: Tx, admin: Treasurer, body: AffiliatesExport, client: Client, now: datetime) -> ReportAsked:
    """Have all affiliates written into a file."""
    return _asked(tx, admin, ReportKind.AFFILIATES, body, body.reason, client=client, now=now)


@api.get("/v1/admin/exports/affiliates/{export_id}", after=link)
def get_affiliates_export(tx: Tx, admin: Treasurer, export_id: UUID, now: datetime) -> StoredReport:
    """Return how far a report of affiliates is, with a link once it is whole."""
    return _found(tx, admin, ReportKind.AFFILIATES, export_id, now)


def _asked(
    tx: Tx, admin: Admin, kind: ReportKind, body: Body, reason: str, *, client: Client, now: datetime
) -> ReportAsked:
    """Record and audit the wish for a report, and have it made. Raises TooManyReports."""
    quotas.spend_within(tx, Limit([Quota(f"reports of {admin.id}", rules.REPORTS_PER_HOUR)], rules.TooManyReports), now)
    export_id = uuid4()
    filters = body.model_dump(mode="json", by_alias=True, exclude={"reason"})
    store.insert(tx, export_id, kind, filters, reason=reason, admin_id=admin.id, now=now)
    events.enqueue(tx, now, ExportReport(export_id=export_id), name=f"report-{export_id}")
    changes = {"kind": kind.value, "filters": filters, "reason": reason}
    audit.record(tx, admin, client, Action("report.export", "report", export_id, changes), now)
    return ReportAsked(id=export_id, kind=kind, state="making", asked_at=now)


def _found(tx: Tx, admin: Admin, kind: ReportKind, export_id: UUID, now: datetime) -> StoredReport:
    """The report of that kind that the admin has asked for. Raises NotFound."""
    found = store.find(tx, export_id, kind, admin.id)
    if found is None:
        raise NotFound
    known = {name: value for name, value in vars(found).items() if name != "run_id"}
    is_there = found.state is ReportState.READY and found.run_id is not None and not _is_over(found, now)
    return StoredReport(
        shown=ReportFile(**known, download_url=None, link_expires_at=None),
        object_name=object_name(found.id, found.run_id) if is_there and found.run_id else None,
        filename=f"blakjaks_{kind}_{found.asked_at:%Y%m%d_%H%M%S}.csv",
        shown_at=now,
    )


def _is_over(found: store.Report, now: datetime) -> bool:
    return found.expires_at is not None and found.expires_at <= now
