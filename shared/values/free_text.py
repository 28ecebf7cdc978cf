"""Free text: how it is normalised, and which invisible characters are refused.

A field that has no pattern is one of two kinds. A line (a name, a city, a title) is one line of visible text. Lines (a
bio, a note, a reason) may have line breaks. Both are brought into Unicode's form NFC; blanks at their ends are dropped;
every kind of blank becomes a plain one. Control characters are refused, and so are characters that turn the direction
of writing around, and characters that show nothing: they break headers and lists, and make one name look like another.

What scripts and emoji need is kept: the joiners where RFC 5892 (appendix A) allows them and between emoji, variation
selectors after what they vary, and the tags of a flag.
"""

import re
import unicodedata

ZERO_WIDTH_NON_JOINER, ZERO_WIDTH_JOINER = "\u200c", "\u200d"
VIRAMA = 9  # the canonical combining class of signs that a joiner may follow
LINE_END = re.compile("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f")
# Controls, formats (everything that turns or joins is among them), surrogates, private use, and ends of lines.
UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
# Letters, marks and symbols that Unicode calls default-ignorable, or that are blank: fillers, joiners of graphemes.
UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\uffa0\ufff0-\uffff\ufdd0-\ufdef"
    "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
VARIATION = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def line(text: str) -> str:
    """One line in normalized form. Raises ValueError, which names the character and never the text."""
    return re.sub(" {2,}", " ", _read(text))


def lines(text: str) -> str:
    """Lines in normalized form, separated by line feeds. Raises ValueError, which never quotes the text."""
    return "\n".join(_read(part) for part in LINE_END.split(text)).strip()


def shown(text: str) -> str:
    """One line for a header or a log, from text stored before this check existed: unseen characters become blanks.

    Raises nothing.
    """
    normal = unicodedata.normalize("NFC", text)
    unseen = set(_unseen(normal))
    return " ".join("".join(" " if place in unseen else letter for place, letter in enumerate(normal)).split())


def shortened(text: str, length_max: int) -> str:
    """The first words of the text that fit; the empty text when not even one does."""
    if len(text) <= length_max:
        return text
    return text[: length_max + 1].rpartition(" ")[0]


def may_join(joiner: str, before: str, after: str) -> bool:
    """True if a script or a picture needs the joiner between these two characters, each of which may be empty."""
    if not before or not after or after == " ":
        return False
    if unicodedata.combining(before) == VIRAMA:
        return True
    if joiner == ZERO_WIDTH_NON_JOINER:
        return unicodedata.bidirectional(before) in ("AL", "NSM") and unicodedata.bidirectional(after) == "AL"
    is_picture = unicodedata.category(before) in ("So", "Sk") or bool(VARIATION.match(before))
    return is_picture and unicodedata.category(after) == "So"


def _read(text: str) -> str:
    """The text with plain blanks, in form NFC. Raises ValueError for line breaks and unseen characters."""
    read = unicodedata.normalize("NFC", "".join(_blank(letter) for letter in text)).strip()
    if LINE_END.search(read):
        raise ValueError("must be one line, without line breaks")
    if unseen := _unseen(read):
        raise ValueError(f"must not contain characters that cannot be seen, such as U+{ord(read[unseen[0]]):04X}")
    return read


def _blank(letter: str) -> str:
    return " " if letter == "\t" or unicodedata.category(letter) == "Zs" else letter


def _unseen(text: str) -> list[int]:
    """The positions of characters that show nothing; a flag's tags are judged as part of the flag."""
    without_tags = FLAG.sub(lambda flag: "\U0001f3f4" * len(flag[0]), text)
    return [place for place in range(len(text)) if _is_unseen(without_tags, place)]


def _is_unseen(text: str, place: int) -> bool:
    letter = text[place]
    if letter.isascii():
        return not letter.isprintable()
    before, after = text[place - 1 : place] if place else "", text[place + 1 : place + 2]
    if letter in (ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER):
        return not may_join(letter, before, after)
    if VARIATION.match(letter):
        return not before or before == " " or bool(VARIATION.match(before))
    return unicodedata.category(letter) in UNSEEN_CATEGORIES or bool(UNSEEN.match(letter))
