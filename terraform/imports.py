"""What a function needs: the `shared` files and the packages that it imports, lazily or not.

`python -m terraform.imports --write` brings every requirements.txt up to date; a contract test keeps them so.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = ROOT / "functions"
OURS = ("functions", "shared")
CONSTRAINTS = "-c ../constraints.txt"
RUNTIME = "functions-framework"  # runs every function, imported by none
GOOGLE = {  # a namespace that many distributions share
    "google.api_core": "google-api-core",
    "google.auth": "google-auth",
    "google.cloud.firestore": "google-cloud-firestore",
    "google.cloud.kms": "google-cloud-kms",
    "google.cloud.sql": "cloud-sql-python-connector",
    "google.cloud.storage": "google-cloud-storage",
    "google.cloud.tasks": "google-cloud-tasks",
    "google.oauth2": "google-auth",
    "google.protobuf": "protobuf",
    "google.pubsub": "google-cloud-pubsub",
}
EXTRAS = {"cloud-sql-python-connector": "[pg8000]", "httpx": "[http2]", "pyjwt": "[crypto]"}
NEEDED_BESIDE = {  # used when present
    "eth-account": ("coincurve",),  # recovers signatures ten times faster
    "functions-framework": ("gunicorn-h1c",),  # gunicorn reads requests in C: half the CPU of an empty function
}


@dataclass(frozen=True)
class Closure:
    """Files below the repository, and distributions as requirements.txt names them."""

    files: frozenset[Path]
    distributions: frozenset[str]


def closure(function: str) -> Closure:
    """Everything that the function's modules import, directly and through `shared`."""
    todo = list((FUNCTIONS / function).glob("*.py"))
    files: set[Path] = set()
    distributions = {RUNTIME, *NEEDED_BESIDE[RUNTIME]}
    while todo:
        path = todo.pop()
        if path in files:
            continue
        files.add(path)
        for name in imported(path):
            if name.partition(".")[0] in OURS:
                todo.extend(_files_of(name))
            elif found := distribution_of(name):
                distributions |= {found, *NEEDED_BESIDE.get(found, ())}
    return Closure(frozenset(files), frozenset(distributions))


def imported(path: Path, *, at_import_only: bool = False) -> Iterator[str]:
    """Dotted names of what a module imports; with `at_import_only` not what it imports inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = _at_import(tree) if at_import_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def distribution_of(name: str) -> str | None:
    """The distribution that a dotted name comes from; None for the standard library."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return None
    if top == "google":
        return next(found for prefix, found in GOOGLE.items() if name.startswith(prefix))
    return _distributions()[top][0].lower().replace("_", "-")


def requirements(function: str) -> str:
    """The text of the function's requirements.txt."""
    names = sorted(name + EXTRAS.get(name, "") for name in closure(function).distributions)
    return "\n".join([CONSTRAINTS, *names]) + "\n"


def _at_import(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _is_type_checking(node):
            continue
        yield node
        yield from _at_import(node)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _files_of(name: str) -> Iterator[Path]:
    """The modules on the way to a dotted name: `shared.ports.kms.sign_digest` is three files."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        stem = ROOT.joinpath(*parts[:length])
        if stem.with_suffix(".py").is_file():
            yield stem.with_suffix(".py")
        elif (stem / "__init__.py").is_file():
            yield stem / "__init__.py"


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())


def main() -> None:
    """Write every requirements.txt."""
    for path in sorted(FUNCTIONS.glob("*/function.yaml")):
        target = path.parent / "requirements.txt"
        if "--write" in sys.argv[1:]:
            target.write_text(requirements(path.parent.name))


if __name__ == "__main__":
    main()
