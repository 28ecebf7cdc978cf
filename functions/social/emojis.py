"""Reads reactions: one emoji, as a keyboard makes it. Pure."""

import unicodedata

from shared.social import emojis
from shared.values.problems import NotValid


def one(text: str) -> str:
    """The emoji in form NFC. Raises NotValid unless the text is a single emoji."""
    found = unicodedata.normalize("NFC", text)
    if not emojis.is_single_emoji(found):
        raise NotValid(errors=[{"field": "/emoji", "message": "must be a single emoji"}])
    return found
