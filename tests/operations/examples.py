"""Reads out of openapi.yaml what an operation takes: its schema, an example of its body, its media type, a path."""

import copy
import re
from typing import Any

from emulators import contract
from emulators.contract import Operation
from tests import openapi

Schema = dict[str, Any]
JSON = "application/json"


def operations_with_body() -> list[Operation]:
    """Return the operations that take a JSON body."""
    return [found for found in contract.operations() if example_of(found) is not None]


def schema_of(operation: Operation) -> Schema | None:
    """Return the schema of the operation's JSON body; None if it takes none."""
    spec = contract.document()["paths"][operation.template][operation.method.lower()]
    media = spec.get("requestBody", {}).get("content", {}).get(JSON)
    return openapi.resolved(media["schema"]) if media else None


def example_of(operation: Operation) -> dict[str, Any] | None:
    """Return a copy of the contract's example of the body; None if the operation takes no JSON."""
    schema = schema_of(operation)
    return copy.deepcopy(schema["example"]) if schema else None


def media_of(operation: Operation) -> dict[str, str]:
    """Return the Content-Type header of the operation's body; that of JSON if it takes no body."""
    spec = contract.document()["paths"][operation.template][operation.method.lower()]
    media = next(iter(spec.get("requestBody", {}).get("content", {JSON: None})))
    return {"Content-Type": f"{media}; boundary=b" if media.startswith("multipart/") else media}


def path_of(operation: Operation) -> str:
    """Return the operation's path with an id in place of each parameter."""
    return re.sub(r"{\w+}", "7c6b5a49-3827-4615-9403-f2e1d0c9b8a7", operation.template)


def operation_named(name: str) -> Operation:
    """Return the operation with this operationId."""
    (found,) = [operation for operation in contract.operations() if operation.operation_id == name]
    return found
