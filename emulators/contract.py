"""The parts of `openapi.yaml` and of the `function.yaml` files that the local stack needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from terraform.functions import ROOT, functions

__all__ = [
    "FUNCTIONS",
    "METHODS",
    "OPENAPI",
    "ROOT",
    "Operation",
    "TokenRules",
    "document",
    "functions",
    "operations",
    "token_rules",
]

OPENAPI = ROOT / "openapi.yaml"
FUNCTIONS = ROOT / "functions"
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """One operation and the function behind it. `secured` means that the gateway demands a valid token."""

    method: str
    template: str
    operation_id: str
    function: str
    secured: bool

    def matches(self, path: str) -> bool:
        """True if the path is the operation's; segments are compared whole and case-sensitively, as in API Gateway."""
        wanted, given = self.template.split("/"), path.split("/")
        return len(wanted) == len(given) and all(
            (bool(value) if part.startswith("{") else part == value) for part, value in zip(wanted, given, strict=True)
        )


@dataclass(frozen=True)
class TokenRules:
    """The rules by which the gateway checks an access token."""

    issuer: str
    audiences: Sequence[str]
    prefixes: Sequence[str]  # what may stand before the token in `Authorization`, compared case-sensitively


@cache
def document() -> dict[str, Any]:
    """The whole contract, parsed."""
    loaded: dict[str, Any] = yaml.load(OPENAPI.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return loaded


@cache
def operations() -> list[Operation]:
    """Every operation; those without path parameters come first, because they are more exact."""
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
    """The token rules of the only security scheme."""
    rules = document()["components"]["securitySchemes"]["member"]["x-google-auth"]
    places = [place["valuePrefix"] for place in rules["jwtLocations"]]
    return TokenRules(rules["issuer"], rules["audiences"], places)
