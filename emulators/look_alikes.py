"""Writes shared/social/look_alikes.txt from the package confusable-homoglyphs: `make look-alikes`.

The package (MIT) has Unicode's confusables (UTS #39) as pairs, each in both directions. Kept is what can stand for a
Latin letter: letters, numbers that are letters, and pictures of letters. Letters of scripts that are written from the
right are not: they do not make a Latin word look whole. Compositions (full-width letters, mathematical ones) are left
out, because NFKD makes plain letters of them.
"""

import json
import re
import string
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.metadata import version

from shared.social.look_alikes import TABLE

PACKAGE = "confusable_homoglyphs"
KINDS = ("L", "Nl", "So")
NAMED = re.compile(
    r"(LATIN LETTER SMALL CAPITAL|REGIONAL INDICATOR SYMBOL LETTER|"
    r"(CROSSED )?NEGATIVE (SQUARED|CIRCLED) LATIN CAPITAL LETTER) (?P<letter>[A-Z])"
)
STEPS = 2  # from one character to the next that it is confused with, such as from the kra to the small capital K
SIGNS = frozenset("\u00a9\u00ae\u2117")  # copyright and the like stand beside words, not in them
HEADER = """\
# Characters that look like Latin letters, in hexadecimal. emulators/look_alikes.py wrote it from confusable-homoglyphs
# {version}; the data are Unicode's (Unicode License V3): https://www.unicode.org/reports/tr39/#Confusable_Detection
"""


def text() -> str:
    """The text of the whole file, its header included."""
    by_letters: dict[str, list[str]] = {}
    for character, letters in sorted(_table().items()):
        by_letters.setdefault(letters, []).append(f"{ord(character):04X}")
    lines = [" ".join([letters, *codes]) for letters, codes in sorted(by_letters.items())]
    return HEADER.format(version=version(PACKAGE.replace("_", "-"))) + "\n".join(lines) + "\n"


def _table() -> dict[str, str]:
    pairs = _pairs()
    named = {character: found["letter"].lower() for character, found in _named()}
    table = named | {character: letters for character in pairs if (letters := _letters(pairs[character]))}
    for _ in range(STEPS):
        steps = {character: next((table[other] for other in others if other in table), "")
                 for character, others in pairs.items() if character not in table}  # fmt: skip
        table |= {character: letters for character, letters in steps.items() if letters}
    small = {character.lower(): letters for character, letters in table.items() if len(character.lower()) == 1}
    table = {**{character: letters for character, letters in small.items() if not character.isascii()}, **table}
    return {character: "i" if (letters, table.get(character.lower())) == ("l", "i") else letters
            for character, letters in table.items()}  # fmt: skip


def _pairs() -> Mapping[str, list[str]]:
    """For each character that may stand in the table, what it is confused with."""
    raw = json.loads(resources.files(PACKAGE).joinpath("confusables.json").read_text(encoding="utf-8"))
    found = {_bare(name): [_bare(other["c"]) for other in others] for name, others in raw.items()}
    return {name: others for name, others in found.items() if len(name) == 1 and _may_stand(name)}


def _bare(text: str) -> str:
    """The text without the marks of direction that the package puts around letters written from the right."""
    return text.strip("\u200e\u200f")


def _may_stand(character: str) -> bool:
    return (
        not character.isascii()
        and character not in SIGNS
        and unicodedata.category(character).startswith(KINDS)
        and unicodedata.bidirectional(character) not in ("R", "AL")
        and unicodedata.normalize("NFKD", character) == character
    )


def _letters(others: list[str]) -> str:
    """The Latin letters that one of these is, without its marks: a single letter rather than two; empty for none."""
    plain = [
        "".join(part for part in unicodedata.normalize("NFKD", other) if not unicodedata.combining(part)).lower()
        for other in others
        if not other.isdigit()
    ]
    latin = [each for each in plain if each and all(part in string.ascii_lowercase for part in each)]
    return min(latin, key=len, default="").replace("rn", "m")


def _named() -> Iterator[tuple[str, re.Match[str]]]:
    for number in range(0x80, sys.maxunicode + 1):
        if found := NAMED.fullmatch(unicodedata.name(chr(number), "")):
            yield chr(number), found


if __name__ == "__main__":
    TABLE.write_text(text(), encoding="ascii")
