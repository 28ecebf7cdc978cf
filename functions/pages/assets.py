"""The files beside this module: what browsers fetch under /a/, templates, and messages. Each is read once."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HASH_DIGITS = 16


@dataclass(frozen=True)
class Asset:
    """A file that browsers fetch."""

    content: bytes
    content_type: str


@cache
def assets() -> Mapping[str, Asset]:
    """The files of the folder `a` by name."""
    found = sorted((FOLDER / "a").iterdir())
    return {path.name: Asset(path.read_bytes(), TYPES[path.suffix]) for path in found if path.suffix in TYPES}


@cache
def version() -> str:
    """A hash over all files of the folder `a`: their addresses change together when one of them does."""
    made = hashlib.sha256()
    for name, asset in assets().items():
        made.update(f"{name}\0{len(asset.content)}\0".encode() + asset.content)
    return made.hexdigest()[:HASH_DIGITS]


def address(name: str) -> str:
    """The address of a file of the folder `a`. Raises KeyError if there is none of this name."""
    assert assets()[name]
    return f"/a/{version()}/{name}"
