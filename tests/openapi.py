"""Checks a response against openapi.yaml."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from emulators import contract

PROBLEM = "application/problem+json"
PYTHONS = re.compile(  # words of Python's and pydantic's own texts, which callers should not read
    r"Input should|should be|should have|Extra inputs|Field required|Value error|\binstance\b|\bstr\b|\bint\b|\bdict\b|"
    r"\bbytes-like|codec|Expecting |\bchar \d|delimiter|Exceeds|base 10|NoneType|Traceback|Exception|[a-z]Error\b|"
    r"object at 0x"
)


class ContractBroken(AssertionError):
    """Raised when the response is not what openapi.yaml says."""


def operation(method: str, path: str) -> tuple[contract.Operation, dict[str, Any]]:
    """The operation of a request, and its part of the contract."""
    for found in contract.operations():
        if found.method == method and found.matches(path):
            return found, contract.document()["paths"][found.template][method.lower()]
    raise ContractBroken(f"{method} {path} is not in openapi.yaml")


def check(method: str, path: str, status: int, headers: Mapping[str, str], body: Any) -> None:
    """Raises ContractBroken when the status, content type, shape or problem is not in the contract."""
    _, said = operation(method, path.partition("?")[0])
    promised = said["responses"].get(str(status))
    if promised is None:
        raise ContractBroken(f"{method} {path} answers {status}, which is not promised: {body}")
    response = resolved(promised)
    content = response.get("content")
    given = {name.lower(): value for name, value in headers.items()}.get("content-type", "").partition(";")[0]
    if content is None:
        if body is not None:
            raise ContractBroken(f"{method} {path} answers {status} with a body")
        return
    if given not in content:
        raise ContractBroken(f"{method} {path} answers {status} as {given or 'nothing'}, not as {', '.join(content)}")
    validate(body, content[given]["schema"])
    if given == PROBLEM:
        _check_problem(said, response, status, body)


def validate(value: Any, schema: Mapping[str, Any]) -> None:
    """Raises ContractBroken with the first fault of the value."""
    faults = sorted(_validator_of(schema).iter_errors(value), key=lambda fault: list(map(str, fault.path)))
    if faults:
        where = "/".join(map(str, faults[0].path))
        raise ContractBroken(f"/{where}: {faults[0].message}")


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """The node that a `$ref` into the document refers to."""
    while "$ref" in node:
        target: Any = contract.document()
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def common_problems() -> frozenset[str]:
    """Problems that no operation names, because they can happen to any operation of its kind."""
    named = {slug for item in contract.document()["paths"].values() for said in item.values()
             for slug in said.get("x-problems", [])}  # fmt: skip
    return frozenset(contract.document()["components"]["examples"]) - named | {"token-not-valid", "member-suspended"}


def _check_problem(said: dict[str, Any], response: dict[str, Any], status: int, body: Any) -> None:
    slug = body["type"].removeprefix("/problems/")
    if body["status"] != status:
        raise ContractBroken(f"the problem says {body['status']}, the response {status}")
    if slug not in response["content"][PROBLEM]["examples"]:
        raise ContractBroken(f"{slug} is not among the examples of {status}")
    if slug not in said.get("x-problems", []) and slug not in common_problems():
        raise ContractBroken(f"{slug} is not among the operation's x-problems")
    told = [body.get("detail", ""), *(error["message"] for error in body.get("errors", []))]
    if pythons := [text for text in told if PYTHONS.search(text)]:
        raise ContractBroken(f"{slug} speaks Python: {pythons[0]}")


def _validator_of(schema: Mapping[str, Any]) -> OAS30Validator:
    return OAS30Validator(
        {"$ref": "urn:contract" + schema["$ref"]} if "$ref" in schema else _absolute(schema),
        registry=_registry(),
        format_checker=OAS30Validator.FORMAT_CHECKER,
    )


def _absolute(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {
            key: "urn:contract" + value if key == "$ref" and value.startswith("#") else _absolute(value)
            for key, value in node.items()
        }
    return [_absolute(item) for item in node] if isinstance(node, list) else node


@cache
def _registry() -> Registry[Any]:
    document = _absolute({"components": {"schemas": contract.document()["components"]["schemas"]}})
    empty: Registry[Any] = Registry()
    filled: Registry[Any] = empty.with_resource("urn:contract", Resource.from_contents(document, DRAFT4))
    return filled
