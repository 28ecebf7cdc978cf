"""Figures that are sums of the days in `metric_days`: they are as old as the last count of today and yesterday."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from functions.figure_rollup import rules
from functions.figure_rollup.store import Figure
from shared import settings
from shared.db import Tx
from shared.figures import names
from shared.figures.names import Name
from shared.figures.values import (
    AmountCount,
    BudgetMonth,
    CompBudgetHealth,
    CompCount,
    LedgerShare,
    PayoutSuccess,
    Revenue,
    Sparkline,
    SparklineDay,
    VaultEconomy,
    VaultRules,
    WholesaleFigures,
)
from shared.values.money import ZERO, Usdt
from shared.values.periods import Interval, start_of
from shared.values.prizes import CompType
from shared.values.programs import CHIPS_FOR_ONE, VAULT_DAYS

COMPARED_DAYS = 30
SPARKLINE_DAYS = 90
BUDGET_MONTHS = 12
TO_MEMBERS = ("comp", "affiliate_payout", "wholesale_comp")
TREASURIES = ("member", "affiliate", "wholesale")
LIFELONG = (
    *("comps_awarded", "comps_awarded_amount", "comps_cancelled", "comps_cancelled_amount", "comps_paid"),
    *("comps_paid_amount", "matches_paid", "matches_paid_amount", "vault", "chips_given", "chips_of_scans"),
    "wholesale_chips",
)

Sums = Mapping[tuple[str, str], Decimal]


@dataclass(frozen=True)
class _Sum:
    metric: str
    key: str
    value: Decimal


@dataclass(frozen=True)
class _MonthSum:
    month: date
    metric: str
    value: Decimal


@dataclass(frozen=True)
class _Moments:
    days: datetime
    scans: datetime


@dataclass(frozen=True)
class _Wholesale:
    accounts: int
    comps: int
    amount: Usdt


@dataclass(frozen=True)
class _SnapshotDay:
    treasury: str
    day: date
    closing: Usdt
    lowest: Usdt
    highest: Usdt
    closing_at: datetime


def figures(tx: Tx, now: datetime) -> list[Figure]:
    """Return the sums of days, each as of its own moment."""
    moments = tx.one(
        _Moments,
        """
        SELECT (SELECT as_of FROM figure_progress WHERE work = 'days') AS days,
               (SELECT as_of FROM figure_progress WHERE work = 'scans') AS scans
        """,
    )
    ever, today = _sums(tx, LIFELONG, date.min, now.astimezone(UTC).date()), now.astimezone(UTC).date()
    chips = sum(ever.get(name, Decimal(0)) for name in (("chips_of_scans", ""), *_given()))
    return [
        _growth(tx, today, moments.days),
        Figure(Name.COMPS, [_comps(kind, ever) for kind in CompType], moments.days),
        Figure(Name.PAYOUT_LEDGER, _ledger(ever), moments.days),
        Figure(Name.COMP_BUDGET_HEALTH, _budget(tx, now), moments.days),
        Figure(Name.PAYOUT_SUCCESS, _success(tx, today), moments.days),
        Figure(Name.VAULT, _vault(tx, ever), moments.days),
        Figure(Name.CHIPS_ISSUED, int(chips), min(moments.days, moments.scans)),
        Figure(Name.MATCH_PAID, _counted("matches_paid", "", ever), moments.days),
        Figure(Name.WHOLESALE, _wholesale(tx, ever), moments.days),
        Figure(Name.REVENUE, _revenue(tx, today), moments.days),
        _sparklines(tx, today, now),
    ]


def _sums(tx: Tx, metrics: Collection[str], since: date, until: date) -> Sums:
    """The sums of metrics by key over days, both included."""
    rows = tx.all(
        _Sum,
        """
        SELECT metric, key, sum(value) AS value FROM metric_days
        WHERE metric = ANY(CAST(:metrics AS text[])) AND day >= :since AND day <= :until GROUP BY metric, key
        """,
        metrics=list(metrics),
        since=since,
        until=until,
    )
    return {(row.metric, row.key): row.value for row in rows}


def _usdt(value: Decimal) -> Usdt:
    return Usdt.of(value)


def _given() -> list[tuple[str, str]]:
    return [("chips_given", kind) for kind in ("bonus", "grant")]


def _counted(metric: str, key: str, sums: Sums) -> AmountCount:
    amount = sums.get((f"{metric}_amount", key), Decimal(0))
    return AmountCount(count=int(sums.get((metric, key), 0)), amount=_usdt(amount))


def _comps(kind: CompType, ever: Sums) -> CompCount:
    won, gone, paid = (_counted(f"comps_{what}", kind.value, ever) for what in ("awarded", "cancelled", "paid"))
    return CompCount(
        type=kind.value,
        awarded=won.count - gone.count,
        amount=won.amount - gone.amount,
        paid=paid.count,
        paid_amount=paid.amount,
    )


def _ledger(ever: Sums) -> list[LedgerShare]:
    paid = [(kind, _counted("comps_paid", kind.value, ever)) for kind in CompType]
    percents = rules.shares([counted.amount.micro for _, counted in paid])
    return [
        LedgerShare(type=kind.value, count=counted.count, amount=counted.amount, percent=percent)
        for (kind, counted), percent in zip(paid, percents, strict=True)
    ]


def _growth(tx: Tx, today: date, as_of: datetime) -> Figure:
    """The sign-ups of the last 30 days, today included, beside those of the 30 days before."""
    middle = today - timedelta(days=COMPARED_DAYS)
    recent, before = (
        int(_sums(tx, ["sign_ups"], since, until).get(("sign_ups", ""), 0))
        for since, until in (
            (middle + timedelta(days=1), today),
            (middle - timedelta(days=COMPARED_DAYS - 1), middle),
        )
    )
    grown = rules.growth(recent, before)
    return Figure(Name.GROWTH_PERCENT, grown, as_of, names.NO_BASE if grown is None else None)


def _budget(tx: Tx, now: datetime) -> CompBudgetHealth:
    months = rules.months_up_to(now.astimezone(UTC).date(), BUDGET_MONTHS)
    rows = tx.all(
        _MonthSum,
        """
        SELECT CAST(date_trunc('month', CAST(day AS timestamp)) AS date) AS month, metric, sum(value) AS value
        FROM metric_days
        WHERE metric IN ('pool_accrued', 'pool_spent') AND key = 'member' AND day >= :since AND day <= :until
        GROUP BY 1, 2
        """,
        since=months[0],
        until=now.astimezone(UTC).date(),
    )
    sums: defaultdict[tuple[date, str], Usdt] = defaultdict(lambda: ZERO)
    sums |= {(row.month, row.metric): _usdt(row.value) for row in rows}
    shown = [
        BudgetMonth(month=f"{month:%Y-%m}", accrued=sums[month, "pool_accrued"], spent=sums[month, "pool_spent"])
        for month in months
    ]
    present = shown[-1]
    utilization = rules.percent(present.spent.micro, present.accrued.micro)
    return CompBudgetHealth(
        month=present.month,
        accrued=present.accrued,
        spent=present.spent,
        utilization_percent=utilization,
        status=rules.budget_status(utilization),
        projected_spent=rules.projected(present.spent, now),
        months=shown,
    )


def _success(tx: Tx, today: date) -> PayoutSuccess:
    metrics = ("payouts_paid", "payouts_cancelled", "payouts_paid_seconds", "payouts_paid_timed")
    sums = _sums(tx, metrics, today - timedelta(days=COMPARED_DAYS - 1), today)
    paid, cancelled, seconds, timed = (
        sum(sums.get((metric, kind), Decimal(0)) for kind in TO_MEMBERS) for metric in metrics
    )
    return PayoutSuccess(
        success_percent=rules.percent(int(paid), int(paid + cancelled)),
        average_confirmation_seconds=round(seconds / timed) if timed else None,
    )


def _vault(tx: Tx, ever: Sums) -> VaultEconomy:
    def chips(metric: str, *kinds: str) -> int:
        return int(sum(ever.get((metric, kind), Decimal(0)) for kind in kinds))

    week_max = settings.load(tx).affiliates.chips_max
    return VaultEconomy(
        vaulted=chips("vault", "vault", "overflow"),
        bonus=chips("chips_given", "bonus"),
        expired=chips("vault", "expire"),
        rules=VaultRules(chips_per_bonus=CHIPS_FOR_ONE, life_days=VAULT_DAYS, chips_per_week_max=week_max),
    )


def _wholesale(tx: Tx, ever: Sums) -> WholesaleFigures:
    """Accounts and their comps are few: they are counted themselves."""
    found = tx.one(
        _Wholesale,
        """
        SELECT (SELECT count(*) FROM wholesale_accounts WHERE status = 'active') AS accounts, count(*) AS comps,
               CAST(coalesce(sum(amount), 0) AS bigint) AS amount
        FROM wholesale_comps
        """,
    )
    return WholesaleFigures(
        active_accounts=found.accounts,
        chips_issued=int(ever.get(("wholesale_chips", ""), 0)),
        comps_awarded=found.comps,
        comps_amount=found.amount,
    )


def _revenue(tx: Tx, today: date) -> Revenue:
    day, week, month = (
        _usdt(sum(_sums(tx, ["revenue"], start_of(interval, today), today).values(), Decimal(0)))
        for interval in Interval
    )
    return Revenue(today=day, this_week=week, this_month=month)


def _sparklines(tx: Tx, today: date, now: datetime) -> Figure:
    rows = tx.all(
        _SnapshotDay,
        """
        SELECT treasury, day, closing, lowest, highest, closing_at FROM treasury_snapshot_days
        WHERE day > :before AND day <= :today AND treasury <> 'shop' ORDER BY day
        """,
        before=today - timedelta(days=SPARKLINE_DAYS),
        today=today,
    )
    if not rows:
        return Figure(Name.SPARKLINES, None, now, names.NOT_COUNTED)
    newest = {row.treasury: row.closing_at for row in rows}
    lines = [
        Sparkline(
            treasury=name,
            days=[
                SparklineDay(day=row.day, closing=row.closing, lowest=row.lowest, highest=row.highest)
                for row in rows
                if row.treasury == name
            ],
        )
        for name in TREASURIES
    ]
    return Figure(Name.SPARKLINES, lines, min(newest.values()))
