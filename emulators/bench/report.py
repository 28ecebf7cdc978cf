"""Formats the measurements as tables for people and as JSON for programs."""

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

from emulators.bench.coldstart import Start, Starts
from emulators.bench.throughput import FLOOR, GATEWAY, HELLO, OWN_DOOR, TARGETS, Run

COLD_START_AIM = 1.5  # times hello world's, for HTTP functions
MIB = 1024 * 1024
PERCENTILES = (50, 95, 99)
SCANNING = (OWN_DOOR, GATEWAY)


def machine(postgres: str) -> dict[str, Any]:
    """The place and time of the measurement."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_average": load_average(),
        "python": platform.python_version(),
        "postgres": f"{postgres}, fsync on",
    }


def load_average() -> float:
    """The machine's load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def scans(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One entry per target and number of clients; each ratio is the median over the rounds."""
    keys = [(clients, target) for clients in sorted({run.clients for run in runs}) for target in TARGETS]
    return [_target(clients, target, runs) for clients, target in keys]


def cold_starts(found: Iterable[Starts]) -> list[dict[str, Any]]:
    """One entry per function; each ratio is the median over its pairs."""
    return [_function(starts) for starts in found]


def scan_table(entries: Sequence[dict[str, Any]]) -> str:
    """The table of rates, latencies in ms, and CPU in ms per scan; `floor` is how many times faster pgbench is."""
    head = ("clients", "target", "per s", "min..max", "floor", "p50 ms", "p95", "p99", "function CPU", "x hello",
            "Postgres CPU", "load maker CPU")  # fmt: skip
    rows = [
        (
            str(entry["clients"]),
            entry["target"],
            f"{entry['per_second']:.0f}",
            f"{entry['per_second_min']:.0f}..{entry['per_second_max']:.0f}",
            f"{entry['floor_ratio']:.1f} x" if entry["target"] in SCANNING else "",
            *(f"{entry[f'p{percentile}_ms']:.1f}" for percentile in PERCENTILES),
            f"{entry['function_cpu_ms']:.2f}" if entry["target"] != FLOOR else "",
            f"{entry['hello_ratio']:.1f}" if entry["target"] in SCANNING else "",
            f"{entry['database_cpu_ms']:.2f}" if entry["target"] != HELLO else "",
            f"{entry['load_cpu_ms']:.2f}",
        )
        for entry in entries
    ]
    return _table(head, rows)


def cold_start_table(entries: Sequence[dict[str, Any]]) -> str:
    """The table of wall clock, CPU and memory, each beside hello world's."""
    head = ("function", "first request", "ms", "hello", "ratio", "min..max", "CPU ms", "hello", "ratio", "MiB", "hello",
            "later", "hello")  # fmt: skip
    rows = []
    for entry in entries:
        if entry["failure"]:
            rows.append((entry["function"], f"not measured: {entry['failure']}"))
            continue
        hello = entry["hello"]
        rows.append(
            (
                entry["function"],
                entry["call"],
                f"{entry['ms']:.0f}",
                f"{hello['ms']:.0f}",
                f"{entry['ratio']:.2f}",
                f"{entry['ratio_min']:.2f}..{entry['ratio_max']:.2f}",
                f"{entry['cpu_ms']:.0f}",
                f"{hello['cpu_ms']:.0f}",
                f"{entry['cpu_ratio']:.2f}",
                *(f"{value:.0f}" for value in (entry["mib"], hello["mib"], entry["mib_later"], hello["mib_later"])),
            )
        )
    return _table(head, rows)


def codes_table(entries: Sequence[dict[str, Any]]) -> str:
    """The table of seconds, rate, ratio to the floor, and memory, for each size and step."""
    head = ("codes", "what", "seconds", "codes/s", "floor s", "ratio", "peak MiB")
    rows = [
        (
            f"{entry['codes']:,}",
            what,
            f"{entry[what]['seconds']:.1f}",
            f"{entry[what]['per_second']:,.0f}",
            f"{entry[what]['floor_seconds']:.1f}",
            f"{entry[what]['ratio']:.2f}",
            f"{entry[what]['peak_mib']:.0f}",
        )
        for entry in entries
        for what in ("generate", "import")
    ]
    return _table(head, rows)


def _target(clients: int, target: str, runs: Sequence[Run]) -> dict[str, Any]:
    mine, floors, hellos = (
        [run for run in runs if run.clients == clients and run.target == name] for name in (target, FLOOR, HELLO)
    )
    rates = [_per_second(run) for run in mine]
    ratios = [_per_second(floor) / rate for floor, rate in zip(floors, rates, strict=True)]
    answers = sorted(milliseconds for run in mine for milliseconds in run.milliseconds)
    return {
        "target": target,
        "clients": clients,
        "answers": len(answers),
        "per_second": median(rates),
        "per_second_min": min(rates),
        "per_second_max": max(rates),
        **{f"p{percentile}_ms": answers[len(answers) * percentile // 100] for percentile in PERCENTILES},
        "function_cpu_ms": median(_each(run, run.function_cpu) for run in mine),
        "database_cpu_ms": median(_each(run, run.database_cpu) for run in mine),
        "load_cpu_ms": median(_each(run, run.load_cpu) for run in mine),
        "floor_ratio": median(ratios),
        "floor_ratio_min": min(ratios),
        "floor_ratio_max": max(ratios),
        "hello_ratio": median(
            _each(run, run.function_cpu) / _each(hello, hello.function_cpu)
            for run, hello in zip(mine, hellos, strict=True)
        ),
    }


def _each(run: Run, seconds: float) -> float:
    """The milliseconds per answer of a run."""
    return 1000 * seconds / len(run.milliseconds)


def _per_second(run: Run) -> float:
    return len(run.milliseconds) / run.seconds


def _function(starts: Starts) -> dict[str, Any]:
    candidate = starts.candidate
    named = {
        "function": candidate.target.name,
        "kind": candidate.kind,
        "call": candidate.said,
        "failure": starts.failure,
    }
    if starts.failure:
        return named
    pairs = list(zip(starts.own, starts.hello, strict=True))
    ratios = [own.seconds / hello.seconds for own, hello in pairs]
    return {
        **named,
        **_figures(starts.own),
        "hello": _figures(starts.hello),
        "ratio": median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "cpu_ratio": median(own.cpu_seconds / hello.cpu_seconds for own, hello in pairs),
    }


def _figures(starts: Sequence[Start]) -> dict[str, float]:
    return {
        "starts": len(starts),
        "ms": 1000 * median(start.seconds for start in starts),
        "cpu_ms": 1000 * median(start.cpu_seconds for start in starts),
        "mib": median(start.memory for start in starts) / MIB,
        "mib_later": median(start.memory_later for start in starts if start.memory_later is not None) / MIB,
    }


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with text to the left and figures to the right; a row that is too short keeps its last cell whole."""
    full = [row for row in rows if len(row) == len(head)]
    widths = [max(len(row[column]) for row in [head, *full]) for column in range(len(head))]
    text = {column for column in range(len(head)) if any(row[column][:1].isalpha() for row in full)}
    return "\n".join(
        "  ".join(
            cell.ljust(widths[column]) if column in text else cell.rjust(widths[column])
            for column, cell in enumerate(row)
        ).rstrip()
        for row in [head, *rows]
    )
