"""Figures that are worked out each half minute from rows that others keep, and those that nobody can know yet."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from functions.figure_rollup import rules
from functions.figure_rollup.store import Figure
from shared import settings
from shared.db import Tx
from shared.figures import names
from shared.figures.names import Name
from shared.figures.values import (
    AmountCount,
    BankBalance,
    OnChainBalance,
    PoolWeek,
    ReconciliationStatus,
    Sunset,
    WeeklyPool,
)
from shared.values.money import Usdt
from shared.values.polygon import address_page
from shared.values.tolerance import BADGE_TOLERANCE

ACTIVE_DAYS = 30
BEING_KEPT = timedelta(minutes=2)  # longer than from the bank's answer to the commit that keeps it
UNKNOWN = {
    Name.TRIP_RESERVE: names.NO_RESERVE,
}


@dataclass(frozen=True)
class _Count:
    value: int
    as_of: datetime


@dataclass(frozen=True)
class _Comparison:
    requested_at: datetime
    badge: Literal["balanced", "discrepancy", "pending"]
    difference: Usdt | None


@dataclass(frozen=True)
class _Closing:
    state: Literal["open", "sunset"]
    checked_at: datetime | None
    tins_per_month: int
    as_of: datetime


@dataclass(frozen=True)
class _Week:
    week_on: date
    pool: Usdt
    affiliates: int
    digest: str


@dataclass(frozen=True)
class _Accruing:
    pool: Usdt
    as_of: datetime


@dataclass(frozen=True)
class _Held:
    treasury: str
    address: str
    balance: Usdt
    block_number: int
    at: datetime


def figures(tx: Tx, now: datetime) -> list[Figure]:
    """Return the figures of this module, known or not, each as of its own moment."""
    return [
        _tins_this_month(tx, now), _tins_per_month(tx), _active(tx, now), _paid_today(tx, now), _on_chain(tx, now),
        _bank(tx, now), _reconciliation(tx, now), _sunset(tx), _week(tx),
        *(Figure(name, None, now, reason) for name, reason in UNKNOWN.items()),
    ]  # fmt: skip


def _tins_this_month(tx: Tx, now: datetime) -> Figure:
    """True as of the oldest order whose tins are still to be counted."""
    today = now.astimezone(UTC).date()
    found = tx.one(
        _Count,
        """
        SELECT CAST(coalesce((SELECT sum(tins) FROM tins_sold_daily WHERE day >= :month AND day <= :today), 0)
                    AS bigint) AS value,
               least(CAST(:now AS timestamptz), (SELECT volume_due_at FROM orders WHERE volume_due_at IS NOT NULL
                            ORDER BY volume_due_at LIMIT 1)) AS as_of
        """,
        month=today.replace(day=1),
        today=today,
        now=now,
    )
    return Figure(Name.TINS_THIS_MONTH, found.value, found.as_of)


def _tins_per_month(tx: Tx) -> Figure:
    found = tx.one(_Count, "SELECT tins_per_month AS value, as_of FROM sales_volume")
    return Figure(Name.TINS_PER_MONTH, found.value, found.as_of)


def _active(tx: Tx, now: datetime) -> Figure:
    """Members who have scanned or paid an order today or on the 29 days before."""
    found = tx.one(
        _Count,
        """
        SELECT CAST(coalesce((SELECT sum(members) FROM active_days WHERE last_day > :before), 0) AS bigint) AS value,
               as_of
        FROM figure_progress WHERE work = 'scans'
        """,
        before=now.astimezone(UTC).date() - timedelta(days=ACTIVE_DAYS),
    )
    return Figure(Name.ACTIVE_MEMBERS, found.value, found.as_of)


def _paid_today(tx: Tx, now: datetime) -> Figure:
    found = tx.one(
        AmountCount,
        """
        SELECT count(*) AS count, CAST(coalesce(sum(amount), 0) AS bigint) AS amount FROM payouts
        WHERE treasury IN ('member', 'affiliate', 'wholesale') AND state = 'PAID' AND paid_at > :since
          AND source_kind IN ('comp', 'affiliate_payout', 'wholesale_comp')
        """,
        since=now - timedelta(days=1),
    )
    return Figure(Name.PAYOUTS_LAST_24H, found, now)


def _on_chain(tx: Tx, now: datetime) -> Figure:
    """The newest hourly balances. They are as old as the oldest of them, and each is as of the start of its hour: that
    there is none is said of the same moment, so that the first balance is newer than that.
    """
    rows = tx.all(
        _Held,
        """
        SELECT t.name AS treasury, s.address, newest.onchain_balance AS balance, newest.block_number, newest.at
        FROM treasuries t JOIN signers s ON s.treasury = t.name AND s.status = 'active'
        CROSS JOIN LATERAL (
            SELECT onchain_balance, block_number, at FROM treasury_snapshots
            WHERE treasury = t.name AND at > :since AND at <= :now ORDER BY at DESC LIMIT 1) newest
        WHERE t.name <> 'shop'
        ORDER BY array_position(ARRAY['member', 'affiliate', 'wholesale'], t.name)
        """,
        since=now - timedelta(days=90),
        now=now,
    )
    if not rows:
        hour = now.replace(minute=0, second=0, microsecond=0)
        return Figure(Name.ON_CHAIN_BALANCES, None, hour, names.NOT_COUNTED)
    shown = [
        OnChainBalance(
            treasury=row.treasury,
            address=row.address,
            explorer_url=address_page(row.address),
            balance=row.balance,
            block_number=row.block_number,
        )
        for row in rows
    ]
    return Figure(Name.ON_CHAIN_BALANCES, shown, min(row.at for row in rows))


def _bank(tx: Tx, now: datetime) -> Figure:
    """The newest balance of each account at a bank. They are as old as the oldest of them."""
    rows = tx.all(
        BankBalance,
        """
        SELECT c.name, e.institution, c.last_four, newest.ledger, newest.available, c.currency, e.state,
               newest.at AS synced_at
        FROM teller_connections c JOIN teller_enrollments e ON e.id = c.enrollment_id
        CROSS JOIN LATERAL (SELECT ledger, available, at FROM bank_balances
                            WHERE connection_id = c.id AND at <= :now ORDER BY at DESC LIMIT 1) newest
        WHERE c.closed_at IS NULL
        ORDER BY array_position(ARRAY['operating', 'reserve', 'comp_pool'], c.name)
        """,
        now=now,
    )
    if not rows:
        # A figure never becomes older: the first balance, which is being kept at this moment, must still be newer.
        return Figure(Name.BANK_BALANCES, None, now - BEING_KEPT, names.NO_BANK)
    return Figure(Name.BANK_BALANCES, rows, min(row.synced_at for row in rows))


def _reconciliation(tx: Tx, now: datetime) -> Figure:
    found = tx.first(
        _Comparison,
        """
        SELECT r.requested_at, r.badge, CAST(CASE WHEN count(*) = count(t.difference) THEN sum(t.difference) END
                                             AS bigint) AS difference
        FROM (SELECT id, requested_at, badge FROM reconciliations ORDER BY requested_at DESC, id DESC LIMIT 1) r
        LEFT JOIN reconciliation_treasuries t ON t.reconciliation_id = r.id
        GROUP BY r.requested_at, r.badge
        """,
    )
    if found is None:
        return Figure(Name.RECONCILIATION_STATUS, None, now, names.NOT_COUNTED)
    status = ReconciliationStatus(
        last_run_at=found.requested_at, badge=found.badge, difference=found.difference, tolerance=BADGE_TOLERANCE
    )
    return Figure(Name.RECONCILIATION_STATUS, status, found.requested_at)


def _sunset(tx: Tx) -> Figure:
    found = tx.one(
        _Closing, "SELECT state, checked_at, tins_per_month, as_of FROM affiliate_program CROSS JOIN sales_volume"
    )
    closing = settings.load(tx).affiliates.sunset_volume
    reached = rules.percent(min(found.tins_per_month, closing), closing) or Decimal(0)
    value = Sunset(state=found.state, percent=reached, checked_at=found.checked_at)
    return Figure(Name.SUNSET, value, found.as_of)


def _week(tx: Tx) -> Figure:
    last = tx.first(
        _Week,
        """
        SELECT week_on, pool, affiliates, encode(digest, 'hex') AS digest FROM affiliate_weeks
        WHERE approved_at IS NOT NULL AND outcome = 'shared' ORDER BY week_on DESC LIMIT 1
        """,
    )
    present = tx.one(_Accruing, "SELECT pool, as_of FROM referral_progress")
    week = (
        PoolWeek(week_on=last.week_on, amount=last.pool, affiliates=last.affiliates, digest=last.digest)
        if last
        else None
    )
    return Figure(Name.WEEKLY_POOL, WeeklyPool(last=week, accruing=present.pool), present.as_of)
