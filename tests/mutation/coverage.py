"""Knows which tests run which functions: recorded once, kept in .local, renewed for test files that have changed."""

import hashlib
import json
import math
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.place import Place
from tests.mutation.recorder import RECORD

SUITES = ("tests/unit", "tests/property", "tests/integration", "tests/contract", "tests/fault")
# Tests of the emulators and of deployment run nothing of the product but its ports, which have tests of their own.
# Tests that kill processes run it where nothing is recorded. Tests that read the product's text would notice any
# change.
LEFT_OUT = (
    "test_emulator_", "test_terraform_", "test_staged", "test_bad_builds", "test_deploy", "test_capacity",
    "_killed.py", "test_mutants_apply", "test_schemathesis", "test_mutation", "test_openapi", "test_functions",
    "test_contract_artifacts", "test_firestore_rules", "test_house_tests",
)  # fmt: skip
LET_IN = ("_port.py", "test_emulator_kms.py")
FIRST, PER_FILE_FIRST = 3, 8
MUCH = 0.25  # of the time for all
SECONDS_AT_LEAST = 0.3  # of any test, since starting one takes that long


@dataclass(frozen=True)
class Ran:
    """A test function with all its parameters."""

    name: str
    seconds: float
    functions: frozenset[str]

    @property
    def file(self) -> str:
        return self.name.partition("::")[0]


def files_of_tests(root: Path) -> Iterator[Path]:
    for suite in SUITES:
        for path in sorted((root / suite).rglob("test_*.py")):
            if not any(part in path.name for part in LEFT_OUT) or path.name.endswith(LET_IN):
                yield path


@dataclass
class Coverage:
    """The record of a tree, as far as it is known."""

    store: Path
    digests: dict[str, str]
    tests: dict[str, Ran]

    @classmethod
    def load(cls, store: Path) -> "Coverage":
        if not store.exists():
            return cls(store, {}, {})
        kept = json.loads(store.read_text())
        known = {name: Ran(name, it["seconds"], frozenset(it["functions"])) for name, it in kept["tests"].items()}
        return cls(store, kept["digests"], known)

    def save(self) -> None:
        tests = {it.name: {"seconds": it.seconds, "functions": sorted(it.functions)} for it in self.tests.values()}
        self.store.parent.mkdir(parents=True, exist_ok=True)
        self.store.write_text(json.dumps({"digests": self.digests, "tests": tests}))

    def renew(self, root: Path, processes: int = 1) -> int:
        """Run and record the test files that have changed; returns how many there were. `processes` suites run at a
        time, the largest first.
        """
        found = {
            str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files_of_tests(root)
        }
        changed = [name for name, digest in found.items() if self.digests.get(name) != digest]
        self.tests = {name: it for name, it in self.tests.items() if it.file in found and it.file not in changed}
        suites = sorted(_by_suite(changed), key=len, reverse=True)
        with ThreadPoolExecutor(processes) as threads:
            running = {threads.submit(self._recorded, root, suite): suite for suite in suites}
            for ended in as_completed(running):
                self.tests |= ended.result()
                self.digests |= {name: found[name] for name in running[ended]}
                self.save()
        return len(changed)

    def _recorded(self, root: Path, files: Sequence[str]) -> dict[str, Ran]:
        """Run the test files and say which of their tests ran what; those that failed are left out."""
        record = self.store.with_name(f"{str(Path(files[0]).parent).replace('/', '_')}.json")
        record.parent.mkdir(parents=True, exist_ok=True)
        record.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.mutation.recorder", *files]
        subprocess.run(command, cwd=root, env=os.environ | {"PYTHONPATH": str(root), RECORD: str(record)}, check=False)
        assert record.exists(), f"the tests did not run to their end: {' '.join(command)}"
        ran = json.loads(record.read_text())
        record.unlink()
        return {
            name: Ran(name, it["seconds"], frozenset(it["functions"])) for name, it in ran.items() if not it["failed"]
        }

    def chosen(self, place: Place, seconds_max: float, without: Iterable[str] = ()) -> list[Ran]:
        """Tests that run the place's function (any of its file, if it has none), the most telling first and a few of
        each file; as many as fit into `seconds_max`, the first FIRST in any case, none named in `without`. A test that
        takes much of that time comes after all others.
        """
        wanted = f"{place.path}::{place.function}"
        whole_file = f"{place.path}::"
        running = [
            it
            for it in self.tests.values()
            if it.name not in without
            and (
                wanted in it.functions
                if place.is_in_function
                else any(name.startswith(whole_file) for name in it.functions)
            )
        ]
        telling = _spread(sorted(running, key=self._telling(place), reverse=True))
        return list(_within(sorted(telling, key=lambda it: it.seconds > seconds_max * MUCH), seconds_max))

    def _telling(self, place: Place) -> Callable[[Ran], float]:
        """A score for sorting tests: how much of the place's neighbourhood a test runs that few others run, per second,
        and how little it runs besides.

        The neighbourhood of a file in `functions` is its folder, that of a file in `shared` the file itself.
        """
        near = f"{Path(place.path).parent}/" if place.path.startswith("functions/") else f"{place.path}::"
        runs = Counter(name for it in self.tests.values() for name in it.functions if name.startswith(near))
        weight = {name: math.log(1 + len(self.tests) / count) for name, count in runs.items()}

        def value(it: Ran) -> float:
            near_by = sum(weight.get(name, 0.0) for name in it.functions)
            return near_by / math.sqrt(it.seconds + SECONDS_AT_LEAST) / math.log(2 + len(it.functions))

        return value


def _by_suite(names: Sequence[str]) -> list[list[str]]:
    """The test files by suite. Each suite is one run of pytest: finished ones are kept when a later one breaks off."""
    suites: Mapping[str, list[str]] = defaultdict(list)
    for name in names:
        suites[str(Path(name).parent)].append(name)
    return list(suites.values())


def _spread(running: Sequence[Ran]) -> list[Ran]:
    """A few tests of each file before the rest of any."""
    first: list[Ran] = []
    later: list[Ran] = []
    taken: dict[str, int] = defaultdict(int)
    for it in running:
        taken[it.file] += 1
        (first if taken[it.file] <= PER_FILE_FIRST else later).append(it)
    return first + later


def _within(running: Sequence[Ran], seconds_max: float) -> Iterator[Ran]:
    """As many tests as there is time for; the first few in any case."""
    left = seconds_max
    for place, it in enumerate(running):
        if it.seconds <= left or place < FIRST:
            left -= it.seconds
            yield it
