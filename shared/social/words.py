"""The words that no message may hold (words.txt), and how they are found in a skeleton (text.py).

A word is found as a whole word, so that Scunthorpe, reputation and disputa hold none; an entry with a star also as a
beginning, an end or a part of one. Letters may be repeated, and l and i, u and v stand for each other. A word that is
spelled out ("f u c k", "fu ck") is found when it is made of whole pieces of at most two letters each: "put a" and
"push it" hold none.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

LIST = Path(__file__).with_name("words.txt")
LIKE_ONE = str.maketrans("lv", "iu")
REPEATED = re.compile(r"(.)\1+")
PIECE_LENGTH_MAX = 2
SPELLED_LENGTH_MIN = 4  # f, a and g are three chords
SPELLED_LENGTH_MAX = 16
DRAWN_OUT = 3  # so often is a letter repeated on purpose
# Words of at most two letters, without accents. Whoever writes nothing but such words, as in "vi a do", spells nothing.
ENGLISH = "a i o am an as at be by do go he hi id if in is it me my no of oh ok on or so to up us we"
SPANISH = "e u y al da de di el en es fe ha la le lo mi ni os se si su te ti tu un va ve vi ya yo"
PORTUGUESE = "ao em eu ma na ne ou pa pe po um"
SHORT_WORDS = frozenset(f"{ENGLISH} {SPANISH} {PORTUGUESE}".translate(LIKE_ONE).split())


@dataclass(frozen=True)
class ListedWord:
    """A word of the list: its letters in the form that is compared, the same without repeated letters, its pattern."""

    letters: str
    squeezed: str
    pattern: re.Pattern[str]


def are_in(skeleton: str) -> bool:
    """True if a word of the list is in this skeleton: small letters, in words with one blank between."""
    text = skeleton.translate(LIKE_ONE)
    squeezed = REPEATED.sub(r"\1", text)
    if any(entry.squeezed in squeezed and entry.pattern.search(text) for entry in entries()):
        return True
    return any(_is_spelled_in(pieces) for pieces in _runs_of_pieces(text.split(" ")))


@cache
def entries() -> tuple[ListedWord, ...]:
    """The list, read once."""
    lines = LIST.read_text(encoding="ascii").splitlines()
    return tuple(_entry(word) for line in lines if not line.startswith("#") for word in line.split())


@cache
def _spelled() -> frozenset[str]:
    return frozenset(entry.letters for entry in entries() if len(entry.letters) >= SPELLED_LENGTH_MIN)


def _entry(word: str) -> ListedWord:
    """The entry for a word with or without stars.

    Its pattern takes no letter back that it took once (possessive quantifiers), and begins only where the first letter
    does: its time grows with the text's length and not with its square.
    """
    letters = word.strip("*").translate(LIKE_ONE)
    is_part = "*" in word
    begin = f"(?<!{letters[0]})" if word.startswith("*") else "(?<![^ ])"
    end = "" if word.endswith("*") else "(?![^ ])"
    runs = [(letter, len(list(same))) for letter, same in groupby(letters)]
    middle = "".join(_repeated(letter, count, any_number=is_part) for letter, count in runs)
    return ListedWord(letters, REPEATED.sub(r"\1", letters), re.compile(begin + middle + end))


def _repeated(letter: str, count: int, *, any_number: bool) -> str:
    """The pattern for a letter that stands `count` times in a row. `any_number` allows it more often; without it a
    single letter may only be repeated as often as people do on purpose (DRAWN_OUT).
    """
    if any_number or count > 1:
        return f"{letter}{{{count},}}+"
    return f"(?:{letter}(?!{letter})|{letter}{{{DRAWN_OUT},}}+)"


def _runs_of_pieces(pieces: Iterable[str]) -> list[list[str]]:
    """The pieces of at most two letters that follow each other."""
    groups = groupby(pieces, lambda piece: len(piece) <= PIECE_LENGTH_MAX)
    return [list(same) for is_short, same in groups if is_short]


def _is_spelled_in(pieces: list[str]) -> bool:
    for first in range(len(pieces)):
        joined = ""
        for last, piece in enumerate(pieces[first : first + SPELLED_LENGTH_MAX], first + 1):
            joined += piece
            if joined in _spelled() and not SHORT_WORDS.issuperset(pieces[first:last]):
                return True
    return False
