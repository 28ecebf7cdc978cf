"""Finds what a function needs: `shared` files, the files that these read, and the packages it imports, lazily or not.

`python -m terraform.imports --write` brings every requirements.txt up to date; a contract test keeps them so.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from terraform.functions import ROOT, NotDeployable, functions

OURS = ("functions", "shared")
CONSTRAINTS = "-c ../constraints.txt"
RUNTIME = "functions-framework"  # it runs every function, and no function imports it
# Data files of a module; a test finds missing entries.
READ_BY: Mapping[str, tuple[str, ...]] = {
    "shared/database/migrate.py": ("shared/database/migrations/*.sql",),
    "shared/social/look_alikes.py": ("shared/social/look_alikes.txt",),
    "shared/social/words.py": ("shared/social/words.txt",),
    "functions/pages/assets.py": (
        "functions/pages/a/*",
        "functions/pages/messages/*.json",
        "functions/pages/templates/*.html",
    ),
}
NOT_DEPLOYED = frozenset({"function.yaml", "requirements.txt"})
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
DATA_OF_STANDARD = {"zoneinfo": "tzdata"}  # modules of Python that read a package's data where the system has none
NEEDED_BESIDE = {  # packages that others use if they are installed
    "eth-account": ("coincurve",),  # it makes the recovery of signatures ten times faster
    "functions-framework": ("gunicorn-h1c",),  # gunicorn reads requests in C with it: half the CPU of an empty function
}


@dataclass(frozen=True)
class Closure:
    """Files of the repository, and distributions as requirements.txt names them."""

    files: frozenset[Path]
    distributions: frozenset[str]


def closure(function: str, root: Path = ROOT) -> Closure:
    """Everything that the function's modules import, directly and through `shared`. Raises NotDeployable."""
    folder = root / "functions" / function
    own = [path.relative_to(root).as_posix() for path in sorted(folder.glob("*.py"))]
    modules = {"functions/__init__.py", *own, *_shared_modules(root)}
    files = {path for path in folder.iterdir() if path.is_file() and _is_data(path)}
    distributions = {RUNTIME, *NEEDED_BESIDE[RUNTIME]}
    todo, seen = ["functions/__init__.py", *own], set[str]()
    while todo:
        where = todo.pop()
        if where in seen:
            continue
        seen.add(where)
        if where in READ_BY:
            files.update(path for pattern in READ_BY[where] for path in root.glob(pattern))
        for name in imported(root / where):
            if name.partition(".")[0] in OURS:
                todo.extend(_files_of(name, modules, where))
            elif found := distribution_of(name, where):
                distributions |= {found, *NEEDED_BESIDE.get(found, ())}
    return Closure(frozenset({*files, *(root / path for path in seen)}), frozenset(distributions))


def imported(path: Path, *, at_import_only: bool = False) -> tuple[str, ...]:
    """The dotted names that a module imports; with `at_import_only`, without imports inside functions."""
    try:
        return _imported(path.read_text(encoding="utf-8"), at_import_only)
    except SyntaxError as fault:
        raise NotDeployable(
            f"{path.parent.name}/{path.name} is not Python: {fault.msg}, line {fault.lineno}."
        ) from None


@cache
def _imported(text: str, at_import_only: bool) -> tuple[str, ...]:
    tree = ast.parse(text)
    names: list[str] = []
    for node in _at_import(tree) if at_import_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(names)


def distribution_of(name: str, where: str = "a module") -> str | None:
    """The distribution that a dotted name comes from; None for the standard library that needs none."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return DATA_OF_STANDARD.get(top)
    if top == "google":
        found = next((found for prefix, found in GOOGLE.items() if name.startswith(prefix)), None)
    else:
        found = _distributions().get(top, [None])[0]
    if found is None:
        raise NotDeployable(f"{where} imports {name}, which no package of `make setup` has.")
    return found.lower().replace("_", "-")


def requirements(function: str, root: Path = ROOT) -> str:
    """The text of the function's requirements.txt."""
    return "\n".join([CONSTRAINTS, *with_extras(closure(function, root))]) + "\n"


def with_extras(needs: Closure) -> list[str]:
    """The distributions in the form of requirements.txt, sorted."""
    return sorted(name + EXTRAS.get(name, "") for name in needs.distributions)


def _is_data(path: Path) -> bool:
    return path.suffix not in (".py", ".pyc") and path.name not in NOT_DEPLOYED and not path.name.startswith(".")


def _at_import(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _is_type_checking(node):
            continue
        yield node
        yield from _at_import(node)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _shared_modules(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in (root / "shared").rglob("*.py")]


def _files_of(name: str, modules: set[str], where: str) -> list[str]:
    """The module files on the way to a dotted name: `shared.ports.kms.sign_digest` is three files."""
    parts = name.split(".")
    stems = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    ways = [way for stem in stems for way in (f"{stem}.py", f"{stem}/__init__.py") if way in modules]
    if parts[0] == "shared" and stems[-1] + "/__init__.py" in modules and len(parts) > 1:
        raise NotDeployable(f"{where} imports {name}, which is a room: import its modules by their names.")
    if parts[0] == "shared" and len(parts) > 1 and ways[-1].endswith("/__init__.py"):
        raise NotDeployable(f"{where} imports {name}, which there is not.")
    return ways


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def main() -> None:
    """Write or print every requirements.txt."""
    for name in functions():
        target = ROOT / "functions" / name / "requirements.txt"
        if "--write" in sys.argv[1:]:
            target.write_text(requirements(name))


if __name__ == "__main__":
    main()
