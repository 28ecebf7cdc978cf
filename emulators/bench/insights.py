"""`make bench-insights`: the pages of figures with 10 thousand scans in the tables, beside hello world.

functions/insights is asked at its own port for each page, and functions/pages for the web site's first page and its
figures, in turns with a hello-world function in the same run: by 4 and by 32 clients as fast as the answers come, which
shows the most that the cores can answer; and by 32 clients that together ask 100 times a second, which shows how long a
page takes. Before that `figure_rollup` follows all scans and works out all figures; how long that takes is told, too.
Server, Postgres (fsync on) and load maker share the cores. `--full` goes on with 10 million scans, `--quick` takes one
short round.

Written to .local/bench/insights.json: machine; sizes, each with rows, follow_per_second (scans that figure_rollup
adds), work_ms per kind of figures, and targets with per_second, p50_ms, p95_ms, p99_ms; growth (each page's p95 with
the most rows over that with the fewest); lag (emulators/bench/insights_lag.py; not with `--quick`); aims.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any

from emulators import contract
from emulators.bench import calls, door, insights_lag, load, report, world
from emulators.bench.calls import Call
from emulators.bench.door import Door
from emulators.bench.load import Load, Plan
from emulators.bench.scans import FILL_SCANS, PIECE
from emulators.bench.throughput import WrongAnswers
from emulators.bench.world import FOLDER, World

RESULT = FOLDER / "insights.json"
SIZES = (10_000, 10_000_000)
CLIENTS = (4, 32)  # fewer than the threads of an instance, and twice as many
PACE = 100.0  # requests a second, of all clients together
MEMBERS = 200
WAYS = (*((str(clients), clients, None) for clients in CLIENTS), ("paced", CLIENTS[-1], PACE))
WARM_SECONDS = 1.0
PERCENTILES = (50, 95, 99)
HELLO = "hello world"
PAGES: Mapping[str, str] = {
    "overview": "/v1/insights/overview",
    "treasury": "/v1/insights/treasury",
    "systems": "/v1/insights/systems",
    "comps": "/v1/insights/comps",
    "partners": "/v1/insights/partners",
    "feed": "/v1/insights/feed",
    "public": "/v1/insights/public",
    "awards": "/v1/insights/awards",
}
SITE = ("/live.json", "/en")
FOLLOWED = "SELECT last_number FROM figure_progress WHERE work = 'scans'"
AIMS = {"page_p95_ms": 20, "growth_max": 1.2}


@dataclass(frozen=True)
class Effort:
    """How long to measure: `rounds` turns of `seconds` for each page."""

    seconds: float
    rounds: int


def main() -> None:
    """Run the benchmark. Everything that was started is stopped at the end."""
    parser = argparse.ArgumentParser(prog="python -m emulators.bench.insights")
    parser.add_argument("--full", action="store_true", help="10 million scans, too")
    parser.add_argument("--quick", action="store_true", help="one short round")
    chosen = parser.parse_args()
    effort = Effort(2, 1) if chosen.quick else Effort(3, 3)
    with world.started() as stack, ExitStack() as stop:
        machine = report.machine(stack.postgres.version)
        made = World(stack, MEMBERS)
        served = [*(door.target(contract.functions()[name]) for name in ("insights", "pages")), door.HELLO]
        doors = [stop.enter_context(door.opened(stack, target)) for target in served]
        for opened in doors:
            opened.wait()
        found, filled = [], 0
        for size in SIZES if chosen.full else SIZES[:1]:
            _fill(made, filled, size)
            filled = size
            worked = _work(made, size)
            made.sign_in_again()  # filling may have taken longer than a token lives
            found.append({"rows": size, **worked, "targets": _measure(_targets(made, *doors), effort)})
            print(_table(found[-1]), flush=True)
        lag = None if chosen.quick else insights_lag.measure(made, filled)
        print(f"behind {lag}", flush=True)
        machine["load_average_end"] = report.load_average()
    result = {"machine": machine, "sizes": found, "growth": _growth(found), "lag": lag, "aims": AIMS}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\nAll figures: {RESULT.relative_to(contract.ROOT)}")


def _targets(made: World, insights: Door, pages: Door, hello: Door) -> dict[str, tuple[int, list[str]]]:
    """The port and the requests of each page; members take turns."""
    headers = calls.gateway_headers(made.stack, "insights")

    def asked(path: str) -> list[str]:
        return [
            Call("GET", path, {"X-Forwarded-Authorization": f"Bearer {member.token}", **headers}).text
            for member in made.members
        ]

    tabs = {name: (insights.port, asked(path)) for name, path in PAGES.items()}
    by_anybody = calls.edge_headers(made.stack)
    site = {path: (pages.port, [Call("GET", path, by_anybody).text]) for path in SITE}
    return tabs | site | {HELLO: (hello.port, asked("/"))}


def _fill(made: World, filled: int, size: int) -> None:
    """Write the missing scans; then statistics and a checkpoint, so that the run does not pay for them."""
    now = datetime.now(UTC)
    with made.sql() as connection:
        connection.execute_simple("SET session_replication_role = replica")  # references are right by construction
        for start in range(filled + 1, size + 1, PIECE):
            connection.execute_unnamed(FILL_SCANS, (start, min(start + PIECE - 1, size), now))
            print(f"{min(start + PIECE - 1, size):,} scans are in the tables", flush=True)
        connection.execute_unnamed("UPDATE scan_rollup_position SET last_number = $1, as_of = now()", (size,))
        connection.execute_unnamed("UPDATE scan_counter SET value = $1", (size,))
        connection.execute_simple("VACUUM ANALYZE scans")
        connection.execute_simple("CHECKPOINT")


def _work(made: World, size: int) -> dict[str, Any]:
    """Let the job follow the scans and work out all figures, and take the time."""
    from functions.figure_rollup import counts_store, main, quick_store, steady_store, totals_store

    with made.sql() as connection:
        ((begun_from,),) = connection.execute_simple(
            "SELECT last_number FROM figure_progress WHERE work = 'scans'"
        ).rows
        began = time.perf_counter()
        done = begun_from
        while done < size:
            main.follow_scans()
            ((done,),) = connection.execute_simple(FOLLOWED).rows
        seconds = time.perf_counter() - began
    steps: dict[str, Callable[[], None]] = {
        "quick": lambda: main.work(quick_store.figures),
        "steady": lambda: main.work(steady_store.figures),
        "days": lambda: main.count_recent(datetime.now(UTC)),
        "totals": lambda: main.work(totals_store.figures),
        "counts": lambda: main.work(counts_store.figures),
    }
    return {
        "follow_per_second": round((size - begun_from) / seconds) if size > begun_from else None,
        "work_ms": {name: _milliseconds(step) for name, step in steps.items()},
    }


def _milliseconds(step: Callable[[], None]) -> float:
    step()  # the first one prepares the statements
    began = time.perf_counter()
    step()
    return round((time.perf_counter() - began) * 1_000, 1)


def _measure(targets: Mapping[str, tuple[int, Sequence[str]]], effort: Effort) -> dict[str, dict[str, float]]:
    runs: defaultdict[str, list[Load]] = defaultdict(list)
    for port, requests in targets.values():
        load.run(Plan(port, CLIENTS[-1], WARM_SECONDS, requests, again=True))
    for _ in range(effort.rounds):
        for (kind, clients, pace), (name, (port, requests)) in product(WAYS, targets.items()):
            done = load.run(Plan(port, clients, effort.seconds, requests, again=True, per_second=pace))
            if set(done.statuses) != {"200"}:
                raise WrongAnswers(f"{name} was answered {done.statuses}")
            runs[f"{name}, {kind}"].append(done)
    return {name: _figures(done) for name, done in runs.items()}


def _figures(runs: Sequence[Load]) -> dict[str, float]:
    answers = sorted(milliseconds for run in runs for milliseconds in run.milliseconds)
    rate = len(answers) / sum(run.seconds for run in runs)
    return {
        "per_second": round(rate, 1),
        **{f"p{share}_ms": answers[len(answers) * share // 100] for share in PERCENTILES},
    }


def _growth(found: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """How many times longer the 95th percentile of each page is with the most rows than with the fewest."""
    first, last = found[0]["targets"], found[-1]["targets"]
    return {name: round(last[name]["p95_ms"] / first[name]["p95_ms"], 2) for name in first}


def _table(found: Mapping[str, Any]) -> str:
    lines = [
        f"\n{found['rows']:,} scans; figure_rollup adds {found['follow_per_second']} a second",
        f"and works figures out in (ms) {found['work_ms']}",
        f"{'':16} {'per s':>8} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8}",
    ]
    for name, of in found["targets"].items():
        lines.append(f"{name:17} {of['per_second']:8.0f} {of['p50_ms']:8.1f} {of['p95_ms']:8.1f} {of['p99_ms']:8.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
