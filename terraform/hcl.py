"""Reads the blocks of `terraform/*.tf` as plain values: strings without quotes, expressions as `${…}`, unevaluated."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hcl2

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Block:
    """A block `resource "type" "name" {…}`; inner blocks are lists, those of `dynamic` among them."""

    file: str
    type: str
    name: str
    body: Mapping[str, Any]

    @property
    def address(self) -> str:
        """The block's address as Terraform writes it."""
        return f"{self.type}.{self.name}"

    def inner(self, name: str) -> Mapping[str, Any]:
        """The first inner block of that name; empty when there is none."""
        found = self.body.get(name, [])
        return found[0] if isinstance(found, list) and found else {}


@dataclass(frozen=True)
class Configuration:
    """The resources and locals of some files."""

    resources: list[Block]
    values: Mapping[str, Any]

    def of(self, *types: str) -> list[Block]:
        """The resources of some types."""
        return [block for block in self.resources if block.type in types]


def read(*paths: Path) -> Configuration:
    """Everything that some files declare."""
    resources: list[Block] = []
    values: dict[str, Any] = {}
    for path in paths:
        parsed = hcl2.loads(path.read_text(encoding="utf-8"))
        for labelled in parsed.get("resource", []):
            resources += _blocks(path, labelled)
        for block in parsed.get("locals", []):
            values |= _plain(block)
    return Configuration(resources, values)


@cache
def ours() -> Configuration:
    """The configuration of the root and its modules."""
    return read(*sorted(HERE.glob("*.tf")), *sorted(HERE.glob("modules/*/*.tf")))


def _blocks(path: Path, labelled: Mapping[str, Any]) -> Iterator[Block]:
    for kind, named in labelled.items():
        for name, body in named.items():
            yield Block(path.name, kind.strip('"'), name.strip('"'), _plain(body))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        plain = {key.strip('"'): _plain(item) for key, item in value.items() if not key.startswith("__")}
        for dynamic in plain.pop("dynamic", []) if isinstance(plain.get("dynamic"), list) else []:
            for name, content in dynamic.items():
                plain.setdefault(name, []).extend(content.get("content", []))
        return plain
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value
