"""A pytest plugin that notes which functions of the product each test runs, and how long the test takes.

`pytest -p tests.mutation.recorder` writes JSON to the file that the environment names in MUTATION_RECORD. The unit is a
test function: all its parameters are noted together.
"""

import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from types import CodeType, FrameType

import pytest

RECORD = "MUTATION_RECORD"
PRODUCT = ("functions", "shared")

_ran: set[CodeType] = set()
_functions: dict[str, set[str]] = defaultdict(set)
_seconds: dict[str, float] = defaultdict(float)
_failed: set[str] = set()


def name_of(qualified: str) -> str:
    """The function that contains a lambda or comprehension; for a function, the name itself."""
    parts = qualified.split(".<locals>.")
    while parts[-1].startswith("<") and len(parts) > 1:
        parts.pop()
    return ".<locals>.".join(parts)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Record the code of each Python function called in any thread; nothing is traced inside the function."""
    _ran.clear()
    began = time.perf_counter()
    threading.settrace(_trace)
    sys.settrace(_trace)
    try:
        return (yield)
    finally:
        sys.settrace(None)
        threading.settrace(None)
        test = _test(item.nodeid)
        _seconds[test] += time.perf_counter() - began
        _functions[test] |= {found for code in list(_ran) if (found := _place(code))}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        _failed.add(_test(report.nodeid))


def pytest_sessionfinish() -> None:
    found = {
        test: {"seconds": round(seconds, 3), "functions": sorted(_functions[test]), "failed": test in _failed}
        for test, seconds in _seconds.items()
    }
    Path(os.environ[RECORD]).write_text(json.dumps(found))


def _test(nodeid: str) -> str:
    """The test's name without parameters."""
    return nodeid.partition("[")[0]


def _trace(frame: FrameType, event: str, argument: object) -> None:  # noqa: ARG001 - what sys.settrace calls it with
    _ran.add(frame.f_code)


def _place(code: CodeType) -> str | None:
    """The name of a function as `shared/db.py::Tx.first`; None if it is not the product's."""
    path = Path(code.co_filename)
    if not path.is_relative_to(Path.cwd()):
        return None
    inside = path.relative_to(Path.cwd())
    return f"{inside}::{name_of(code.co_qualname)}" if inside.parts[0] in PRODUCT else None
