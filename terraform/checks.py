"""Checks before anything is built: folders are complete, contract and functions agree, migrations are unchanged."""

import ast
import hashlib
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from shared.database.migrate import ContractPending, MigrationMissing, expanding, load
from terraform import imports
from terraform.functions import Function, NotDeployable, functions

METHODS = ("get", "post", "put", "patch", "delete")
# The digests, in the format of sha256sum, of migrations that were applied somewhere that matters.
SEALED = "shared/database/migrations/sealed.txt"


def check(root: Path) -> Mapping[str, Function]:
    """Every function, if all checks pass. Raises NotDeployable for the first fault."""
    found = functions(root)
    _rooms(root)
    for function in found.values():
        _whole(function, root)
    _names_are_unique(found)
    _contract(found, root)
    migrations(root)
    return found


def migrations(root: Path) -> list[str]:
    """The names of migrations that are not sealed yet. Raises NotDeployable for one that cannot be applied."""
    folder = root / "shared" / "database" / "migrations"
    try:
        loaded = load(folder)
    except MigrationMissing as fault:
        raise NotDeployable(f"{fault}.") from None
    there = {migration.name: migration.digest for migration in loaded}
    for line in (root / SEALED).read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        if name not in there:
            raise NotDeployable(f"shared/database/migrations/{name} is sealed and gone: migrations only go forward.")
        if there.pop(name) != digest:
            raise NotDeployable(
                f"shared/database/migrations/{name} was edited after it was applied: write a new migration."
            )
    try:
        expanding([migration for migration in loaded if migration.name in there])
    except ContractPending as fault:
        raise NotDeployable(f"{fault}.") from None
    return list(there)


def seal(root: Path) -> None:
    """Record the digest of every migration: from now on none of them may change."""
    migrations(root)
    paths = sorted((root / "shared" / "database" / "migrations").glob("*.sql"))
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths]
    (root / SEALED).write_text("".join(lines), encoding="utf-8")


def _rooms(root: Path) -> None:
    """Check the packages below `shared`: an import of one would deploy more, or less, than it seems to."""
    for init in sorted((root / "shared").rglob("*/__init__.py")):
        room = init.parent
        if init.stat().st_size:
            where = init.relative_to(root).as_posix()
            raise NotDeployable(f"{where} is not empty: the whole room would be deployed with every module.")
        if room.with_suffix(".py").exists():
            where = room.with_suffix(".py").relative_to(root).as_posix()
            raise NotDeployable(f"{where} has the name of a room: Python would import the room instead.")


def _whole(function: Function, root: Path) -> None:
    folder = root / "functions" / function.name
    where = folder.relative_to(root).as_posix()
    for name in ("__init__.py", "main.py", "requirements.txt"):
        if not (folder / name).is_file():
            raise NotDeployable(f"{where}/{name} is missing.")
    for path in folder.glob("*.py"):
        imports.imported(path)
    tree = ast.parse((folder / "main.py").read_text(encoding="utf-8"))
    if not any(isinstance(node, ast.FunctionDef) and node.name == function.name for node in tree.body):
        raise NotDeployable(f"{where}/main.py has no plain function {function.name}, which is its door.")


def _names_are_unique(found: Mapping[str, Function]) -> None:
    """Check that services, queues and schedules have unique names in the project."""
    owners: dict[tuple[str, str], str] = {}
    for function in found.values():
        named = chain(
            (("service", function.service),),
            (("queue", queue.name) for queue in function.queues),
        )
        for kind, name in named:
            other = owners.setdefault((kind, name), function.name)
            if other != function.name:
                raise NotDeployable(f"functions/{function.name}/function.yaml: {kind} {name} is that of {other}.")


def _contract(found: Mapping[str, Function], root: Path) -> None:
    document = _yaml(root / "openapi.yaml")
    served = set()
    for template, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                served.add(_backend(f"{method.upper()} {template}", item[method], found))
    backends = set(document["x-google-api-management"]["backends"])
    for name in sorted(found):
        if found[name].gateway and name not in served:
            raise NotDeployable(f"functions/{name} is behind the gateway and openapi.yaml has no operation for it.")
        if found[name].gateway and name not in backends:
            raise NotDeployable(f"functions/{name} is behind the gateway and openapi.yaml has no backend for it.")
    for name in sorted(backends - served):
        raise NotDeployable(f"openapi.yaml has a backend {name} and no operation for it.")


def _backend(operation: str, said: Mapping[str, Any], found: Mapping[str, Function]) -> str:
    name = said.get("x-google-backend")
    if name is None:
        raise NotDeployable(f"openapi.yaml: {operation} does not say which function answers it (x-google-backend).")
    if name not in found:
        raise NotDeployable(f"openapi.yaml: {operation} is answered by {name}, and there is no functions/{name}.")
    if not found[name].gateway:
        raise NotDeployable(f"openapi.yaml: {operation} is answered by {name}, which is not behind the gateway.")
    return str(name)


def _yaml(path: Path) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except yaml.YAMLError as fault:
        raise NotDeployable(f"{path.name} is not YAML: {' '.join(str(fault).split())}.") from None
    return loaded
