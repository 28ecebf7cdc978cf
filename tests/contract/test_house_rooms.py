"""The rooms of `shared`: what lies there is needed by several functions, and no room needs another in a circle."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from terraform import imports
from terraform.functions import ROOT, functions

SHARED = ROOT / "shared"
ROOMS_MAX = 31
PORT = "a vendor is imported in ports and nowhere else"
OPERATOR = "an operator's command reads it too: terraform/operations"
CHAT = "the functions of the chat are its users: it is the rules that they share, and they are built beside it"
COUNTED = "sales_count is the one job that counts the tins of orders of both kinds"
NEEDED_BY_ONE = {
    "comps/sales.py": COUNTED,
    "database/migrate.py": "packaging and tests read the migrations with it",
    "ledger/seals.py": OPERATOR,
    "members/downline.py": COUNTED,
    "payouts/answers.py": OPERATOR,
    "payouts/explanations.py": OPERATOR,
    "payouts/rotation.py": "it belongs to the payout machine, which payout_recover runs",
    "ports/ages.py": PORT,
    "ports/card_notices.py": PORT,
    "ports/identity.py": PORT,
    "ports/mail.py": PORT,
    "ports/mail_notices.py": PORT,
    "ports/moderation.py": PORT,
    "ports/oobit.py": PORT,
    "ports/dead_letters.py": PORT,
    "ports/polygon/condition.py": PORT,
    "ports/polygon/eip1559.py": PORT,
    "ports/polygon/node_probe.py": PORT,
    "ports/polygon/wallets.py": PORT,
    "ports/push.py": PORT,
    "ports/tasks.py": PORT,
    "ports/tax_notices.py": PORT,
    "ports/teller_notices.py": PORT,
    "ports/translation.py": PORT,
    "ports/vision.py": PORT,
    "ports/wallet_provider.py": PORT,
    "ports/warehouse_notices.py": PORT,
    "social/mentions.py": CHAT,
    "social/tokens.py": CHAT,
    "members/suspensions.py": "it is the one place that knows all that a suspension stops",
}


def modules() -> list[Path]:
    """All modules of `shared` that hold code."""
    return [path for path in sorted(SHARED.rglob("*.py")) if path.stat().st_size]


def needed_by_one(users: Mapping[str, set[str]]) -> set[str]:
    """The modules that fewer than two functions need."""
    return {module for module, names in users.items() if len(names) <= 1}


def test_a_module_of_shared_is_needed_by_two_functions_or_says_why_not() -> None:
    users: dict[str, set[str]] = {path.relative_to(SHARED).as_posix(): set() for path in modules()}
    for function in functions():
        for path in imports.closure(function).files:
            if path.is_relative_to(SHARED) and path.relative_to(SHARED).as_posix() in users:
                users[path.relative_to(SHARED).as_posix()].add(function)
    users.pop("__init__.py")
    assert needed_by_one(users) == set(NEEDED_BY_ONE)


def test_a_module_that_one_function_needs_is_found() -> None:
    assert needed_by_one({"a.py": {"scans"}, "b.py": {"scans", "users"}, "c.py": set()}) == {"a.py", "c.py"}


def rooms() -> dict[str, set[str]]:
    """For each room, or module at the top, the other ones that it imports."""
    found: dict[str, set[str]] = {}
    for path in modules():
        room = path.relative_to(SHARED).parts[0].removesuffix(".py")
        if room == "__init__":
            continue  # the docstring of all rooms is none itself
        others = {other for other in imported_rooms(path) if other != room}
        found[room] = found.get(room, set()) | others
    return found


def imported_rooms(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "shared":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("shared."):
            yield str(node.module).split(".")[1]


def test_there_are_few_rooms_and_none_needs_another_in_a_circle() -> None:
    found = rooms()
    assert {"payouts", "values", "db"} <= found.keys()
    assert len(found) <= ROOMS_MAX
    TopologicalSorter(found).prepare()


def test_a_circle_is_found() -> None:
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"c"}, "c": {"a"}}).prepare()
