"""The text of a chat message: how it is cleaned before it is stored, and what it is compared by.

`clean` keeps what people can see and scripts need. `skeleton` is for filters only and never shown: what looks alike is
equal in it. Each takes time in proportion to the text's length, whatever the text holds.
"""

import enum
import hashlib
import re
import unicodedata
from functools import lru_cache

from shared.social import emojis, look_alikes, words
from shared.values import free_text

MARKS_MAX = 3  # on one letter
# Sorting the marks of one letter takes the square of their number: Unicode's Stream-Safe Text Format (UAX #15) has 30.
MARKS_SORTED_MAX = 30
PASSES_MAX = 5
FOLDED_MAX = 4  # letters that one character counts for; a ligature of Arabic has 18
KNOWN_MAX = 8192  # characters whose kind or fold is remembered
BLANKS = re.compile(" {2,}")
EDGES = re.compile(" ?\n ?")
EMPTY_LINES = re.compile("\n{3,}")  # two in a row show one empty line
ASCII_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
APOSTROPHES = frozenset("'`\u00b4\u02b9\u02bb\u02bc\u02bd\u2018\u2019\u201b\u2032\uff07")
# A run of letters and digits with apostrophes and signs that stand for letters: at most two between them, dollars at
# the ends too.
CHUNK = re.compile(r"\$?[^\W_]+(?:[@$!|+€£']{1,2}[^\W_]+)*\${0,2}")
LEETSPEAK = str.maketrans("013457@$!|+€£", "oieastasiitel")


class _Kind(enum.Enum):
    """The part that a character plays for a reader."""

    SEEN = enum.auto()
    MARK = enum.auto()
    SELECTOR = enum.auto()
    JOINER = enum.auto()
    BLANK = enum.auto()
    UNSEEN = enum.auto()


def clean(text: str) -> str:
    """The text as it is stored and shown, in NFC. It may be empty, or longer than a message may be.

    Characters that nobody sees go: controls, what turns the direction of writing, fillers, half surrogates, joiners
    where neither a script nor an emoji needs them. A letter keeps three marks. White space becomes single blanks and
    line feeds, with at most one empty line in a row. Cleaning a cleaned text changes nothing. Raises nothing.
    """
    found = text
    for _ in range(PASSES_MAX):  # what goes can bring two characters together: the second pass hardly ever finds more
        before, found = found, _cleaned(found)
        if found == before:
            break
    return found


def skeleton(text: str) -> str:
    """The text as a reader takes it: small letters without marks, in words with one blank between.

    Look-alikes, regional indicators and leetspeak are Latin letters; digits beside letters are letters or go; all else
    parts words. Words are kept apart because without blanks "push it" would hold a word of the list. Raises nothing.
    """
    folded = "".join(map(_folded, text))
    return " ".join(word for word in (_word(chunk[0]) for chunk in CHUNK.finditer(folded)) if word)


def fingerprint(text: str) -> bytes:
    """32 bytes that are equal for messages that say the same: the SHA-256 of the skeleton without its blanks.

    Of a text without letters, such as emoji or numbers, it is the SHA-256 of what is seen of it. It is about the text
    alone: a picture beside it is the caller's to tell apart. Raises nothing.
    """
    letters = skeleton(text).replace(" ", "")
    if letters:
        return hashlib.sha256(b"letters " + letters.encode()).digest()
    seen = "".join(unicodedata.normalize("NFKC", clean(text)).split())
    return hashlib.sha256(b"signs " + seen.encode()).digest()


def is_allowed(skeleton: str) -> bool:
    """False when a text of this skeleton holds a word of the list (words.txt), also spelled out or with signs."""
    return not words.are_in(skeleton)


def _cleaned(text: str) -> str:
    lines = free_text.LINE_END.sub("\n", text)
    if lines.isascii():
        return _tidied(ASCII_UNSEEN.sub("", lines.replace("\t", " ")))
    composed = unicodedata.normalize("NFC", _with_marks_bounded(lines))
    return _tidied(unicodedata.normalize("NFC", _visible(composed)))


def _tidied(text: str) -> str:
    return EMPTY_LINES.sub("\n\n", EDGES.sub("\n", BLANKS.sub(" ", text))).strip()


def _with_marks_bounded(text: str) -> str:
    """The text with so few marks in a row that they are sorted quickly."""
    kept, marks = [], 0
    for letter in text:
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if marks <= MARKS_SORTED_MAX:
            kept.append(letter)
    return "".join(kept)


def _visible(text: str) -> str:
    """The characters that are seen; each is judged by what was kept before it and by the one that follows."""
    tags = {place for flag in free_text.FLAG.finditer(text) for place in range(flag.start() + 1, flag.end())}
    kept: list[str] = []
    marks = 0
    for place, letter in enumerate(text):
        kind = _Kind.SEEN if place in tags else _kind(letter)
        if kind is _Kind.UNSEEN or not _belongs(kind, letter, kept, marks, text[place + 1 : place + 2]):
            continue
        kept.append(" " if kind is _Kind.BLANK else letter)
        if kind is _Kind.MARK:
            marks += 1
        elif kind in (_Kind.SEEN, _Kind.BLANK):
            marks = 0
    return "".join(kept)


def _belongs(kind: _Kind, letter: str, kept: list[str], marks: int, after: str) -> bool:
    """True for a character that stands by itself, or that goes with what is before it."""
    if kind in (_Kind.SEEN, _Kind.BLANK):
        return True
    before = kept[-1] if kept else " "
    if kind is _Kind.MARK:
        return marks < MARKS_MAX and not before.isspace()
    if kind is _Kind.SELECTOR:
        return not before.isspace() and _kind(before) is _Kind.SEEN
    is_zero_width_joiner = letter == free_text.ZERO_WIDTH_JOINER
    return free_text.may_join(letter, before, after) or (is_zero_width_joiner and emojis.may_join(before, after))


@lru_cache(maxsize=KNOWN_MAX)
def _kind(letter: str) -> _Kind:
    if letter in (free_text.ZERO_WIDTH_JOINER, free_text.ZERO_WIDTH_NON_JOINER):
        return _Kind.JOINER
    if free_text.VARIATION.match(letter):
        return _Kind.SELECTOR
    category = unicodedata.category(letter)
    if letter == "\n":
        return _Kind.SEEN
    if letter == "\t" or category == "Zs":
        return _Kind.BLANK
    is_no_character = ord(letter) & 0xFFFE == 0xFFFE  # noqa: PLR2004 - the last two of each plane are no characters
    if category in free_text.UNSEEN_CATEGORIES or free_text.UNSEEN.match(letter) or is_no_character:
        return _Kind.UNSEEN
    return _Kind.MARK if category.startswith("M") else _Kind.SEEN


@lru_cache(maxsize=KNOWN_MAX)
def _folded(letter: str) -> str:
    """The characters that stand for this one before words are read: none, if it is not seen by itself."""
    if letter in APOSTROPHES:
        return "'"
    if letter == "\n" or free_text.LINE_END.fullmatch(letter):
        return " "
    if _kind(letter) in (_Kind.UNSEEN, _Kind.MARK, _Kind.SELECTOR, _Kind.JOINER):
        return ""
    latin = look_alikes.latin()
    parts = [latin.get(part) or latin.get(part.casefold()) or part for part in _decomposed(letter)]
    return "".join(latin.get(part, part) for whole in parts for part in _decomposed(whole.casefold()))[:FOLDED_MAX]


def _decomposed(text: str) -> list[str]:
    """The characters in NFKD, without marks and apostrophes, and with ASCII digits for those of other scripts."""
    parts = [part for part in unicodedata.normalize("NFKD", text) if part not in APOSTROPHES]
    seen = [part for part in parts if not unicodedata.category(part).startswith("M")]
    return [part if part.isascii() else str(unicodedata.decimal(part, part)) for part in seen]


def _word(chunk: str) -> str:
    """The letters of a chunk, with signs and digits as letters; empty for a number. They're is they, because who're
    would be a word of the list.
    """
    bare = chunk.removesuffix("'re")
    if not any(map(str.isalpha, bare)):
        return ""
    return "".join(filter(str.isalpha, bare.translate(LEETSPEAK)))
