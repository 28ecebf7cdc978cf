"""A page of docs/ that is longer than a screen begins with what is in it."""

import re

import pytest

from tests.contract.house import tree

SCREEN_LINES = 60
CHAPTER = re.compile(r"^## +(.+)$", re.MULTILINE)
CONTENTS = re.compile(r"^Contents:\s.+?\n\n", re.MULTILINE | re.DOTALL)
# A link to a file of tests and the names that follow it: [test_a.py](../tests/test_a.py): `test_b`, `test_c`
NAMED_TESTS = re.compile(r"\]\((\S+/test_\w+\.py)\): ((?:`test_\w+`(?:, )?)+)")
CHAPTERS_MIN = 3  # fewer need no list
LONG = sorted(
    path
    for path, text in tree.pages().items()
    if path.startswith("docs/") and text.count("\n") > SCREEN_LINES and len(CHAPTER.findall(text)) >= CHAPTERS_MIN
)


@pytest.mark.parametrize("path", LONG)
def test_a_long_page_begins_with_links_to_its_chapters_in_their_order(path: str) -> None:
    text = tree.texts()[path]
    before_the_first_chapter = text[: text.index("\n## ")] + "\n\n"
    contents = CONTENTS.search(before_the_first_chapter)
    assert contents, f"{path} has no line of contents"
    linked = re.findall(r"\]\(#([\w-]+)\)", contents.group())
    assert linked == [tree.slug(chapter) for chapter in CHAPTER.findall(tree.FENCED.sub("", text))]


def test_the_drawing_of_the_readme_names_functions_that_exist() -> None:
    drawing = tree.texts()["docs/overview.svg"]
    assert "(docs/overview.svg)" in tree.texts()["README.md"]
    lists = [text for text in re.findall(r"<text [^>]*>(.+?)</text>", drawing) if " · " in text]
    functions = {name for text in lists for name in text.removesuffix(" …").split(" · ")}
    assert len(functions) > len(lists)
    assert functions <= {path.name for path in (tree.ROOT / "functions").iterdir()}


def test_the_tests_that_a_table_of_a_page_names_are_in_the_files_beside_them() -> None:
    wrong, seen = [], 0
    for path, text in tree.pages().items():
        for file, names in NAMED_TESTS.findall(text):
            made = (tree.ROOT / path).parent.joinpath(file).resolve().read_text()
            seen += 1
            wrong += [f"{path}: {name}" for name in re.findall(r"`(test_\w+)`", names) if f"def {name}(" not in made]
    assert wrong == []
    assert seen > 20
