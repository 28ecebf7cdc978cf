"""Pure: names, emote codes and links travel through a translation as numbered tokens, and come back unchanged.

`mark` puts a token such as ⟦0⟧ in the place of each; `restore` puts them back. Brackets of this kind that a member
wrote are tokens themselves, so that nothing in a message can be taken for one of ours.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shared.social.mentions import MENTION

OPEN, CLOSE = "\u27e6", "\u27e7"
BRACKET = re.compile(f"[{OPEN}{CLOSE}]")
TOKEN = re.compile(rf"{OPEN}\s{{0,3}}([0-9]{{1,4}})\s{{0,3}}{CLOSE}")
# A link ends before the signs that end a sentence. Possessive: no character is looked at twice.
LINK = re.compile(
    r"(?:https?://|www\.)(?:[^\s.,;:!?'\")\]}]++|[.,;:!?'\")\]}]++(?=[^\s.,;:!?'\")\]}]))+", re.IGNORECASE
)
WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Marked:
    """A text with tokens, and what each stands for, by its number."""

    text: str
    parts: tuple[str, ...]

    @property
    def has_words(self) -> bool:
        """False when nothing but tokens and signs is left, which needs no translation."""
        return any(map(str.isalpha, TOKEN.sub("", self.text)))


def mark(text: str, emote_codes: Collection[str] = ()) -> Marked:
    """The text with a token in the place of each mention, link and emote code (a word that is one of these)."""
    spans = [each.span() for each in LINK.finditer(text)]
    spans += [each.span() for each in MENTION.finditer(text)]
    spans += [each.span() for each in BRACKET.finditer(text)]
    spans += [each.span() for each in WORD.finditer(text) if each[0] in emote_codes]
    made: list[str] = []
    parts: list[str] = []
    done = 0
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start < done:
            continue  # it is within the one before, such as a bracket in a link
        made += [text[done:start], f"{OPEN}{len(parts)}{CLOSE}"]
        parts.append(text[start:end])
        done = end
    return Marked("".join([*made, text[done:]]), tuple(parts))


def restore(translated: str, parts: Sequence[str]) -> str:
    """The translation with every part in it exactly once.

    A part whose token did not come back is put at the end. A token that came twice, or that was never sent, goes, and
    so does half a token. Raises nothing.
    """
    made: list[str] = []
    missing = dict(enumerate(parts))
    done = 0
    for token in TOKEN.finditer(translated):
        made += [BRACKET.sub("", translated[done : token.start()]), missing.pop(int(token[1]), "")]
        done = token.end()
    text = "".join([*made, BRACKET.sub("", translated[done:])])
    return " ".join([text, *missing.values()]) if missing else text
