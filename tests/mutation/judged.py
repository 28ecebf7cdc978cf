"""Breaks that people have judged to change nothing, with the reason. They are not counted."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from tests.mutation.place import Place

FILE = Path(__file__).with_name("equivalent.yaml")


@dataclass(frozen=True)
class Judged:
    """A break by the lines that it changes: `before` in `function` of `path` becomes `after`."""

    path: str
    function: str
    before: str
    after: str
    why: str


@cache
def judged() -> dict[tuple[str, str, str, str], Judged]:
    """All judged breaks, by path, function and lines."""
    found = [Judged(**said) for said in yaml.safe_load(FILE.read_text()) or []]
    return {(it.path, it.function, it.before, it.after): it for it in found}


def equivalent(place: Place, text: str) -> Judged | None:
    before, after = place.shown(text)
    return judged().get((place.path, place.function, before, after))
