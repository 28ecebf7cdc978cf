"""What `openapi.yaml` and the `function.yaml` files say, as the local stack needs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
OPENAPI = ROOT / "openapi.yaml"
FUNCTIONS = ROOT / "functions"
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """One operation and the function behind it. `secured` means that the gateway wants a valid token."""

    method: str
    template: str
    operation_id: str
    function: str
    secured: bool

    def matches(self, path: str) -> bool:
        """Whole segments, case sensitive, as API Gateway has it."""
        wanted, given = self.template.split("/"), path.split("/")
        return len(wanted) == len(given) and all(
            (bool(value) if part.startswith("{") else part == value) for part, value in zip(wanted, given, strict=True)
        )


@dataclass(frozen=True)
class TokenRules:
    """What the gateway checks of an access token."""

    issuer: str
    audiences: Sequence[str]


@dataclass(frozen=True)
class Queue:
    """A Cloud Tasks queue of a function."""

    name: str
    dispatches_per_second_max: float
    concurrent_dispatches_max: int


@dataclass(frozen=True)
class Schedule:
    """A Cloud Scheduler job of a function; cron in UTC."""

    name: str
    cron: str


@dataclass(frozen=True)
class Function:
    """A function's own description of where and how it runs."""

    name: str
    description: str
    gateway: bool
    topics: Sequence[str]
    queues: Sequence[Queue]
    schedules: Sequence[Schedule]
    on_deploy: Sequence[str]
    memory: str
    cpu: int
    concurrency: int
    timeout_seconds: int
    instances: Mapping[str, int]
    roles: Sequence[str]
    scopes: Mapping[str, Sequence[str]]
    secrets: Mapping[str, str]
    environment: Mapping[str, str]


@cache
def document() -> dict[str, Any]:
    """The whole contract."""
    loaded: dict[str, Any] = yaml.safe_load(OPENAPI.read_text(encoding="utf-8"))
    return loaded


@cache
def operations() -> list[Operation]:
    """Every operation; those without parameters in the path first, because they are more exact."""
    found = [
        Operation(
            method=method.upper(),
            template=template,
            operation_id=operation["operationId"],
            function=operation["x-google-backend"],
            secured=bool(operation.get("security", document()["security"])),
        )
        for template, item in document()["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]
    return sorted(found, key=lambda operation: operation.template.count("{"))


def token_rules() -> TokenRules:
    """From the one security scheme."""
    rules = document()["components"]["securitySchemes"]["member"]["x-google-auth"]
    return TokenRules(rules["issuer"], rules["audiences"])


@cache
def functions() -> dict[str, Function]:
    """Every function by name. A folder with a function.yaml is a function."""
    return {path.parent.name: _function(path) for path in sorted(FUNCTIONS.glob("*/function.yaml"))}


def _function(path: Path) -> Function:
    given: dict[str, Any] = {
        "topics": [],
        "queues": [],
        "schedules": [],
        "on_deploy": [],
        "scopes": {},
        "environment": {},
    }
    given |= yaml.safe_load(path.read_text(encoding="utf-8"))
    given["queues"] = [Queue(**queue) for queue in given["queues"]]
    given["schedules"] = [Schedule(**schedule) for schedule in given["schedules"]]
    return Function(name=path.parent.name, **given)
