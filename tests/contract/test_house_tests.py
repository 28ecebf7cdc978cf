"""Each test file stands alone: what several tests need is in modules that have no tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

from emulators.contract import ROOT

TESTS = ROOT / "tests"
SOURCES = ("functions", "shared", "emulators", "terraform", "tests")


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted name of each module that the file may import; a name may also be of something in a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_test_module(name: str) -> bool:
    """Return whether the dotted name is a test module of ours, or something in one."""
    parts = name.split(".")
    return any(
        part.startswith("test_") and ROOT.joinpath(*parts[:place], f"{part}.py").exists()
        for place, part in enumerate(parts)
    )


def test_no_module_imports_from_a_test_module() -> None:
    paths = [path for folder in SOURCES for path in (ROOT / folder).rglob("*.py")]
    borrowed = [
        f"{path.relative_to(ROOT)}: {name}" for path in paths for name in imported(path) if is_test_module(name)
    ]
    assert borrowed == [], "move what is shared into a module without tests, such as tests/rows.py"


def test_the_modules_that_tests_share_have_no_tests() -> None:
    """Pytest collects files named test_*.py alone: a test elsewhere would never run."""
    lost = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in TESTS.rglob("*.py")
        if not path.name.startswith("test_")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert lost == []
