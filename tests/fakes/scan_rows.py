"""Scans as rows, and the rollups that must come of them."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pg8000.dbapi import Connection

from shared.scans import histogram
from tests import factories

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SEED = 20261122
Made = tuple[datetime, int]  # when, and how many milliseconds it took


def insert_scans(sql: Connection, made: Sequence[Made]) -> None:
    """Insert scans with the next numbers, as one transaction of the function would."""
    sql.execute_unnamed(
        """
        INSERT INTO scans (id, number, member_id, code_mac, product_sku, scanned_at, method, tier, quarter,
                           quarter_scans, processing_ms)
        SELECT gen_random_uuid(), (SELECT coalesce(max(number), 500) FROM scans) + row_number() OVER (), $1, '', 'X',
               made.at, 'qr', 'standard', '2026-Q4', 1, made.ms
        FROM unnest(CAST($2 AS timestamptz[]), CAST($3 AS integer[])) AS made (at, ms)
        """,
        (factories.member().id, [at for at, _ in made], [ms for _, ms in made]),
    )


def random_scans(count: int, hours: int = 30) -> list[Made]:
    """Return scans from NOON on, in order but for a few seconds, as requests overtake each other."""
    chance = random.Random(SEED)  # noqa: S311 - repeatable on purpose
    moments = sorted(NOON + timedelta(seconds=chance.randrange(hours * 3_600)) for _ in range(count))
    return [(at + timedelta(seconds=chance.randrange(5)), int(chance.lognormvariate(3, 1))) for at in moments]


def rollups(sql: Connection) -> list[Any]:
    """Return the stored rollups."""
    return list(
        sql.execute_simple(
            "SELECT period, starts_at, scans, processing_ms, histogram, peak_scans, peak_at "
            "FROM scan_rollups ORDER BY 1, 2"
        ).rows
    )


def expected_rollups(sql: Connection, days_of_minutes: int = 8) -> list[Any]:
    """Return what `rollups` must return, counted from the scans; minutes are kept for so many days."""
    bounds = list(histogram.LOWER_BOUNDS)
    return list(
        sql.execute_unnamed(
            """
            WITH facts AS (
                SELECT period, date_trunc(period, scanned_at, 'UTC') AS starts_at, processing_ms AS ms,
                       date_trunc('minute', scanned_at, 'UTC') AS minute
                FROM scans, unnest(ARRAY['minute', 'hour', 'day']) AS period
            ), buckets AS (
                SELECT period, starts_at, width_bucket(ms, CAST($1 AS integer[])) - 1 AS bucket, count(*) AS scans
                FROM facts GROUP BY 1, 2, 3
            ), peaks AS (
                SELECT DISTINCT ON (period, starts_at) period, starts_at, minute, count(*) AS scans
                FROM facts GROUP BY 1, 2, 3 ORDER BY period, starts_at, count(*) DESC, minute
            )
            SELECT f.period, f.starts_at, count(*), sum(f.ms)::bigint,
                   (SELECT jsonb_object_agg(b.bucket, b.scans) FROM buckets b
                    WHERE b.period = f.period AND b.starts_at = f.starts_at),
                   p.scans, p.minute
            FROM facts f JOIN peaks p ON p.period = f.period AND p.starts_at = f.starts_at
            WHERE f.period <> 'minute'
               OR f.starts_at >= (SELECT date_trunc('minute', max(scanned_at), 'UTC') FROM scans)
                                 - CAST($2 AS text)::interval
            GROUP BY 1, 2, p.scans, p.minute ORDER BY 1, 2
            """,
            (bounds, f"{days_of_minutes} days"),
        ).rows
    )
