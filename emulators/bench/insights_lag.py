"""How far the counts of scans are behind the scans themselves while 1,000 a second are written.

The stack's own schedules call the jobs, as they do in the cloud: `scan_rollup` for the live figures, `figure_rollup`
for those of the pages. Scans are written straight into the table, evenly over each second, because two cores cannot
take so many through the function and measure as well.
"""

import time
from collections.abc import Sequence
from threading import Event, Thread
from typing import Any

from emulators.bench.world import World

PER_SECOND = 1_000
PIECES = 10  # of each second
SECONDS = 150  # in which every job that runs each minute has begun at least twice
SETTLE_SECONDS = 65  # every such job has begun, and has followed what was there before
WRITE = """
    INSERT INTO scans (id, number, member_id, code_mac, product_sku, scanned_at, method, tier, quarter, quarter_scans)
    SELECT gen_random_uuid(), n, members[1 + n % cardinality(members)], decode(md5('bench' || n), 'hex'), 'MINTICE-6',
           clock_timestamp(), 'qr', 'whale', '2026-Q3', 1
    FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) AS n,
         (SELECT array_agg(id) AS members FROM members) AS m
    """
BEHIND = """
    SELECT (SELECT value FROM scan_counter) - (SELECT last_number FROM scan_rollup_position),
           (SELECT value FROM scan_counter) - (SELECT last_number FROM figure_progress WHERE work = 'scans')
    """
JOBS = ("scan_rollup", "figure_rollup")


def measure(made: World, last_number: int) -> dict[str, Any]:
    """Write scans from the number after `last_number` on, and look each second how many are not counted.

    Returns per_second, what was written; and for each job p50_s, p95_s and max_s, the seconds' worth of scans that it
    is behind.
    """
    time.sleep(SETTLE_SECONDS)
    over = Event()
    behind: list[Sequence[int]] = []
    watch = Thread(target=_watch, args=(made, over, behind))
    watch.start()
    began = time.perf_counter()
    try:
        with made.sql() as connection:
            connection.execute_simple("SET session_replication_role = replica")  # references are right by construction
            for piece in range(SECONDS * PIECES):
                time.sleep(max(0.0, began + piece / PIECES - time.perf_counter()))
                first, last_number = last_number + 1, last_number + PER_SECOND // PIECES
                connection.execute_simple("BEGIN")
                connection.execute_unnamed(WRITE, (first, last_number))
                connection.execute_unnamed("UPDATE scan_counter SET value = $1", (last_number,))
                connection.execute_simple("COMMIT")
        seconds = time.perf_counter() - began
    finally:
        over.set()
        watch.join()
    return {
        "per_second": round(SECONDS * PER_SECOND / seconds),
        **dict(zip(JOBS, map(_lag, zip(*behind, strict=True)), strict=True)),
    }


def _watch(made: World, over: Event, behind: list[Sequence[int]]) -> None:
    with made.sql() as connection:
        while not over.wait(1.0):
            ((rollup, figures),) = connection.execute_simple(BEHIND).rows
            behind.append((int(rollup), int(figures)))


def _lag(scans: Sequence[int]) -> dict[str, float]:
    seconds = sorted(each / PER_SECOND for each in scans)
    return {
        "p50_s": seconds[len(seconds) // 2],
        "p95_s": seconds[len(seconds) * 95 // 100],
        "max_s": seconds[-1],
    }
