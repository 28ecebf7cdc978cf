"""The texts that people have written into this repository, and the headings of its pages."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
FOLDERS = ("docs", "emulators", "functions", "shared", "terraform", "tests")
UNREAD = frozenset({".json", ".txt", ".pyc"})  # digests and bytecode, in which anything may look like a code
OWN = "tests/contract/house/"  # has samples of what it looks for
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
ANCHOR = re.compile(r'<a id="([\w-]+)"></a>')


@cache
def texts() -> Mapping[str, str]:
    """The text of each file by its path, README and contract included."""
    inside = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    at_root = (path for path in ROOT.iterdir() if path.is_file())
    found = {path.relative_to(ROOT).as_posix(): path for path in (*inside, *at_root) if _is_written(path)}
    return {name: found[name].read_text() for name in sorted(found) if not name.startswith(OWN)}


def pages() -> Mapping[str, str]:
    """README and the pages of docs/, by their paths."""
    return {name: text for name, text in texts().items() if name.endswith(".md") and name.count("/") <= 1}


def headings(page: str) -> list[str]:
    """The headings of a page in order, without the marks of code."""
    prose = FENCED.sub("", texts()[page])
    return [heading.replace("`", "") for heading in HEADING.findall(prose)]


def anchors(page: str) -> set[str]:
    """The anchors that a link to this page may name behind the `#`."""
    return {slug(heading) for heading in headings(page)} | set(ANCHOR.findall(texts()[page]))


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _is_written(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    return path.is_file() and not hidden and path.suffix not in UNREAD
