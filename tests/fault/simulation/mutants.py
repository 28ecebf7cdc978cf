"""Deliberate breaks of the rules, and the schedules that notice: `make mutants`.

Each is one or a few edits of a copy of the tree under `.local/`; the text to be replaced is there exactly once, which
`tests/fault/test_mutants_apply.py` checks. What the schema alone holds is broken in the schema and noticed by the
tests of the schema.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from emulators.bootstrap import LOCAL
from emulators.contract import ROOT
from emulators.postgres import Access, Postgres
from tests.fault.simulation import run
from tests.fault.simulation.database import Database
from tests.fault.simulation.families import named
from tests.fault.simulation.mutations import MUTANTS, Edit, Mutant
from tests.fault.simulation.schedule import play

SERVER = "SIMULATED_SERVER"  # of all mutants that leave the schema as it is; in the environment of a hunt
COPIED = ("shared", "functions", "emulators", "tests", "pyproject.toml", "openapi.yaml", "terraform")
HOME = LOCAL / "mutants"
SCHEDULES_MAX = 120
SECONDS_MAX = 600.0


class DoesNotApply(Exception):
    """The text that a mutant replaces is not there, or several times."""


def edited(edit: Edit, root: Path = ROOT) -> str:
    """The file's text with the edit. Raises DoesNotApply."""
    text = (root / edit.path).read_text()
    if text.count(edit.old) != 1:
        raise DoesNotApply(f"{edit.path} has {text.count(edit.old)} times: {edit.old}")
    return text.replace(edit.old, edit.new)


@dataclass(frozen=True)
class Fate:
    """Who noticed a mutant; empty when it survived."""

    mutant: Mutant
    by: str
    schedules: int
    rule: str
    seconds: float


def tried(mutant: Mutant, server: str) -> Fate:
    """In a copy of its own."""
    copy = HOME / mutant.name.replace(" ", "-")
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", ".terraform"))
        else:
            shutil.copy(source, copy / name)
    (copy / ".local").symlink_to(LOCAL)
    for edit in mutant.edits:
        (copy / edit.path).write_text(edited(edit, copy))
    began = time.monotonic()
    by, schedules, rule = _by_tests(mutant, copy) if mutant.tests else _by_schedules(mutant, copy, server)
    shutil.rmtree(copy)
    return Fate(mutant, by, schedules, rule, time.monotonic() - began)


def _by_schedules(mutant: Mutant, copy: Path, server: str) -> tuple[str, int, str]:
    command = ["-m", "tests.fault.simulation.mutants", "--hunt", mutant.families]
    of_the_schema = any(edit.path.endswith(".sql") for edit in mutant.edits)
    told = _python(copy, command, {} if of_the_schema else {SERVER: server})
    if told.returncode:
        return "", 0, (told.stdout + told.stderr)[-300:]
    found = json.loads(told.stdout.splitlines()[-1])
    return str(found["by"]), int(found["schedules"]), str(found["rule"])


def _by_tests(mutant: Mutant, copy: Path) -> tuple[str, int, str]:
    told = _python(copy, ["-m", "pytest", "-q", "-x", "-n", "0", "--no-header", *mutant.tests.split()])
    failed = [line for line in told.stdout.splitlines() if line.startswith("FAILED")]
    if not failed:
        return "", 0, told.stdout[-300:] if told.returncode else ""
    return failed[0].removeprefix("FAILED tests/").partition(" - ")[0], 0, failed[0].partition(" - ")[2]


def _python(
    copy: Path, arguments: Sequence[str], settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"} | dict(settings or {})
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


def hunt(names: str) -> dict[str, object]:
    """In the copy: schedules of the families by turns until one breaks a rule."""
    families = named(names)
    with _database() as opened:
        for place in range(SCHEDULES_MAX):
            name, seed = list(families)[place % len(families)], 1 + place // len(families)
            result = play(name, seed, families[name].make, opened)
            if result.violation:
                return {"by": f"{name} {seed}", "schedules": place + 1, "rule": result.violation}
    return {"by": "", "schedules": SCHEDULES_MAX, "rule": ""}


@contextmanager
def _database() -> Iterator[Database]:
    """On the server that was started for all, else on one of this mutant's own."""
    if SERVER not in os.environ:
        with run.stage("mutant") as opened:
            yield opened
        return
    known = json.loads(os.environ[SERVER])
    postgres = Postgres(_access=Access(**known["access"]))
    with run.joined(postgres, known["settings"], f"mutant_{os.getpid()}") as opened:
        yield opened


def _told(fate: Fate) -> Fate:
    sys.stderr.write(f"… {fate.mutant.name}: {fate.by or 'SURVIVED'} {fate.rule[:80]} ({fate.seconds:.0f} s)\n")
    return fate


def table(fates: Sequence[Fate]) -> Iterator[str]:
    yield f"{'mutant':44} {'caught by':34} {'schedules':>9}  rule"
    for fate in fates:
        yield f"{fate.mutant.name:44} {fate.by or 'SURVIVED':34} {fate.schedules or '':>9}  {fate.rule[:110]}"
    caught = sum(bool(fate.by) for fate in fates)
    yield f"{caught} of {len(fates)} caught"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make mutants")
    parser.add_argument("--hunt", help="families; in a mutant's copy only")
    parser.add_argument("--only", default="", help="mutants whose name has this in it")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    if asked.hunt is not None:
        run.tell([json.dumps(hunt(asked.hunt))])
        return 0
    wanted = [mutant for mutant in MUTANTS if asked.only in mutant.name]
    with run.server() as (postgres, settings), ThreadPoolExecutor(asked.processes) as pool:
        server = json.dumps({"access": asdict(postgres.access), "settings": settings})
        fates = list(pool.map(lambda mutant: _told(tried(mutant, server)), wanted))
    run.tell(table(fates))
    (LOCAL / "bench").mkdir(exist_ok=True)
    found = [{"mutant": it.mutant.name, "by": it.by, "schedules": it.schedules, "rule": it.rule} for it in fates]
    (LOCAL / "bench" / "mutants.json").write_text(json.dumps(found, indent=1) + "\n")
    return 0 if all(fate.by for fate in fates) else 1


if __name__ == "__main__":
    sys.exit(main())
