"""Opens databases and plays schedules, in as many processes as wanted; reports the results."""

import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from emulators.bootstrap import LOCAL
from emulators.postgres import Postgres
from shared import config
from tests.fault.simulation import database
from tests.fault.simulation.database import Database
from tests.fault.simulation.families import FAMILIES, Family
from tests.fault.simulation.schedule import Result, play

SETTINGS = {
    "FUNCTION_URL": "{service}",
    "CONFIRM_POLL_SECONDS": "20",
    "RPC_URLS": "none",
    "GOOGLE_CLOUD_PROJECT": "simulated",
    "LOG_LEVEL": "CRITICAL",
}
FIGURES = LOCAL / "bench" / "faults.json"
TRACES = LOCAL / "faults"
NEWS_SECONDS = 30.0
VIOLATIONS_SHOWN_MAX = 20
CHUNK = 4


@contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ |= SETTINGS | dict(settings)
    config.read.cache_clear()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        config.read.cache_clear()


@contextmanager
def stage(name: str) -> Iterator[Database]:
    """A server, a template, and a copy of it for this process."""
    with server() as (postgres, settings), joined(postgres, settings, name) as opened:
        yield opened


@contextmanager
def server() -> Iterator[tuple[Postgres, dict[str, str]]]:
    postgres = Postgres(durable=False, vacuums=False)
    postgres.start()
    try:
        yield postgres, database.make_template(postgres, datetime.now(UTC))
    finally:
        postgres.stop()


@contextmanager
def joined(postgres: Postgres, settings: Mapping[str, str], name: str) -> Iterator[Database]:
    """A database of its own on a running server."""
    with environment({**settings, "DATABASE_NAME": name}), database.opened(postgres, name) as opened:
        yield opened


@dataclass
class Line:
    """The results of a family's schedules."""

    schedules: int = 0
    payouts: int = 0
    kills: int = 0
    violations: int = 0
    states: Counter[str] = field(default_factory=Counter)


@dataclass
class Figures:
    """The results of one run."""

    seconds: float = 0.0
    processes: int = 1
    lines: defaultdict[str, Line] = field(default_factory=lambda: defaultdict(Line))
    broken: list[Result] = field(default_factory=list)

    def count(self, result: Result) -> None:
        line = self.lines[result.family]
        line.schedules += 1
        line.payouts += result.payouts
        line.kills += result.kills
        line.states.update(result.states)
        if result.violation:
            line.violations += 1
            self.broken.append(result)

    @property
    def total(self) -> Line:
        total = Line()
        for line in self.lines.values():
            total.schedules += line.schedules
            total.payouts += line.payouts
            total.kills += line.kills
            total.violations += line.violations
            total.states.update(line.states)
        return total


def many(schedules: int, seed: int, families: Mapping[str, Family], processes: int) -> Figures:
    """Play so many schedules, the families in turn; the first of each has `seed`, the next one `seed + 1`."""
    names = list(families)
    wanted = [(names[place % len(names)], seed + place // len(names)) for place in range(schedules)]
    figures = Figures(processes=processes)
    began = told = time.monotonic()
    for result in _played(wanted, processes):
        figures.count(result)
        if result.violation:
            sys.stderr.write(f"VIOLATION {result.family} seed {result.seed}: {result.violation}\n")
        if time.monotonic() - told > NEWS_SECONDS:
            told = time.monotonic()
            done = figures.total
            sys.stderr.write(f"… {done.schedules} of {schedules}, {done.violations} violations\n")
    figures.seconds = time.monotonic() - began
    return figures


def _played(wanted: list[tuple[str, int]], processes: int) -> Iterator[Result]:
    if processes == 1:
        with stage("simulation") as opened:
            for name, seed in wanted:
                yield play(name, seed, FAMILIES[name].make, opened)
        return
    with server() as (postgres, settings):
        context = get_context("spawn")
        with context.Pool(processes, _open, (postgres.access, settings)) as pool:
            yield from pool.imap_unordered(_play, wanted, CHUNK)


_opened = ExitStack()
_databases: list[Database] = []


def _open(access: object, settings: Mapping[str, str]) -> None:
    """Open the database, once in each process."""
    postgres = Postgres(_access=access)  # type: ignore[arg-type]
    _databases.append(_opened.enter_context(joined(postgres, settings, f"simulation_{os.getpid()}")))


def _play(wanted: tuple[str, int]) -> Result:
    name, seed = wanted
    return play(name, seed, FAMILIES[name].make, _databases[0])


def report(figures: Figures) -> Iterator[str]:
    """The table of results, and where to find the traces."""
    yield f"{'family':18} {'faults':18} {'schedules':>9} {'payouts':>8} {'kills':>7} {'violations':>10}  ended as"
    for name in (name for name in FAMILIES if name in figures.lines):
        line = figures.lines[name]
        ended = ", ".join(f"{state} {count}" for state, count in line.states.most_common())
        yield (
            f"{name:18} {FAMILIES[name].faults:18} {line.schedules:9} {line.payouts:8} {line.kills:7} "
            f"{line.violations:10}  {ended}"
        )
    total = figures.total
    pace = total.schedules / figures.seconds * 60
    yield f"{'all':18} {'':18} {total.schedules:9} {total.payouts:8} {total.kills:7} {total.violations:10}"
    yield f"{pace:.0f} schedules per minute on {figures.processes} processes, {figures.seconds:.0f} s"
    for result in figures.broken[:VIOLATIONS_SHOWN_MAX]:
        yield f"VIOLATION {result.family} seed {result.seed}: {result.violation}"
        yield f"  make faults FAMILY={result.family} SEED={result.seed} SCHEDULES=1    ({keep(result)})"


def keep(result: Result) -> Path:
    """Store the trace of a schedule as a file."""
    TRACES.mkdir(parents=True, exist_ok=True)
    path = TRACES / f"{result.family}-{result.seed}.txt"
    path.write_text("\n".join(result.lines) + "\n")
    return path.relative_to(LOCAL.parent)


def write(figures: Figures, seed: int) -> None:
    total = figures.total
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    found = {
        "seed": seed,
        "schedules": total.schedules,
        "payouts": total.payouts,
        "kills": total.kills,
        "violations": total.violations,
        "seconds": round(figures.seconds, 1),
        "processes": figures.processes,
        "schedules_per_minute": round(total.schedules / figures.seconds * 60),
        "families": {
            name: {"faults": FAMILIES[name].faults, "schedules": line.schedules, "payouts": line.payouts,
                   "kills": line.kills, "violations": line.violations, "ended": dict(line.states)}
            for name, line in figures.lines.items()
        },
        "broken": [{"family": it.family, "seed": it.seed, "violation": it.violation} for it in figures.broken],
    }  # fmt: skip
    FIGURES.write_text(json.dumps(found, indent=1) + "\n")


def tell(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
