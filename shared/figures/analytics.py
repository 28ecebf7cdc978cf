"""Metrics over a range of UTC days, in buckets of days, weeks or months, read from `metric_days`.

The sum of the buckets is the total; a ratio is made of sums, in each bucket and in the total. Counts of different
people are of whole periods: a bucket that the range cuts has none, and only a single bucket has a total. A value is
null for days that nobody has counted yet.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from shared.db import Tx
from shared.figures.metrics import DEFINITIONS, Definition, Made, Metric, Unit, Work, name_of_distinct
from shared.values.fields import Reply
from shared.values.money import MICRO_PER_USDT, Usdt
from shared.values.periods import ONE_DAY, Bucket, Interval, buckets

COUNTED_AFTER = timedelta(
    minutes=10
)  # what is committed so long after it happened is counted before a bucket is complete
MICRO = Decimal(1) / MICRO_PER_USDT

Values = Mapping[date, Decimal]  # by the first day of the period


class AnalyticsBucket(Reply):
    """The days of a bucket, both included. It is complete once every metric was counted ten minutes after its end."""

    first_day: date
    last_day: date
    is_complete: bool


class AnalyticsSeries(Reply):
    """The values of a metric in the order of the buckets, for one of its keys, or all of them together (`key` null)."""

    metric: Metric
    key: str | None
    unit: Unit
    values: list[Decimal | None]
    total: Decimal | None


class AnalyticsPeriod(Reply):
    """A range of days (UTC), both ends included, in buckets, and the metrics in it."""

    first_day: date
    last_day: date
    days: int
    buckets: list[AnalyticsBucket]
    series: list[AnalyticsSeries]


@dataclass(frozen=True)
class _Sum:
    metric: str
    key: str
    start: date
    value: Decimal


@dataclass(frozen=True)
class _Moment:
    work: Work
    as_of: datetime | None


def period(tx: Tx, metrics: Sequence[Metric], interval: Interval, first_day: date, last_day: date) -> AnalyticsPeriod:
    """Return the metrics over a range of days, each with a series for all its keys and one for each key."""
    found = buckets(interval, first_day, last_day)
    moments = _moments(tx)
    sums = _sums(tx, _names(metrics, interval), interval, first_day, last_day)
    if Metric.TREASURY_BALANCE in metrics:
        sums |= _closings(tx, interval, first_day, last_day)
    asked = min((moments[DEFINITIONS[metric].follows] for metric in metrics), default=datetime.max.replace(tzinfo=UTC))
    return AnalyticsPeriod(
        first_day=first_day,
        last_day=last_day,
        days=(last_day - first_day).days + 1,
        buckets=[
            AnalyticsBucket(
                first_day=each.first_day,
                last_day=each.last_day,
                is_complete=asked >= _end(each.last_day) + COUNTED_AFTER,
            )
            for each in found
        ],
        series=[made for metric in metrics for made in _series(metric, interval, found, sums, moments)],
    )


def as_of(tx: Tx, metrics: Iterable[Metric]) -> datetime:
    """The moment of which all of these metrics are true."""
    moments = _moments(tx)
    return min(moments[DEFINITIONS[metric].follows] for metric in metrics)


def change_percent(value: Decimal | None, before: Decimal | None) -> Decimal | None:
    """By how many percent a total has grown, with one decimal; None if it is not known or was not above zero."""
    if value is None or before is None or before <= 0:
        return None
    return ((value - before) * 100 / before).quantize(Decimal("0.1"), ROUND_HALF_EVEN)


def _names(metrics: Iterable[Metric], interval: Interval) -> list[str]:
    """The names in `metric_days` that the metrics are made of."""
    names: set[str] = set()
    for definition in (DEFINITIONS[metric] for metric in metrics):
        is_distinct = definition.made is Made.DISTINCT
        names |= {name_of_distinct(name, interval) if is_distinct else name for name in definition.sources}
    return sorted(names)


def _sums(
    tx: Tx, names: Sequence[str], interval: Interval, first_day: date, last_day: date
) -> dict[tuple[str, str], Values]:
    """The sums of the days of each bucket, by name and key. A count of a whole week or month stands at its first day,
    which the range may leave out: so does then the count.
    """
    rows = tx.all(
        _Sum,
        """
        SELECT metric, key,
               CASE CAST(:interval AS text)
                    WHEN 'week' THEN day - CAST(extract(dow FROM day) AS integer)
                    WHEN 'month' THEN CAST(date_trunc('month', CAST(day AS timestamp)) AS date)
                    ELSE day END AS start,
               sum(value) AS value
        FROM metric_days
        WHERE metric = ANY(CAST(:names AS text[])) AND day >= :first_day AND day <= :last_day
        GROUP BY 1, 2, 3
        """,
        interval=interval,
        names=names,
        first_day=first_day,
        last_day=last_day,
    )
    return _by_key(rows)


def _closings(tx: Tx, interval: Interval, first_day: date, last_day: date) -> dict[tuple[str, str], Values]:
    """The USDT that each treasury held at the end of each bucket, as far as the buckets' last snapshots tell."""
    rows = tx.all(
        _Sum,
        """
        SELECT DISTINCT ON (treasury, start) 'treasury_balance' AS metric, treasury AS key, start,
               closing / 1000000.0 AS value
        FROM (SELECT treasury, day, closing,
                     CASE CAST(:interval AS text)
                          WHEN 'week' THEN day - CAST(extract(dow FROM day) AS integer)
                          WHEN 'month' THEN CAST(date_trunc('month', CAST(day AS timestamp)) AS date)
                          ELSE day END AS start
              FROM treasury_snapshot_days WHERE day >= :first_day AND day <= :last_day) snapshots
        ORDER BY treasury, start, day DESC
        """,
        interval=interval,
        first_day=first_day,
        last_day=last_day,
    )
    return _by_key(rows)


def _by_key(rows: Iterable[_Sum]) -> dict[tuple[str, str], Values]:
    found: defaultdict[tuple[str, str], dict[date, Decimal]] = defaultdict(dict)
    for row in rows:
        found[row.metric, row.key][row.start] = row.value
    return dict(found)


def _moments(tx: Tx) -> Mapping[Work, datetime]:
    """When each work was last done up to; the beginning of time for one that was never done."""
    rows = tx.all(
        _Moment,
        """
        SELECT work, as_of FROM figure_progress
        UNION ALL
        SELECT 'snapshots', max(closing_at) FROM treasury_snapshot_days
        """,
    )
    return {row.work: row.as_of or datetime.min.replace(tzinfo=UTC) for row in rows}


def _end(day: date) -> datetime:
    """The first instant after a UTC day."""
    return datetime.combine(day + ONE_DAY, time.min, UTC)


def _series(
    metric: Metric,
    interval: Interval,
    found: Sequence[Bucket],
    sums: Mapping[tuple[str, str], Values],
    moments: Mapping[Work, datetime],
) -> list[AnalyticsSeries]:
    """The series of a metric: of all its keys together, then of each key in the order of their names."""
    definition = DEFINITIONS[metric]
    counted = {bucket for bucket in found if _start(bucket) < moments[definition.follows]}
    if definition.made is Made.CLOSING:
        keys = sorted(key for name, key in sums if name == metric)
        return [_closing(metric, key, found, sums[metric, key]) for key in keys]
    if definition.made is Made.DISTINCT:
        return [_distinct(metric, found, counted, sums.get((name_of_distinct(metric, interval), ""), {}))]
    keys = sorted({key for name, key in sums if name in definition.sources}) if definition.split_by else []
    return [_summed(metric, key, found, counted, sums) for key in (None, *keys)]


def _start(bucket: Bucket) -> datetime:
    return datetime.combine(bucket.first_day, time.min, UTC)


def _summed(
    metric: Metric,
    key: str | None,
    found: Sequence[Bucket],
    counted: AbstractSet[Bucket],
    sums: Mapping[tuple[str, str], Values],
) -> AnalyticsSeries:
    """A sum or a ratio of sums, in each bucket that is counted and in all of them together."""
    definition = DEFINITIONS[metric]
    parts = [_of_keys(source, key, sums) for source in definition.sources]
    values = {
        bucket: _made(definition, [part.get(bucket.starts_on, Decimal(0)) for part in parts]) for bucket in counted
    }
    total = _made(definition, [sum(part.values(), Decimal(0)) for part in parts]) if counted else None
    return AnalyticsSeries(
        metric=metric,
        key=key,
        unit=definition.unit,
        values=[values.get(bucket) for bucket in found],
        total=total,
    )


def _of_keys(source: str, key: str | None, sums: Mapping[tuple[str, str], Values]) -> Values:
    """The values of a source for one key, or added up over all keys."""
    if key is not None:
        return sums.get((source, key), {})
    added: defaultdict[date, Decimal] = defaultdict(Decimal)
    for (name, _), values in sums.items():
        for start, value in values.items() if name == source else ():
            added[start] += value
    return added


def _made(definition: Definition, parts: Sequence[Decimal]) -> Decimal | None:
    """The value of a sum, or of a ratio of two; None for a ratio to nothing."""
    if definition.made is Made.RATIO:
        whole, by = parts
        return None if by == 0 else _shown(definition.unit, (whole / by).quantize(MICRO, ROUND_HALF_EVEN))
    return _shown(definition.unit, parts[0])


def _shown(unit: Unit, value: Decimal) -> Decimal:
    return Usdt.of(value).decimal if unit == "usdt" else Decimal(int(value))


def _distinct(metric: Metric, found: Sequence[Bucket], counted: AbstractSet[Bucket], values: Values) -> AnalyticsSeries:
    """A count of different people, in each whole bucket that is counted; the total if there is only one bucket."""
    shown = [
        _shown("count", values.get(bucket.starts_on, Decimal(0))) if bucket.is_whole and bucket in counted else None
        for bucket in found
    ]
    total = shown[0] if len(shown) == 1 else None
    return AnalyticsSeries(metric=metric, key=None, unit="count", values=shown, total=total)


def _closing(metric: Metric, key: str, found: Sequence[Bucket], values: Values) -> AnalyticsSeries:
    """The last value in each bucket, and in all of them."""
    known = {start: _shown("usdt", value) for start, value in values.items()}
    shown = [known.get(bucket.starts_on) for bucket in found]
    last = next((value for value in reversed(shown) if value is not None), None)
    return AnalyticsSeries(metric=metric, key=key, unit="usdt", values=shown, total=last)
