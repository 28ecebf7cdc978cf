"""Every cited code is defined in docs/rules.md, and every cited heading stands in docs/product.md or another page."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.contract.house import tree
from tests.contract.house.tree import ROOT

RULES = "docs/rules.md"
CODE = re.compile(r"(?<![\w%#+])([RIC]|F)([1-9]\d*)(?![0-9A-Za-z])")
RANGE = re.compile(r"(?<![\w%#+])([RICF])(\d+)(?: to |-|\u2013)\1(\d+)(?!\w)")
DEFINED = re.compile(r'^\| <a id="(\w+)"></a>(?:\*\*|`)(\w+)(?:\*\*|`) \| (.+) \|$', re.MULTILINE)
RAISED = re.compile(r"refuse\('(\w+)'")
REFUSALS_BEGIN = "## Refusals of payouts"
OF_THE_SPECIFICATION = re.compile(r"\bplan (?:sections?|features?)\b|\brulings\b", re.IGNORECASE)
CITED_HEADINGS = re.compile(r'(docs/\w+\.md)((?:,\s+(?:(?:#|--)\s+)?"[^"]+")+)')
CITED_IN_A_PAGE = re.compile(r'\]\((\w+\.md)\)((?:,\s+"[^"]+")+)')
LINK = re.compile(r"\]\(([\w./-]*)(?:#([\w-]+))?\)")


def codes_in(text: str) -> set[str]:
    """The codes of rules that a text cites, those inside of a range (`I1 to I13`) too."""
    single = {letter + number for letter, number in CODE.findall(text)}
    return single.union(
        f"{letter}{number}"
        for letter, first, last in RANGE.findall(text)
        for number in range(int(first), int(last) + 1)
    )


def citations() -> Mapping[str, set[str]]:
    """The files that cite a code, without the page of the rules."""
    found = defaultdict[str, set[str]](set)
    for path, text in tree.texts().items():
        for code in codes_in(text) if path != RULES else ():
            found[code].add(path)
    return found


def defined() -> dict[str, str]:
    """The sentence of each code and of each refusal's name."""
    return {name: sentence for _, name, sentence in DEFINED.findall(tree.texts()[RULES])}


def raised() -> set[str]:
    """The names by which the schema refuses something."""
    return {name for path, text in tree.texts().items() if path.endswith(".sql") for name in RAISED.findall(text)}


def sealed() -> set[str]:
    """The migrations that were applied somewhere: their text is fixed for ever, by its digest."""
    (lists,) = (ROOT / "shared").rglob("sealed.txt")
    folder = lists.parent.relative_to(ROOT)
    return {(folder / line.split()[1]).as_posix() for line in lists.read_text().splitlines()}


def test_the_reader_of_codes_knows_a_code_from_what_looks_like_one() -> None:
    assert codes_in("as R2 says; C4-C6, I1 to I3 (F7).") == {"R2", "C4", "C5", "C6", "I1", "I2", "I3", "F7"}
    assert codes_in('"R8_unexplained"') == {"R8"}
    assert codes_in("%F0%9F %C3%A4 #F5 U+F1 0xF1 UTF8 I18N SHA256 F0") == set()


def test_each_code_that_is_cited_is_defined() -> None:
    unknown = {code: sorted(paths) for code, paths in citations().items() if code not in defined()}
    assert unknown == {}


def test_each_code_that_is_defined_is_cited_somewhere() -> None:
    codes = {name for name in defined() if "_" not in name and CODE.fullmatch(name)}
    assert codes
    assert codes - citations().keys() == set()


def test_each_refusal_of_the_schema_is_explained_and_no_other() -> None:
    explained = {name for name in defined() if not CODE.fullmatch(name)}
    assert explained == raised()


def test_each_definition_has_an_anchor_of_its_name_once() -> None:
    rows = DEFINED.findall(tree.texts()[RULES])
    assert [anchor for anchor, name, _ in rows if anchor != name.lower()] == []
    assert len(rows) == len({anchor for anchor, _, _ in rows}) == tree.texts()[RULES].count("<a id=")


def test_nothing_cites_the_specification_by_its_sections() -> None:
    """Its readers do not have it. Sealed migrations keep their comments, because nobody may change them."""
    texts = {path: text for path, text in tree.texts().items() if path not in sealed()}
    assert [path for path, text in texts.items() if OF_THE_SPECIFICATION.search(text)] == []


def headings_cited() -> Iterator[tuple[str, str, str]]:
    """Every citation of a heading: the file that cites, the page, the heading."""
    for path, text in tree.texts().items():
        found = [(page, titles) for page, titles in CITED_HEADINGS.findall(text)]
        if path in tree.pages():
            folder = Path(path).parent
            found += [((folder / page).as_posix(), titles) for page, titles in CITED_IN_A_PAGE.findall(text)]
        for page, titles in found:
            for title in re.findall(r'"([^"]+)"', titles):
                yield path, page, " ".join(title.split())


def test_each_heading_that_is_cited_is_there() -> None:
    cited = list(headings_cited())
    assert any(page == "docs/product.md" for _, page, _ in cited)
    assert [each for each in cited if each[2] not in tree.headings(each[1])] == []


def test_each_link_of_a_page_leads_somewhere() -> None:
    lost = []
    for path, text in tree.pages().items():
        for target, anchor in LINK.findall(tree.FENCED.sub("", text)):
            page = (Path(path).parent / target).as_posix() if target else path
            if not (ROOT / page).exists() or (anchor and anchor not in tree.anchors(page)):
                lost.append((path, target, anchor))
    assert lost == []
