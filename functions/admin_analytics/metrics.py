"""The operation that shows metrics over a range of days, beside an earlier range if that is wanted."""

from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from functions.admin_analytics.common import Operations, api
from shared.db import Tx
from shared.figures import analytics
from shared.figures.analytics import AnalyticsPeriod, AnalyticsSeries
from shared.figures.metrics import Metric
from shared.reports.filters import ANALYTICS_DAYS_MAX, METRICS_MAX, Compare, require_range
from shared.reports.ranges import compared
from shared.values.fields import Day, Query, Reply
from shared.values.periods import Interval

NAMES_MAX = 1_000  # characters


def metrics_of(text: str) -> list[Metric]:
    """The metrics that a list with commas names. Raises ValueError for a name that is none, or comes twice."""
    names = text.split(",")
    with suppress(ValueError):
        found = [Metric(name) for name in names]
        if len(set(found)) == len(found) <= METRICS_MAX:
            return found
    raise ValueError(f"must be 1 to {METRICS_MAX} names of metrics with commas between them, each once")


def _named(text: str) -> str:
    metrics_of(text)
    return text


class AnalyticsQuery(Query):
    """Metrics by their names with commas between them, and the first and last UTC day of the range."""

    metrics: Annotated[str, StringConstraints(max_length=NAMES_MAX), AfterValidator(_named)]
    first_day: Annotated[Day, Field(alias="from")]
    last_day: Annotated[Day, Field(alias="to")]
    interval: Interval = Interval.DAY
    compare: Compare | None = None


class AnalyticsCompared(AnalyticsPeriod):
    """The range that the asked one is compared with, likewise; null if none was asked for."""


class AnalyticsChange(Reply):
    """By how many percent the total of a series differs from that of the range it is compared with; null if one of
    them is not known, or the earlier one is not above zero.
    """

    metric: Metric
    key: str | None
    percent: Decimal | None


class Analytics(Reply):
    """Metrics over a range of UTC days. Weeks begin on Sunday. `as_of` is the moment of which all of them are true."""

    interval: Interval
    zone: Literal["UTC"]
    week_starts_on: Literal["sunday"]
    as_of: datetime
    period: AnalyticsPeriod
    compared: AnalyticsCompared | None
    changes: list[AnalyticsChange]


@api.get("/v1/admin/analytics")
def get_analytics(tx: Tx, admin: Operations, asked: AnalyticsQuery) -> Analytics:
    """Return metrics in buckets of days, weeks or months. Nothing is counted for the request."""
    require_range(asked.first_day, asked.last_day, ANALYTICS_DAYS_MAX)
    metrics = metrics_of(asked.metrics)
    period = analytics.period(tx, metrics, asked.interval, asked.first_day, asked.last_day)
    earlier = None
    if asked.compare:
        before = compared(asked.compare, asked.first_day, asked.last_day)
        earlier = AnalyticsCompared(**vars(analytics.period(tx, metrics, asked.interval, *before)))
    return Analytics(
        interval=asked.interval,
        zone="UTC",
        week_starts_on="sunday",
        as_of=analytics.as_of(tx, metrics),
        period=period,
        compared=earlier,
        changes=_changes(period.series, earlier.series) if earlier else [],
    )


def _changes(series: list[AnalyticsSeries], earlier: list[AnalyticsSeries]) -> list[AnalyticsChange]:
    """The change of each total; a key that was not there before has none."""
    totals = {(each.metric, each.key): each.total for each in earlier}
    return [
        AnalyticsChange(
            metric=each.metric,
            key=each.key,
            percent=analytics.change_percent(each.total, totals.get((each.metric, each.key))),
        )
        for each in series
    ]
