"""A place that can be broken: which text of which file is replaced, and by what."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Place:
    """A place: `start` and `end` are positions in the file's text. `function` is its function's qualified name, or the
    entry of its table of statements (`TABLE[name]`), or "".
    """

    path: str
    start: int
    end: int
    new: str
    kind: str
    function: str

    @property
    def is_in_function(self) -> bool:
        """False if the place is run by no function alone."""
        return bool(self.function) and not self.function.endswith("]")

    def broken(self, text: str) -> str:
        """The file's text with the break."""
        return text[: self.start] + self.new + text[self.end :]

    def shown(self, text: str) -> tuple[str, str]:
        """The lines concerned, before and after, with single blanks: they name the place for people, permanently."""
        first = text.rfind("\n", 0, self.start) + 1
        last = text.find("\n", self.end)
        last = len(text) if last < 0 else last
        return squeezed(text[first:last]), squeezed(text[first : self.start] + self.new + text[self.end : last])


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def product(root: Path) -> list[Path]:
    """Every Python file of the product."""
    return sorted(path for folder in ("functions", "shared") for path in (root / folder).rglob("*.py"))
