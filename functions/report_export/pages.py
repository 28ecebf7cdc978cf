"""The lines of each kind of report, page by page; the first page begins with the names of the columns."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from functions.report_export import records
from functions.report_export.records import AffiliateRow, AuditRow, OrderRow, UserRow
from shared.db import Tx
from shared.figures import analytics
from shared.figures.analytics import AnalyticsPeriod
from shared.orders.states import number_of
from shared.reports.filters import AnalyticsRows, AuditLogRows, OrdersRows, ReportKind, UsersRows
from shared.reports.ranges import compared
from shared.values.csv_fields import Field
from shared.values.ids import NIL
from shared.values.periods import ONE_DAY
from shared.values.tiers import quarter_of
from shared.web.paging import Position

ROWS_AT_ONCE = 2_000
METRIC_COLUMNS = ("period", "first_day", "last_day", "is_complete", "metric", "key", "unit", "value")

Lines = Sequence[Sequence[Field]]


@dataclass(frozen=True)
class PageOfLines:
    """Lines of a report, and where the next page begins; None after the last one."""

    lines: Lines
    after: Any


def columns(kind: ReportKind) -> Sequence[str]:
    """The names of the columns of a kind of report."""
    if kind is ReportKind.ANALYTICS:
        return METRIC_COLUMNS
    rows: Mapping[ReportKind, type[Any]] = {
        ReportKind.AUDIT_LOG: AuditRow,
        ReportKind.USERS: UserRow,
        ReportKind.ORDERS: OrderRow,
        ReportKind.AFFILIATES: AffiliateRow,
    }
    return [field.name for field in fields(rows[kind])]


def page(tx: Tx, kind: ReportKind, filters: Any, after: Any, now: datetime) -> PageOfLines:
    """The page after a place that an earlier page has named; None for the first one."""
    makers: Mapping[ReportKind, Callable[[], PageOfLines]] = {
        ReportKind.ANALYTICS: lambda: PageOfLines(_metrics(tx, filters), None),
        ReportKind.AUDIT_LOG: lambda: _audit_lines(tx, filters, after or 0),
        ReportKind.USERS: lambda: _users(tx, filters, after or 0, now),
        ReportKind.ORDERS: lambda: _orders(tx, filters, after),
        ReportKind.AFFILIATES: lambda: _affiliates(tx, after or NIL),
    }
    return makers[kind]()


def _metrics(tx: Tx, asked: AnalyticsRows) -> Lines:
    """Every value with its bucket, of the range and of the one that it is compared with."""
    ranges = {"asked": (asked.first_day, asked.last_day)}
    if asked.compare:
        ranges["compared"] = compared(asked.compare, asked.first_day, asked.last_day)
    return [
        line
        for name, (first_day, last_day) in ranges.items()
        for line in _of_period(name, analytics.period(tx, asked.metrics, asked.interval, first_day, last_day))
    ]


def _of_period(name: str, period: AnalyticsPeriod) -> Iterable[Sequence[Field]]:
    for series in period.series:
        for bucket, value in zip(period.buckets, series.values, strict=True):
            yield (
                *(name, bucket.first_day, bucket.last_day, bucket.is_complete),
                *(series.metric.value, series.key, series.unit, value),
            )


def _users(tx: Tx, asked: UsersRows, after: int, now: datetime) -> PageOfLines:
    rows = records.users(tx, after, quarter_of(now), ROWS_AT_ONCE)
    wanted = [row for row in rows if asked.status in (None, row.status)]
    return PageOfLines(_all_columns(wanted), rows[-1].number if len(rows) == ROWS_AT_ONCE else None)


def _orders(tx: Tx, asked: OrdersRows, after: Position | None) -> PageOfLines:
    since, until = _instant(asked.first_day), _instant(asked.last_day + ONE_DAY)
    rows = records.orders(tx, since, until, after, ROWS_AT_ONCE)
    wanted = [row for row in rows if asked.state in (None, row.state)]
    following = Position(rows[-1].placed_at, rows[-1].id) if len(rows) == ROWS_AT_ONCE else None
    return PageOfLines([_order(row) for row in wanted], following)


def _order(row: OrderRow) -> Sequence[Field]:
    """All columns, with the number as people read it."""
    return tuple((vars(row) | {"number": number_of(row.kind, row.number, row.placed_at)}).values())


def _affiliates(tx: Tx, after: UUID) -> PageOfLines:
    rows = records.affiliates(tx, after, ROWS_AT_ONCE)
    return PageOfLines(_all_columns(rows), rows[-1].id if len(rows) == ROWS_AT_ONCE else None)


def _audit_lines(tx: Tx, asked: AuditLogRows, after: int) -> PageOfLines:
    rows = records.audit_lines(tx, after, ROWS_AT_ONCE)
    wanted = [row for row in rows if _is_wanted(row, asked)]
    return PageOfLines(_all_columns(wanted), rows[-1].id if len(rows) == ROWS_AT_ONCE else None)


def _is_wanted(row: AuditRow, asked: AuditLogRows) -> bool:
    return (
        asked.first_day <= row.created_at.astimezone(UTC).date() <= asked.last_day
        and asked.actor in (None, row.actor_id)
        and asked.action in (None, row.action)
        and asked.resource_type in (None, row.resource_type)
        and asked.resource_id in (None, row.resource_id)
    )


def _all_columns(rows: Iterable[object]) -> Lines:
    return [tuple(vars(row).values()) for row in rows]


def _instant(day: date) -> datetime:
    """The first instant of a UTC day."""
    return datetime.combine(day, time.min, UTC)
