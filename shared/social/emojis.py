"""Pure: which characters and sequences are emoji, by the `emoji` package's copy of Unicode's emoji-test.txt."""

from functools import cache

import emoji

from shared.values.free_text import ZERO_WIDTH_JOINER

VARIATION_SELECTOR_16 = "\ufe0f"  # asks for the coloured form of what is before it
EMOJI_LENGTH_MAX = 16  # code points; the longest sequences of emoji-test.txt have 10
SKIN_TONES = frozenset("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
# They are parts of keycaps, and letters in every other text.
KEYCAP_BASES = frozenset("0123456789#*")


def is_single_emoji(text: str) -> bool:
    """True for exactly one emoji as keyboards send it: with skin tone, joined, a flag or a keycap.

    A skin tone alone, two emoji, a lone regional letter and an emoji beside anything else are none. A sequence that
    Unicode does not list, such as a flag of no country, is none either.
    """
    return len(text) <= EMOJI_LENGTH_MAX and emoji.is_emoji(text) and text not in SKIN_TONES


def may_join(before: str, after: str) -> bool:
    """True if a joiner between these two characters belongs to an emoji; `before` may be a skin tone or a selector."""
    return (before in _parts() or before == VARIATION_SELECTOR_16) and after in _parts()


@cache
def _parts() -> frozenset[str]:
    """The characters that are part of any emoji, without those that are letters elsewhere or show nothing."""
    found = {part for sequence in emoji.EMOJI_DATA for part in sequence}
    unseen = {ZERO_WIDTH_JOINER, VARIATION_SELECTOR_16} | {part for part in found if part >= "\U000e0000"}
    return frozenset(found - unseen - KEYCAP_BASES)
