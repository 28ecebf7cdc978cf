"""Docstrings are sentences: none is a mere label, none begins as riddles do, and none is repeated all over the tree."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from emulators.contract import ROOT

FOLDERS = ("functions", "shared", "emulators", "terraform", "tests")
SAME_MAX = 2
WORDS_MIN = 4
RIDDLE = re.compile(r"(None|Nothing|Nobody|Of|Those|Likewise|What|Whoever|Who|Whose|Which)\b")
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Docstring:
    """A docstring and the place where it begins, as `path:line`."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def docstrings() -> Iterator[Docstring]:
    """Every docstring of the checked folders, except those of test functions: their names are their descriptions."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                text = ast.get_docstring(node) if isinstance(node, DOCUMENTED) and not is_test(node) else None
                if text:
                    yield Docstring(f"{path.relative_to(ROOT)}:{line(node)}", text)


def is_test(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name.startswith("test_")


def line(node: ast.AST) -> int:
    return node.lineno if isinstance(node, ast.stmt) else 1


def test_a_docstring_has_more_than_three_words() -> None:
    assert [str(each) for each in docstrings() if len(each.text.split()) < WORDS_MIN] == []


def test_a_docstring_begins_with_its_subject_or_its_verb() -> None:
    assert [str(each) for each in docstrings() if RIDDLE.match(each.text)] == []


def test_a_docstring_stands_at_most_twice_in_the_tree() -> None:
    places = defaultdict(list)
    for each in docstrings():
        places[each.text].append(each.place)
    assert {text: found for text, found in places.items() if len(found) > SAME_MAX} == {}
