"""`make bench`: what scans and cold starts cost here and now, beside floors measured in the same run.

This is a benchmark, not a test: machines are shared, so it fails nothing; read its ratios. `--quick` takes a minute.

Scans: functions/scans is called at its own port (functions-framework with gunicorn, the threads of function.yaml,
requests as Cloud Run passes them on) and through the local gateway (which runs in one process with all functions).
Beside it run a hello-world function that gets the same requests, and pgbench on the same server (see floor.py). Members
are whales of the quarter already, so that no scan raises a tier. One scan in 500 wins, and the stack does meanwhile
what a win causes. CPU is in milliseconds per scan: of the process that answers (with the share of the framework and the
gateway), of Postgres, and of the load maker, which shares the cores with both.

Cold starts: the time from starting the process, with bytecode and page cache warm, to the whole answer to the cheapest
real request, each measured right after one of hello world. The database is running, but the function is not connected
to it; nothing is downloaded and no container is started. Here functions connect to Postgres directly; in the cloud they
import the Cloud SQL connector first, so add to each what cloud_sql_connector takes beyond hello world. Memory is that
of the process tree after the first answer, and after 200 of them.

Written to .local/bench/bench.json:
  machine     at, cores, load_average (of the last minute, at the start), load_average_end, python, postgres
  options     clients, seconds, rounds (of scans), http_rounds, job_rounds (of cold starts)
  scans       per target and clients: answers, per_second (median of rounds, _min, _max), p50_ms, p95_ms, p99_ms,
              function_cpu_ms, database_cpu_ms, load_cpu_ms, floor_ratio (pgbench's rate to this one's; _min, _max),
              hello_ratio (this one's function CPU to hello world's)
  cold_starts per function: kind (http, job, part), call, starts, ms, cpu_ms, mib, mib_later, hello (the same figures),
              ratio (_min, _max), cpu_ratio; or failure
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from emulators import contract
from emulators.bench import coldstart, report, throughput, world
from emulators.bench.coldstart import Starts
from emulators.bench.throughput import Effort
from emulators.bench.world import FOLDER, SCANS_PER_MEMBER_MAX, World

RESULT = FOLDER / "bench.json"
CLIENTS = (1, 8, 32)


@dataclass(frozen=True)
class Options:
    """How much to measure: the scans' effort, and the rounds of cold starts of HTTP functions and of jobs."""

    scans: Effort
    http_rounds: int
    job_rounds: int


FULL = Options(Effort(CLIENTS, seconds=3, rounds=3), http_rounds=7, job_rounds=5)
QUICK = Options(Effort(CLIENTS, seconds=1, rounds=1), http_rounds=2, job_rounds=1)
INTERRUPTED = 130  # the exit code that shells use


def main() -> None:
    """Run the benchmark; exits with 1 when something could not be measured. Everything it started is stopped."""
    parser = argparse.ArgumentParser(prog="python -m emulators.bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    options = QUICK if parser.parse_args().quick else FULL
    if not sys.platform.startswith("linux"):
        sys.exit("the benchmark reads CPU and memory from Linux's /proc")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        result = _measure(options, _teller())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\nAll figures: {RESULT.relative_to(contract.ROOT)}")
    sys.exit(1 if any(entry["failure"] for entry in result["cold_starts"]) else 0)


def _measure(options: Options, tell: Callable[[str], None]) -> dict[str, Any]:
    members = options.scans.scans_max // SCANS_PER_MEMBER_MAX + 2
    with world.started() as stack:
        machine = report.machine(stack.postgres.version)
        tell(f"the stack is up, {members} members sign in")
        made = World(stack, members)
        print(f"{machine['cores']} cores, load average {machine['load_average']}, Python {machine['python']}, "
              f"{machine['postgres']}", flush=True)  # fmt: skip
        scans = report.scans(throughput.measure(made, options.scans, tell))
        print(f"\nScans\n{report.scan_table(scans)}\n", flush=True)
        cold_starts = report.cold_starts(_cold_starts(made, options, tell))
        machine["load_average_end"] = report.load_average()
    print(f"\nCold starts (aim of HTTP functions: {report.COLD_START_AIM} x hello world)")
    print(report.cold_start_table(cold_starts))
    print(f"load average at the end {machine['load_average_end']}")
    rounds = {"http_rounds": options.http_rounds, "job_rounds": options.job_rounds}
    return {
        "machine": machine,
        "options": {**asdict(options.scans), **rounds},
        "scans": scans,
        "cold_starts": cold_starts,
    }


def _cold_starts(made: World, options: Options, tell: Callable[[str], None]) -> list[Starts]:
    candidates = [coldstart.candidate(made, function) for function in contract.functions().values()]
    http, jobs = ([candidate for candidate in candidates if candidate.kind == kind] for kind in ("http", "job"))
    tell("cold starts of HTTP functions")
    found = coldstart.measure(made, http, options.http_rounds)
    tell("cold starts of jobs")
    return found + coldstart.measure(made, [*jobs, coldstart.connector()], options.job_rounds)


def _teller() -> Callable[[str], None]:
    started = time.monotonic()
    return lambda line: print(f"{time.monotonic() - started:6.1f} s  {line}", flush=True)


def _interrupt(number: int, frame: object) -> None:
    """Handle the first signal and ignore later ones, so that the stopping itself is not interrupted."""
    del number, frame
    for known in (signal.SIGINT, signal.SIGTERM):
        signal.signal(known, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
