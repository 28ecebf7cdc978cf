"""The command line: `make mutants SAMPLE=100 SEED=1`."""

import argparse
import json
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from emulators.bootstrap import LOCAL
from emulators.contract import ROOT
from tests.mutation.coverage import Coverage
from tests.mutation.hunt import TIME, Copy, Fate, failures, hunt
from tests.mutation.judged import equivalent
from tests.mutation.place import Place, product
from tests.mutation.python import places

HOME = LOCAL / "mutants"
COVERAGE = LOCAL / "mutation" / "coverage.json"
FIGURES = LOCAL / "bench" / "mutants.json"
CHECK_SECONDS_MAX = 1800.0


@dataclass(frozen=True)
class Mutant:
    """A break, in the form that people read."""

    place: Place
    before: str
    after: str


def sample(root: Path, size: int, seed: int, only: str = "", kind: str = "") -> list[Mutant]:
    """A random sample, half in SQL and half in Python, without breaks that people have judged to change nothing."""
    draw = random.Random(seed)  # noqa: S311 - the same seed gives the same sample
    known = {str(path.relative_to(root)): path.read_text() for path in product(root)}
    every = [place for path, text in known.items() if only in path for place in places(path, text)]
    every = [place for place in every if kind in place.kind and not equivalent(place, known[place.path])]
    in_sql = [place for place in every if place.kind.startswith("sql ")]
    in_python = [place for place in every if not place.kind.startswith("sql ")]
    half = size // 2
    drawn = draw.sample(in_sql, min(half, len(in_sql))) + draw.sample(in_python, min(size - half, len(in_python)))
    return [Mutant(place, *place.shown(known[place.path])) for place in drawn]


def remembered(root: Path, rows: Sequence[Mapping[str, Any]]) -> dict[Mutant, Fate]:
    """The breaks of earlier figures with their fates, without those whose lines have changed since and those that
    people have judged to change nothing.
    """
    found: dict[Mutant, Fate] = {}
    for path in sorted({row["path"] for row in rows if (root / row["path"]).exists()}):
        text = (root / path).read_text()
        there = {(it.function, it.kind, *it.shown(text)): it for it in places(path, text) if not equivalent(it, text)}
        for row in rows:
            place = there.get((row["function"], row["kind"], row["before"], row["after"]))
            if row["path"] == path and place:
                fate = Fate(row["by"], row["tests"], row["seconds"])
                found[Mutant(place, row["before"], row["after"])] = fate
    return found


def fates(mutants: Sequence[Mutant], coverage: Coverage, processes: int, seconds_max: float) -> dict[Mutant, Fate]:
    """Hunt the mutants, `processes` at a time, each in its own copy. Tests that fail without a break do not count."""
    found: dict[Mutant, Fate] = {}
    wrong: set[str] = set()
    waiting = list(mutants)
    copies: SimpleQueue[Copy] = SimpleQueue()
    for number in range(processes):
        copies.put(Copy.of(ROOT, HOME / str(number)))
    whole = Copy.of(ROOT, HOME / "whole")
    while waiting:
        one = partial(_one, copies=copies, coverage=coverage, seconds_max=seconds_max, without=frozenset(wrong))
        with ThreadPoolExecutor(processes) as threads:
            found |= dict(threads.map(one, waiting))
        by = {fate.by for mutant in waiting if (fate := found[mutant]).by.startswith("tests/")}
        unsound = {name.partition("[")[0] for name in failures(whole, sorted(by), CHECK_SECONDS_MAX)} if by else set()
        waiting = [mutant for mutant in waiting if found[mutant].by.partition("[")[0] in unsound]
        wrong |= unsound
    shutil.rmtree(HOME)
    return found


def _one(
    mutant: Mutant, copies: "SimpleQueue[Copy]", coverage: Coverage, seconds_max: float, without: frozenset[str]
) -> tuple[Mutant, Fate]:
    copy = copies.get()
    try:
        fate = hunt(copy, mutant.place, coverage, seconds_max, without)
    finally:
        copies.put(copy)
    sys.stderr.write(f"… {fate.by or 'SURVIVED'} ({fate.tests} tests, {fate.seconds:.0f} s): {named(mutant)}\n")
    return mutant, fate


def named(mutant: Mutant) -> str:
    place = mutant.place
    return f"{place.path} {place.function}: {place.kind}\n    {mutant.before}\n    {mutant.after}"


def table(found: dict[Mutant, Fate]) -> Iterator[str]:
    every = Counter(mutant.place.kind for mutant in found)
    caught = Counter(mutant.place.kind for mutant, fate in found.items() if fate.by)
    yield f"{'broken':28} {'caught':>8}"
    for kind in sorted(every, key=lambda kind: (not kind.startswith("sql "), kind)):
        yield f"{kind:28} {caught[kind]:>4} of {every[kind]}"
    for group in ("sql ", ""):
        kinds = [kind for kind in every if kind.startswith("sql ") == bool(group)]
        name = "SQL" if group else "Python"
        yield f"{name:28} {sum(caught[it] for it in kinds):>4} of {sum(every[it] for it in kinds)}"
    yield f"{'all':28} {caught.total():>4} of {every.total()}"
    late = sum(fate.by == TIME for fate in found.values())
    yield f"of these {late} because the tests did not end"
    for mutant, fate in found.items():
        if not fate.by:
            yield f"SURVIVED {fate.tests} tests: {named(mutant)}"


def figures(found: dict[Mutant, Fate], seed: int) -> dict[str, object]:
    rows = [
        {"path": it.place.path, "function": it.place.function, "kind": it.place.kind, "before": it.before,
         "after": it.after, **asdict(fate)}
        for it, fate in found.items()
    ]  # fmt: skip
    return {"seed": seed, "sample": len(rows), "caught": sum(bool(row["by"]) for row in rows), "mutants": rows}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make mutants SAMPLE=100")
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="hunt the survivors of the last figures once more")
    parser.add_argument("--only", default="", help="of files whose path has this in it")
    parser.add_argument("--kind", default="", help="whose kind has this in it: lock, order, comparison")
    parser.add_argument("--processes", type=int, default=2, help="sessions of pytest at a time")
    parser.add_argument("--seconds", type=float, default=120.0, help="of tests for each mutant, as recorded")
    parser.add_argument("--anew", action="store_true", help="record again which tests run what")
    parser.add_argument("--share", type=float, default=0.95, help="how many must be caught")
    asked = parser.parse_args()
    if asked.anew:
        COVERAGE.unlink(missing_ok=True)
    coverage = Coverage.load(COVERAGE)
    coverage.renew(ROOT, asked.processes)
    last = json.loads(FIGURES.read_text()) if asked.again else {"seed": asked.seed, "mutants": []}
    found = remembered(ROOT, last["mutants"])
    survivors = [mutant for mutant, fate in found.items() if not fate.by]
    mutants = survivors if asked.again else sample(ROOT, asked.sample, asked.seed, asked.only, asked.kind)
    found |= fates(mutants, coverage, asked.processes, asked.seconds)
    sys.stdout.writelines(f"{line}\n" for line in table(found))
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(figures(found, last["seed"]), indent=1) + "\n")
    return 0 if sum(bool(fate.by) for fate in found.values()) >= asked.share * len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
