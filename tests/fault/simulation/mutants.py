"""Deliberate breaks of the rules, and the schedules that notice them: `make mutants`.

Each is one or a few edits of a copy of the tree under `.local/`; the text to be replaced must occur exactly once, which
`tests/fault/test_mutants_apply.py` checks. A rule that only the schema enforces is broken in the schema and noticed by
the tests of the schema.
"""

import argparse
import json
import os
import select
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from emulators.bootstrap import LOCAL
from emulators.contract import ROOT
from emulators.postgres import Access, Postgres
from tests.fault.simulation import run, schedule
from tests.fault.simulation.database import Database
from tests.fault.simulation.edits import Edit, Mutant
from tests.fault.simulation.families import named
from tests.fault.simulation.mutations import MUTANTS
from tests.fault.simulation.schedule import play

# The environment variable that names the server of all mutants that leave the schema as it is.
SERVER = "SIMULATED_SERVER"
COPIED = ("shared", "functions", "emulators", "terraform", "tests")
HOME = LOCAL / "mutants"
SCHEDULES_MAX = 120
SECONDS_MAX = 600.0
TESTS_PASSED, TESTS_FAILED = 0, 1  # exit codes of pytest


class DoesNotApply(Exception):
    """Raised when the text that a mutant replaces occurs not once."""


def edited(edit: Edit, root: Path = ROOT) -> str:
    """The file's text with the edit. Raises DoesNotApply."""
    text = (root / edit.path).read_text()
    if text.count(edit.old) != 1:
        raise DoesNotApply(f"{edit.path} has {text.count(edit.old)} times: {edit.old}")
    return text.replace(edit.old, edit.new)


@dataclass(frozen=True)
class Fate:
    """The fate of a mutant: `by` names what noticed it, and is empty when it survived."""

    by: str
    schedules: int
    rule: str


@dataclass
class Hunt:
    """A child process at work on a mutant; its finding comes through a pipe."""

    mutant: Mutant
    pid: int
    answer: int
    began: float


def copied(mutant: Mutant) -> Path:
    """Copy the tree, with the mutant's edits."""
    copy = HOME / mutant.name.replace(" ", "-")
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    for name in COPIED:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"), copy_function=os.link)
    for name in ("pyproject.toml", "openapi.yaml"):
        os.link(ROOT / name, copy / name)
    (copy / ".local").symlink_to(LOCAL)
    for edit in mutant.edits:
        text = edited(edit, copy)
        (copy / edit.path).unlink()  # it is a link to the tree's own file
        (copy / edit.path).write_text(text)
    return copy


def begin(mutant: Mutant, postgres: Postgres, settings: Mapping[str, str]) -> Hunt:
    """Fork a hunt: other packages are imported already, and our own modules are imported anew from the copy."""
    copy = copied(mutant)
    known = {"access": asdict(postgres.access), "settings": dict(settings)}
    answer, told = os.pipe()
    pid = os.fork()
    if pid:
        os.close(told)
        return Hunt(mutant, pid, answer, time.monotonic())
    try:
        os.chdir(copy)
        if not any(edit.path.endswith(".sql") for edit in mutant.edits):
            os.environ[SERVER] = json.dumps(known)
        found = _by_tests(mutant, copy) if mutant.tests else _anew(copy).hunt(mutant.families)
        os.write(told, json.dumps(asdict(found)).encode())
    except BaseException:  # noqa: BLE001 - the child ends here
        os.write(told, json.dumps({"by": "", "schedules": 0, "rule": traceback.format_exc()[-300:]}).encode())
    finally:
        os._exit(0)


def _anew(copy: Path) -> Any:
    """This module, imported from the copy."""
    ours = [name for name in sys.modules if name.partition(".")[0] in COPIED]
    for name in ours:
        del sys.modules[name]
    sys.path.insert(0, str(copy))
    return import_module("tests.fault.simulation.mutants")


def end(hunt: Hunt) -> Fate:
    """The finding of a child."""
    with os.fdopen(hunt.answer) as pipe:
        told = json.loads(pipe.read())
    os.waitpid(hunt.pid, 0)
    shutil.rmtree(HOME / hunt.mutant.name.replace(" ", "-"))
    fate = Fate(**told)
    seconds = time.monotonic() - hunt.began
    sys.stderr.write(f"… {hunt.mutant.name}: {fate.by or 'SURVIVED'} {fate.rule[:80]} ({seconds:.0f} s)\n")
    return fate


def _by_tests(mutant: Mutant, copy: Path) -> Fate:
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "--no-header", *mutant.tests.split()],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    failed = [line for line in told.stdout.splitlines() if line.startswith("FAILED")]
    if told.returncode not in (TESTS_PASSED, TESTS_FAILED):
        raise RuntimeError(f"the tests did not run: {told.stdout[-200:]}{told.stderr[-200:]}")
    if not failed:
        return Fate("", 0, "")
    return Fate(failed[0].removeprefix("FAILED tests/").partition(" - ")[0], 0, failed[0].partition(" - ")[2])


def hunt(names: str) -> Fate:
    """Run, in the copy, schedules of the families in turn until one breaks a rule."""
    families = named(names)
    with _database() as opened:
        for place in range(SCHEDULES_MAX):
            name, seed = list(families)[place % len(families)], 1 + place // len(families)
            result = play(name, seed, families[name].make, opened)
            if result.violation:
                return Fate(f"{name} {seed}", place + 1, result.violation)
    return Fate("", SCHEDULES_MAX, "")


@contextmanager
def _database() -> Iterator[Database]:
    """A database on the server that was started for all, else on one of this mutant's own."""
    if SERVER not in os.environ:
        with run.stage("mutant") as opened:
            yield opened
        return
    known = json.loads(os.environ[SERVER])
    postgres = Postgres(_access=Access(**known["access"]))
    with run.joined(postgres, known["settings"], f"mutant_{os.getpid()}") as opened:
        yield opened


def fates(wanted: Sequence[Mutant], processes: int) -> dict[str, Fate]:
    """Hunt all mutants, `processes` at a time."""
    found: dict[str, Fate] = {}
    running: dict[int, Hunt] = {}
    schedule.jobs()  # imports what all of them need
    with run.server() as (postgres, settings):
        waiting = list(wanted)
        while waiting or running:
            while waiting and len(running) < processes:
                begun = begin(waiting.pop(0), postgres, settings)
                running[begun.answer] = begun
            for answer in select.select(list(running), [], [])[0]:
                ended = running.pop(answer)
                found[ended.mutant.name] = end(ended)
    return {mutant.name: found[mutant.name] for mutant in wanted}


def table(found: Mapping[str, Fate]) -> Iterator[str]:
    yield f"{'mutant':44} {'caught by':34} {'schedules':>9}  rule"
    for name, fate in found.items():
        yield f"{name:44} {fate.by or 'SURVIVED':34} {fate.schedules or '':>9}  {fate.rule[:110]}"
    caught = sum(bool(fate.by) for fate in found.values())
    yield f"{caught} of {len(found)} caught"


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make mutants")
    parser.add_argument("--only", default="", help="mutants whose name has this in it")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    found = fates([mutant for mutant in MUTANTS if asked.only in mutant.name], asked.processes)
    run.tell(table(found))
    figures = LOCAL / "bench" / "payout_mutants.json"
    figures.parent.mkdir(exist_ok=True)
    figures.write_text(json.dumps({name: asdict(fate) for name, fate in found.items()}, indent=1) + "\n")
    return 0 if all(fate.by for fate in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
