"""Measures what it costs to clean and compare 2,000 code points of a kind: `python -m emulators.bench.texts`.

The floor is what Python's own library needs for the same text: NFC, NFKD and casefold. The bound is on the slowest
kind, in milliseconds of CPU time of the best of several rounds.
"""

import sys
import time
import unicodedata
from collections.abc import Callable, Mapping

from shared.social import text

LENGTH = 2000
ROUNDS = 15
BOUND_MS = 25.0
KINDS: Mapping[str, str] = {
    "English": "Free chips tonight, who is in? ",
    "Spanish with accents": "¿Quién ganó las fichas ayer? ",
    "families": "👩\u200d👩\u200d👧\u200d👦",
    "flags": "🇧🇷",
    "marks": "\u0301",
    "marks of many classes": "\u0345\u0301\u0316\u0327\u0334",
    "letters with three marks": "a\u0301\u0302\u0303",
    "a letter that is eighteen": "\ufdfa",
    "Cyrillic look-alikes": "\u0440ut\u0430 ",
    "pieces": "f ",
    "drawn out": "f",
    "zero-width blanks": "\u200b",
    "Hangul parts": "\u1112\u1161\u11ab",
    "different ideographs": "".join(chr(0x4E00 + place) for place in range(LENGTH)),
}


def milliseconds(work: Callable[[str], object], given: str) -> float:
    """The CPU time of the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        work(given)
        best = min(best, time.process_time() - began)
    return best * 1000


def ours(given: str) -> None:
    """Do all that is done with the text of a posted message."""
    cleaned = text.clean(given)
    text.fingerprint(cleaned)
    text.is_allowed(text.skeleton(cleaned))


def floor(given: str) -> None:
    """Do what is needed to read the text at all."""
    unicodedata.normalize("NFC", given)
    unicodedata.normalize("NFKD", given).casefold()


def main() -> None:
    """Print a line for each kind; exit with 1 if one is above the bound."""
    print(f"{'2,000 code points of':28} {'ours ms':>8} {'floor ms':>9} {'twice, ms':>10}")
    worst = 0.0
    for kind, piece in KINDS.items():
        given = (piece * LENGTH)[:LENGTH]
        mine, least, twice = milliseconds(ours, given), milliseconds(floor, given), milliseconds(ours, given * 2)
        worst = max(worst, mine)
        print(f"{kind:28} {mine:8.2f} {least:9.3f} {twice:10.2f}")
    print(f"the slowest kind takes {worst:.1f} ms of at most {BOUND_MS}")
    sys.exit(worst > BOUND_MS)


if __name__ == "__main__":
    main()
