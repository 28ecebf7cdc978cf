"""openapi.yaml passes a validator that is not ours; each definition is used, each tag is defined once and used."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from openapi_spec_validator import OpenAPIV30SpecValidator

from emulators import contract


def faults(document: dict[str, Any]) -> list[str]:
    return [
        f"{'/'.join(map(str, fault.path))}: {fault.message}"
        for fault in OpenAPIV30SpecValidator(document).iter_errors()
    ]


def test_it_is_valid() -> None:
    assert faults(contract.document()) == []


def test_a_stray_property_is_noticed() -> None:
    """An unquoted comma makes a key of the second half: `{description: Free, the plainest first., content: …}`."""
    broken = copy.deepcopy(contract.document())
    broken["paths"]["/v1/auth/username-suggestions"]["get"]["responses"]["200"]["the plainest first."] = None
    assert faults(broken)


def test_no_key_is_given_twice() -> None:
    """YAML takes the last of two definitions of one name, and says nothing."""
    root = yaml.compose((contract.ROOT / "openapi.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    assert list(doubles(root)) == []
    assert list(doubles(yaml.compose("a: {b: 1, c: 2, b: 3}", yaml.CSafeLoader))) == ["b"]


@pytest.mark.parametrize("kind", ["parameters", "schemas", "responses", "examples"])
def test_nothing_is_defined_that_nothing_uses(kind: str) -> None:
    used = set(references(contract.document()))
    assert {f"#/components/{kind}/{name}" for name in contract.document()["components"][kind]} <= used


def test_every_tag_is_defined_once_and_used() -> None:
    defined = [tag["name"] for tag in contract.document()["tags"]]
    used = {tag for item in contract.document()["paths"].values() for said in item.values() for tag in said["tags"]}
    assert len(defined) == len(set(defined))
    assert set(defined) == used
    assert all(tag["description"] for tag in contract.document()["tags"])


def references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for item in node for found in references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [found for item in node.values() for found in references(item)]


def doubles(node: Any) -> Iterator[str]:
    """The keys that a mapping has twice."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    names = [key.value for key, _ in pairs]
    yield from (name for position, name in enumerate(names) if name in names[:position])
    for inner in [value for _, value in pairs] or (node.value if isinstance(node, yaml.SequenceNode) else []):
        yield from doubles(inner)
