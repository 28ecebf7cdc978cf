"""`make bench-affiliates`: weeks of a thousand to a million affiliates, scans beside a week, and pages of referrals.

This is a benchmark, not a test. Server, Postgres (fsync on) and load maker share the cores.

- weeks: a process does what `affiliate_week` does on a Sunday, for affiliates with one to five chips and a wallet each:
  it opens the week, counts, proposes, promises and asks for the payouts. The setting lets the week be approved by
  itself, and no limit holds it. The time begins when the process is told to begin, and ends when the week is seen as
  requested; states are looked at ten times a second. The floor is the server copying the same rows from table to table:
  shares, proposals, lines, payouts and tasks, with the same indexes and without triggers. Then the week is counted
  again from the facts, with `Usdt.allocate`, and must be the same.
- scans: clients scan at the own door of `functions/scans`, in turns alone, beside such a week, and beside a session
  that writes as busily into a table that no scan touches: the last tells what sharing the cores costs from what
  waiting for the week costs.
- referrals: pages of one affiliate's referrals at the own door of `functions/affiliate`: the first one, one from the
  middle, and a filtered one.

`--quick` takes fewer of everything. Written to .local/bench/affiliates.json: machine; weeks, per size the seconds at
which each state was first seen, floor_seconds, ratio, memory_mib (the process's peak), recount_seconds; growth (how
many times longer ten times as many take, at most); scans and referrals with their percentiles; aims.
"""

import argparse
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from math import log10
from threading import Event, Thread
from typing import Any
from urllib.parse import quote

from emulators import cloud, contract
from emulators.bench import affiliate_rows, calls, door, load, parts, processes, report, world
from emulators.bench.affiliate_rows import CHIPS_MAX, CLEARED, POOL_MICRO
from emulators.bench.load import Load, Plan
from emulators.bench.parts import FOLDER, Parts
from emulators.bench.throughput import WrongAnswers
from emulators.bench.world import SCANS_PER_MEMBER_MAX, World
from shared.values.weeks import last_sunday

RESULT = FOLDER / "affiliates.json"
LOOK_SECONDS = 0.1
SECONDS_MAX = 3_600.0
STATES = ("opened", "counted", "ready", "approved", "requested")
WRITTEN = ("affiliate_week_shares", "affiliate_payouts", "affiliate_payout_lines", "payouts", "outbox")
CLIENTS = 2  # of the scans: fewer than the cores can answer, so that what is measured is not the queue
SCANS_PER_SECOND_MAX = 500
PAGE_CLIENTS = (1, 8)
PERCENTILES = (50, 95, 99)
AIMS = {"seconds_of_100_000": 60, "growth_max": 11, "page_p95_ms": 20}


class Wrong(Exception):
    """Raised when the week that was measured is not what it should be."""


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    sizes: Sequence[int]
    week_beside_scans: int
    rounds: int
    scan_seconds: int
    referrals: int
    page_seconds: int


FULL = Effort((1_000, 100_000, 1_000_000), 100_000, rounds=3, scan_seconds=10, referrals=500_000, page_seconds=6)
QUICK = Effort((1_000, 10_000), 10_000, rounds=1, scan_seconds=3, referrals=10_000, page_seconds=2)


def main() -> None:
    """Run the benchmark. Everything it started is stopped at the end."""
    parser = argparse.ArgumentParser(prog="python -m emulators.bench.affiliates")
    parser.add_argument("--quick", action="store_true", help="fewer of everything")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        _work()
        return
    effort, tell = QUICK if chosen.quick else FULL, _teller()
    with parts.opened(block_seconds=5.0) as opened:
        machine = report.machine(opened.postgres.version)
        opened.run(*affiliate_rows.settings())
        weeks = _weeks(opened, effort.sizes, tell)
    with world.started() as stack:
        tell("the stack is up")
        members = effort.rounds * 3 * effort.scan_seconds * SCANS_PER_SECOND_MAX // SCANS_PER_MEMBER_MAX + 12
        made = World(stack, members)
        scans = _scans(made, effort, tell)
        referrals = _referrals(made, effort, tell)
    machine["load_average_end"] = report.load_average()
    found = {"weeks": weeks, "growth": _growth(weeks), "scans": scans, "referrals": referrals}
    for name, figures in found.items():
        print(f"{name}: {json.dumps(figures)}")
    RESULT.write_text(
        json.dumps({"machine": machine, "options": asdict(effort), **found, "aims": AIMS}, indent=1) + "\n"
    )
    print(f"\nAll figures: {RESULT.relative_to(contract.ROOT)}")


def _work() -> None:
    """Import what the job needs, wait for a line, and do what the job does on Sundays."""
    from functions.affiliate_week.main import open_weeks
    from shared import clock, db

    db.atomically(lambda tx: tx.scalar(int, "SELECT 1 AS one"))
    print("ready", flush=True)
    sys.stdin.readline()
    open_weeks(clock.now())


def _weeks(opened: Parts, sizes: Sequence[int], tell: Callable[[str], None]) -> list[dict[str, Any]]:
    found, filled, week_on = [], 0, _last_sunday()
    for size in sizes:
        tell(f"writing affiliates up to {size:,}")
        opened.run(*affiliate_rows.affiliates(filled + 1, size, week_on))
        filled = size
        found.append(_week(opened, size, week_on, tell))
        print(json.dumps(found[-1]), flush=True)
    return found


def _week(opened: Parts, size: int, week_on: date, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure one week, and then its floor."""
    _clear(opened, size, week_on)
    tell(f"a week of {size:,} affiliates")
    with _job() as process:
        began = time.perf_counter()
        seen: dict[str, float] = {}
        while "requested" not in seen and "told" not in seen:
            if time.perf_counter() - began > SECONDS_MAX or process.poll() is not None:
                raise Wrong(f"the week has got no further than {list(seen)}")
            for (state,) in opened.rows("SELECT state FROM affiliate_weeks"):
                seen.setdefault(str(state), round(time.perf_counter() - began, 2))
            time.sleep(LOOK_SECONDS)
        seconds = time.perf_counter() - began
        memory = processes.peak_bytes(process.pid)
    _check(opened, size)
    tell("the floor")
    floor = _floor(opened)
    tell("counting the week again")
    again = _recount(opened, week_on)
    return {
        "affiliates": size,
        "seconds": round(seconds, 2),
        "first_seen": {state: seen[state] for state in STATES if state in seen},
        "floor_seconds": round(floor, 2),
        "ratio": round(seconds / floor, 1),
        "memory_mib": round(memory / report.MIB, 1),
        "recount_seconds": round(again, 2),
    }


def _recount(opened: Parts, week_on: date) -> float:
    """The seconds in which `make week-recount` counts the week again, and finds the same."""
    from functions.affiliate_week import recount_store
    from shared import db

    opened.rows("VACUUM ANALYZE")  # as autovacuum will have done
    began = time.perf_counter()
    differences = db.atomically(recount_store.differences, week_on)
    seconds = time.perf_counter() - began
    if differences:
        raise Wrong(f"counted again the week is another one: {differences[:3]}")
    return seconds


def _clear(opened: Parts, size: int, week_on: date) -> None:
    """Forget earlier weeks, fill the pool, and write the week's newest scan."""
    opened.run(
        f"TRUNCATE {CLEARED} CASCADE",
        "DELETE FROM scans",
        "DELETE FROM mark_secrets",
        affiliate_rows.last_scan(size, week_on),
    )
    before = datetime(week_on.year, week_on.month, week_on.day, tzinfo=UTC) - timedelta(days=1)
    _fill_pool(before)
    opened.rows("VACUUM ANALYZE")
    opened.rows("CHECKPOINT")


def _fill_pool(at: datetime) -> None:
    from shared import db
    from shared.ledger import journals
    from shared.values.money import Usdt

    db.atomically(journals.move, f"bench:{at.date()}", "profit:shop", "pool:affiliate", Usdt(POOL_MICRO), at)


@contextmanager
def _job() -> Iterator[subprocess.Popen[str]]:
    """A process of the job that begins now."""
    command = [sys.executable, "-m", "emulators.bench.affiliates", "--work"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            if process.stdout.readline() != "ready\n":
                raise Wrong("the job's process did not start")
            process.stdin.write("begin\n")
            process.stdin.flush()
            Thread(target=process.stdout.read, daemon=True).start()  # its log is not kept
            yield process
        finally:
            process.kill()


def _check(opened: Parts, size: int) -> None:
    """The shares are the pool, and each affiliate is asked to be paid once."""
    query = """
        SELECT (SELECT CAST(sum(share) AS bigint) FROM affiliate_week_shares), count(*), count(DISTINCT member_id)
        FROM payouts WHERE source_kind = 'affiliate_payout'
        """
    ((shared, payouts, members),) = opened.rows(query)
    if (shared, payouts, members) != (POOL_MICRO, size, size):
        raise Wrong(f"{shared} micro-USDT were shared, {payouts} payouts asked for of {members} members")


def _floor(opened: Parts) -> float:
    """The seconds in which the server copies the rows of the week into tables like theirs."""
    opened.run(*(f"CREATE TABLE floor_{table} (LIKE {table} INCLUDING ALL)" for table in WRITTEN))
    began = time.perf_counter()
    opened.run(*(f"INSERT INTO floor_{table} OVERRIDING SYSTEM VALUE SELECT * FROM {table}" for table in WRITTEN))  # noqa: S608
    seconds = time.perf_counter() - began
    opened.run(*(f"DROP TABLE floor_{table}" for table in WRITTEN))
    return seconds


def _growth(weeks: Sequence[dict[str, Any]]) -> float:
    """How many times longer ten times as many affiliates take, at most, between neighbours of the sizes."""
    grown: list[float] = [
        (more["seconds"] / less["seconds"]) ** (1 / log10(more["affiliates"] / less["affiliates"]))
        for less, more in itertools.pairwise(weeks)
    ]
    return round(max(grown), 2)


def _scans(made: World, effort: Effort, tell: Callable[[str], None]) -> dict[str, Any]:
    """Scans alone, beside a week, and beside a busy session, in turns."""
    from shared import config, db

    db.close()
    config.read.cache_clear()  # this process goes on with the stack's database
    opened = Parts(made.stack.postgres, made.stack.chain)
    week_on = _last_sunday()
    tell(f"writing {effort.week_beside_scans:,} affiliates")
    opened.run(*affiliate_rows.settings(), *affiliate_rows.affiliates(1, effort.week_beside_scans, week_on))
    made.count_from(effort.week_beside_scans * CHIPS_MAX + 1)
    latencies: dict[str, list[float]] = {"alone": [], "beside_week": [], "beside_writer": []}
    with door.opened(made.stack, door.target(contract.functions()["scans"])) as scans:
        scans.wait()
        headers = calls.gateway_headers(made.stack, "scans")

        def scanned(seconds: int) -> Load:
            texts = [
                calls.scan(token, code, headers).text for token, code in made.scans(seconds * SCANS_PER_SECOND_MAX)
            ]
            done = load.run(Plan(scans.port, CLIENTS, seconds, texts))
            if set(done.statuses) != {"201"}:
                raise WrongAnswers(f"scans were answered {done.statuses}")
            return done

        scanned(1)
        for turn in range(effort.rounds):
            tell(f"scans, round {turn + 1} of {effort.rounds}")
            latencies["alone"] += scanned(effort.scan_seconds).milliseconds
            _clear_beside_scans(opened, effort.week_beside_scans, week_on)
            with _job() as week:
                latencies["beside_week"] += scanned(effort.scan_seconds).milliseconds
                is_running = week.poll() is None
            with _writer(opened):
                latencies["beside_writer"] += scanned(effort.scan_seconds).milliseconds
    return {
        "affiliates": effort.week_beside_scans,
        "clients": CLIENTS,
        "week_outlasted_the_scans": is_running,
        **{name: _percentiles(found) for name, found in latencies.items()},
    }


def _clear_beside_scans(opened: Parts, size: int, week_on: date) -> None:
    """As `_clear`, but keep the scans and what else is in the ledger."""
    opened.run(
        "TRUNCATE affiliate_weeks, affiliate_week_shares, affiliate_payouts, affiliate_payout_lines, payouts CASCADE",
        "DELETE FROM ledger_postings WHERE journal_id IN (SELECT id FROM ledger_journals WHERE ref LIKE 'week%' "
        "OR ref LIKE 'bench:%')",
        "DELETE FROM ledger_journals WHERE ref LIKE 'week%' OR ref LIKE 'bench:%'",
        "DELETE FROM ledger_balances WHERE account IN ('pool:affiliate', 'week:affiliate', 'owed:affiliate')",
        affiliate_rows.last_scan(size, week_on),
    )
    _fill_pool(datetime(week_on.year, week_on.month, week_on.day, tzinfo=UTC) - timedelta(days=1))


@contextmanager
def _writer(opened: Parts) -> Iterator[None]:
    """A session that copies rows into a table of its own, transaction by transaction, until the block ends."""
    stop = Event()

    def write() -> None:
        with cloud.superuser(opened.postgres, cloud.DATABASE) as connection:
            connection.execute_simple("CREATE TABLE busy (LIKE affiliate_chips INCLUDING ALL)")
            while not stop.is_set():
                connection.execute_simple(
                    "INSERT INTO busy SELECT gen_random_uuid(), affiliate_id, 'manual_grant', chips, NULL, earned_at "
                    "FROM affiliate_chips LIMIT 2000"
                )
            connection.execute_simple("DROP TABLE busy")

    thread = Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _referrals(made: World, effort: Effort, tell: Callable[[str], None]) -> dict[str, Any]:
    """Pages of the referrals of one affiliate."""
    opened, somebody = Parts(made.stack.postgres, made.stack.chain), made.members[1]
    tell(f"writing {effort.referrals:,} referrals")
    opened.run(*affiliate_rows.referrals(str(somebody.id), effort.referrals), "VACUUM ANALYZE referrals")
    opened.rows("VACUUM ANALYZE members")
    with door.opened(made.stack, door.target(contract.functions()["affiliate"])) as affiliate:
        affiliate.wait()
        headers = calls.gateway_headers(made.stack, "affiliate")
        pages = _pages(opened, effort.referrals)
        found: dict[str, Any] = {"referrals": effort.referrals}
        for name, path in pages.items():
            request = calls.Call("GET", path, {"X-Forwarded-Authorization": f"Bearer {somebody.token}", **headers}).text
            for clients in PAGE_CLIENTS:
                tell(f"pages: {name}, {clients} clients")
                load.run(Plan(affiliate.port, clients, 1, [request], again=True))
                done = load.run(Plan(affiliate.port, clients, effort.page_seconds, [request], again=True))
                if set(done.statuses) != {"200"}:
                    raise WrongAnswers(f"{path} was answered {done.statuses}")
                rate = round(len(done.milliseconds) / done.seconds, 1)
                found[f"{name}, {clients} clients"] = {"per_second": rate, **_percentiles(done.milliseconds)}
    return found


def _pages(opened: Parts, count: int) -> dict[str, str]:
    """The paths of the pages that are asked for."""
    from shared.web import paging
    from shared.web.paging import Position

    middle = f"SELECT joined_at, referred_id FROM referrals ORDER BY joined_at DESC OFFSET {count // 2} LIMIT 1"  # noqa: S608
    ((at, identity),) = opened.rows(middle)
    path = "/v1/affiliate/referrals?limit=50"
    position = Position(at, identity)
    _, cursor = paging.page([position, position], 1, lambda each: each)
    assert cursor
    return {"first": path, "middle": f"{path}&cursor={quote(cursor)}", "filtered": f"{path}&tier=whale&state=inactive"}


def _percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(milliseconds)
    return {
        "answers": len(ordered),
        **{f"p{percentile}_ms": ordered[len(ordered) * percentile // 100] for percentile in PERCENTILES},
    }


def _last_sunday() -> date:
    return last_sunday(datetime.now(UTC) - timedelta(minutes=10))


def _teller() -> Callable[[str], None]:
    started = time.monotonic()
    return lambda line: print(f"{time.monotonic() - started:6.1f} s  {line}", flush=True)


if __name__ == "__main__":
    main()
