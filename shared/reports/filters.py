"""The kinds of reports, and what an admin says of the rows of each."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.figures.metrics import Metric
from shared.orders.states import OrderState
from shared.values.fields import Body, Day, Shape
from shared.values.periods import Interval
from shared.values.problems import NotValid
from shared.values.states import MemberStatus

FIRST_DAY, LAST_DAY = date(2020, 1, 1), date(2099, 12, 31)  # nothing has happened before
ANALYTICS_DAYS_MAX = 731  # two years, one of them with a leap day
ROWS_DAYS_MAX = 3_660  # ten years
METRICS_MAX = 20

Compare = Literal["previous", "year"]
Name = Annotated[str, Shape(r"^[A-Za-z0-9_.:-]{1,100}$", "a name of letters, digits and . : _ -")]


class ReportKind(StrEnum):
    """The values of `report_exports.kind`."""

    ANALYTICS = "analytics"
    AUDIT_LOG = "audit_log"
    USERS = "users"
    ORDERS = "orders"
    AFFILIATES = "affiliates"


class AnalyticsRows(Body):
    """Metrics over UTC days, both ends included; `compare` adds the days before, or those of the year before."""

    metrics: Annotated[list[Metric], Field(min_length=1, max_length=METRICS_MAX)]
    first_day: Annotated[Day, Field(alias="from")]
    last_day: Annotated[Day, Field(alias="to")]
    interval: Interval = Interval.DAY
    compare: Compare | None = None


class AuditLogRows(Body):
    """Lines of the audit log of UTC days, both ends included, that match every filter that is given."""

    first_day: Annotated[Day, Field(alias="from")]
    last_day: Annotated[Day, Field(alias="to")]
    actor: UUID | None = None
    action: Name | None = None
    resource_type: Name | None = None
    resource_id: Name | None = None


class UsersRows(Body):
    """Members, those of one status if it is given."""

    status: MemberStatus | None = None


class OrdersRows(Body):
    """Orders that were placed on UTC days, both ends included, those in one state if it is given."""

    first_day: Annotated[Day, Field(alias="from")]
    last_day: Annotated[Day, Field(alias="to")]
    state: OrderState | None = None


class AffiliatesRows(Body):
    """A list of all affiliates."""


ROWS: Mapping[ReportKind, type[Body]] = {
    ReportKind.ANALYTICS: AnalyticsRows,
    ReportKind.AUDIT_LOG: AuditLogRows,
    ReportKind.USERS: UsersRows,
    ReportKind.ORDERS: OrdersRows,
    ReportKind.AFFILIATES: AffiliatesRows,
}


def require_range(first_day: date, last_day: date, days_max: int) -> None:
    """Raises NotValid for a range of days that is backwards, longer than `days_max`, or not of this century."""
    fault = None
    if first_day < FIRST_DAY:
        fault = ("/from", f"must be {FIRST_DAY} or later")
    elif last_day > LAST_DAY:
        fault = ("/to", f"must be {LAST_DAY} or earlier")
    elif last_day < first_day:
        fault = ("/to", "must not be before the first day")
    elif (last_day - first_day).days >= days_max:
        fault = ("/to", f"must leave a range of {days_max} days at most")
    if fault:
        raise NotValid(errors=[{"field": fault[0], "message": fault[1]}])
