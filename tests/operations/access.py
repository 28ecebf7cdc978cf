"""Reads from tests/access.yaml who may call each operation, and makes a call of it with its example."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from uuid import UUID

import yaml

from emulators import contract
from emulators.contract import Operation
from shared.auth import Role
from tests.client import Answer, FunctionClient
from tests.operations.examples import example_of, path_of

TABLE = Path(__file__).resolve().parent.parent / "access.yaml"


@dataclass(frozen=True)
class AccessRule:
    """A line of tests/access.yaml: who may call an operation, and whose the thing is that its path names."""

    by: str
    owner: str | None = None
    public: bool = False


@dataclass(frozen=True)
class OwnedResource:
    """Something that belongs to one member; `body_fields` are those of a body that must name it."""

    id: UUID
    body_fields: Mapping[str, object] = field(default_factory=dict)


@cache
def access_rules() -> dict[str, AccessRule]:
    return {name: AccessRule(**spec) for name, spec in yaml.safe_load(TABLE.read_text()).items()}


def operations_for(*by: str) -> Iterator[tuple[Operation, AccessRule]]:
    """Yield the operations that these may call, with their rules; all operations if nobody is named."""
    for operation in contract.operations():
        rule = access_rules().get(operation.operation_id)
        if rule and (not by or rule.by in by):
            yield operation, rule


def send_example(client: FunctionClient, operation: Operation, resource: OwnedResource | None = None) -> Answer:
    """Call the operation with the contract's example, changed to name `resource` if it is given.

    An operation that takes a file gets bytes that are not one.
    """
    spec = contract.document()["paths"][operation.template][operation.method.lower()]
    media = next(iter(spec.get("requestBody", {"content": {}})["content"]), "application/json")
    example = {
        name: resource.body_fields.get(name, value) if resource else value
        for name, value in (example_of(operation) or {}).items()
    }
    body = json.dumps(example).encode() if media == "application/json" else b"x"
    headers = {"Content-Type": media, "Idempotency-Key": "access", "If-Match": '"1"'}
    path = re.sub(r"{\w+}", str(resource.id), operation.template) if resource else path_of(operation)
    return client.send(operation.method, path, body, headers)


def admin_roles() -> list[str]:
    return [role.value for role in Role]
