"""The metrics of analytics by name, and how each is made of `metric_days` (docs/insights.md, "Analytics")."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from shared.values.periods import Interval

Unit = Literal["count", "usdt"]
Work = Literal["scans", "days", "periods", "snapshots"]


class Made(StrEnum):
    """How the value of a bucket is made: the sum of its days; a count of its own for each day, week and month; the
    last value in it; or one sum divided by another.
    """

    SUM = "sum"
    DISTINCT = "distinct"
    CLOSING = "closing"
    RATIO = "ratio"


@dataclass(frozen=True)
class Definition:
    """A metric. `sources` are the names in `metric_days` that it is made of, of a ratio what is divided and by what.
    `follows` is the work that counts it, and `split_by` what its keys are; None if there is only the whole.
    """

    made: Made
    unit: Unit
    sources: tuple[str, ...]
    split_by: str | None = None
    follows: Work = "days"


class Metric(StrEnum):
    """The names of metrics that can be asked for."""

    SIGN_UPS = "sign_ups"
    ACTIVE_MEMBERS = "active_members"

    REVENUE = "revenue"
    ORDERS = "orders"
    UNITS = "units"
    AVERAGE_ORDER_VALUE = "average_order_value"
    REFUNDS = "refunds"
    REFUNDS_AMOUNT = "refunds_amount"
    UNITS_REFUNDED = "units_refunded"

    SCANS_BY_TIER = "scans_by_tier"
    SCANS_BY_PRODUCT = "scans_by_product"

    COMPS_AWARDED = "comps_awarded"
    COMPS_AWARDED_AMOUNT = "comps_awarded_amount"
    COMPS_CANCELLED = "comps_cancelled"
    COMPS_CANCELLED_AMOUNT = "comps_cancelled_amount"
    COMPS_PAID = "comps_paid"
    COMPS_PAID_AMOUNT = "comps_paid_amount"

    ACTIVE_AFFILIATES = "active_affiliates"
    AFFILIATE_EARNINGS_AMOUNT = "affiliate_earnings_amount"
    AFFILIATE_EARNINGS_CANCELLED_AMOUNT = "affiliate_earnings_cancelled_amount"
    CHIPS_OF_SCANS = "chips_of_scans"
    PAYOUTS_PAID = "payouts_paid"
    PAYOUTS_PAID_AMOUNT = "payouts_paid_amount"

    MESSAGES = "messages"
    ACTIVE_CHANNELS = "active_channels"

    TREASURY_BALANCE = "treasury_balance"
    TREASURY_INFLOW = "treasury_inflow"
    TREASURY_OUTFLOW = "treasury_outflow"
    POOL_ACCRUED = "pool_accrued"
    POOL_SPENT = "pool_spent"


def _sum(name: str, unit: Unit, split_by: str | None = None, follows: Work = "days") -> Definition:
    return Definition(Made.SUM, unit, (name,), split_by, follows)


_COUNTED: Mapping[Metric, str | None] = {
    Metric.SIGN_UPS: None,
    Metric.ORDERS: "kind of order",
    Metric.UNITS: "kind of order",
    Metric.REFUNDS: "reason",
    Metric.UNITS_REFUNDED: "reason",
    Metric.COMPS_AWARDED: "type",
    Metric.COMPS_CANCELLED: "type",
    Metric.COMPS_PAID: "type",
    Metric.PAYOUTS_PAID: "source",
    Metric.MESSAGES: "channel",
}
_AMOUNTS: Mapping[Metric, str | None] = {
    Metric.REVENUE: "kind of order",
    Metric.REFUNDS_AMOUNT: "reason",
    Metric.COMPS_AWARDED_AMOUNT: "type",
    Metric.COMPS_CANCELLED_AMOUNT: "type",
    Metric.COMPS_PAID_AMOUNT: "type",
    Metric.AFFILIATE_EARNINGS_AMOUNT: "kind of earning",
    Metric.AFFILIATE_EARNINGS_CANCELLED_AMOUNT: "kind of earning",
    Metric.PAYOUTS_PAID_AMOUNT: "source",
    Metric.TREASURY_INFLOW: "treasury",
    Metric.TREASURY_OUTFLOW: "treasury",
    Metric.POOL_ACCRUED: "pool",
    Metric.POOL_SPENT: "pool",
}
DEFINITIONS: Mapping[Metric, Definition] = {
    **{metric: _sum(metric, "count", split_by) for metric, split_by in _COUNTED.items()},
    **{metric: _sum(metric, "usdt", split_by) for metric, split_by in _AMOUNTS.items()},
    Metric.SCANS_BY_TIER: _sum("scans_by_tier", "count", "tier", "scans"),
    Metric.SCANS_BY_PRODUCT: _sum("scans_by_product", "count", "product", "scans"),
    Metric.CHIPS_OF_SCANS: _sum("chips_of_scans", "count", None, "scans"),
    Metric.ACTIVE_MEMBERS: Definition(Made.DISTINCT, "count", ("active_members",), None, "periods"),
    Metric.ACTIVE_AFFILIATES: Definition(Made.DISTINCT, "count", ("active_affiliates",), None, "periods"),
    Metric.ACTIVE_CHANNELS: Definition(Made.DISTINCT, "count", ("active_channels",)),
    Metric.AVERAGE_ORDER_VALUE: Definition(Made.RATIO, "usdt", ("revenue", "orders"), "kind of order"),
    Metric.TREASURY_BALANCE: Definition(Made.CLOSING, "usdt", (), "treasury", "snapshots"),
}


def name_of_distinct(name: str, interval: Interval) -> str:
    """The name in `metric_days` of a count that each day, week and month has for itself: `active_members`,
    `active_members_week`, `active_members_month`. Its day is the first one of the period.
    """
    return name if interval is Interval.DAY else f"{name}_{interval}"
