"""Figures that change by the second: today's scans and their pace, the pools in the books, payouts on their way."""

from dataclasses import dataclass
from datetime import UTC, datetime

from functions.figure_rollup import rules
from functions.figure_rollup.store import Figure
from shared.db import Tx
from shared.figures.names import Name
from shared.figures.values import PayoutPipeline, PoolBooks, ScanPace
from shared.scans import velocity
from shared.values.money import ZERO, Usdt
from shared.values.periods import Interval, start_of

POOLS = ("member", "affiliate", "wholesale")
OF_POOL = ("pool", "week", "match", "award", "owed", "settled")  # the kinds of accounts that accruals end up in


@dataclass(frozen=True)
class _Scans:
    today: int
    week: int
    month: int
    as_of: datetime


@dataclass(frozen=True)
class _Balance:
    account: str
    balance: Usdt


@dataclass(frozen=True)
class _Open:
    queued: int
    held: int
    oldest_at: datetime | None


def figures(tx: Tx, now: datetime) -> list[Figure]:
    """Return the figures of this module, each as of its own moment."""
    return [*_scans(tx, now), _pace(tx), _pools(tx, now), _pipeline(tx, now)]


def _scans(tx: Tx, now: datetime) -> list[Figure]:
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found = tx.one(
        _Scans,
        """
        SELECT coalesce((SELECT scans FROM scan_rollups WHERE period = 'day' AND starts_at = :today), 0) AS today,
               CAST(coalesce((SELECT sum(scans) FROM scan_rollups
                              WHERE period = 'day' AND starts_at >= :week AND starts_at <= :today), 0)
                    AS bigint) AS week,
               CAST(coalesce((SELECT sum(scans) FROM scan_rollups
                              WHERE period = 'day' AND starts_at >= :month AND starts_at <= :today), 0)
                    AS bigint) AS month,
               as_of
        FROM scan_rollup_position
        """,
        today=today,
        week=datetime.combine(start_of(Interval.WEEK, today.date()), today.timetz()),
        month=today.replace(day=1),
    )
    return [
        Figure(Name.SCANS_TODAY, found.today, found.as_of),
        Figure(Name.SCANS_THIS_WEEK, found.week, found.as_of),
        Figure(Name.SCANS_THIS_MONTH, found.month, found.as_of),
    ]


def _pace(tx: Tx) -> Figure:
    found = vars(velocity.find(tx)).copy()
    as_of = found.pop("as_of")
    return Figure(Name.SCAN_VELOCITY, ScanPace(**found), as_of)


def _pools(tx: Tx, now: datetime) -> Figure:
    accounts = [f"{kind}:{pool}" for pool in POOLS for kind in OF_POOL]
    rows = tx.all(
        _Balance,
        """
        SELECT account, CAST(sum(balance) AS bigint) AS balance FROM ledger_balances
        WHERE account = ANY(CAST(:accounts AS text[])) GROUP BY account
        """,
        accounts=accounts,
    )
    balances = {row.account: row.balance for row in rows}
    return Figure(Name.POOLS, [_pool(name, balances) for name in POOLS], now)


def _pool(name: str, balances: dict[str, Usdt]) -> PoolBooks:
    """A pool gives to what is owed, and that to what is paid; matches and awards by hand come from accounts of their
    own, which go below zero by as much. So all of them together are what sales have given.
    """
    accrued = sum((balances.get(f"{kind}:{name}", ZERO) for kind in OF_POOL), ZERO)
    free = balances.get(f"pool:{name}", ZERO)
    return PoolBooks(
        treasury=name,
        accrued=accrued,
        owed=balances.get(f"owed:{name}", ZERO),
        paid=balances.get(f"settled:{name}", ZERO),
        free=free,
        utilization_percent=rules.percent((accrued - free).micro, accrued.micro),
    )


def _pipeline(tx: Tx, now: datetime) -> Figure:
    found = tx.one(
        _Open,
        """
        SELECT count(*) FILTER (WHERE NOT payout_is_stopped(state)) AS queued,
               count(*) FILTER (WHERE payout_is_stopped(state)) AS held, min(requested_at) AS oldest_at
        FROM payouts WHERE payout_is_unfinished(state)
        """,
    )
    oldest = max(0, int((now - found.oldest_at).total_seconds())) if found.oldest_at else None
    return Figure(
        Name.PAYOUT_PIPELINE, PayoutPipeline(queued=found.queued, held=found.held, oldest_seconds=oldest), now
    )
