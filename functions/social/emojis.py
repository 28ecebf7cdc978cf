"""Reads reactions: one emoji, as a keyboard makes it. Pure."""

import re
import unicodedata

from shared.values.problems import NotValid

CODE_POINTS_MAX = 15  # a family or a flag of a region has fewer
# The blocks in which Unicode has emoji (emoji-data.txt). A few of their characters are symbols that no keyboard offers.
_BASE = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u231a\u231b\u2328\u23cf\u23e9-\u23f3\u23f8-\u23fa"
    "\u24c2\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2600-\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u3030"
    "\u303d\u3297\u3299\U0001f004\U0001f0cf\U0001f170\U0001f171\U0001f17e\U0001f17f\U0001f18e\U0001f191-\U0001f19a"
    "\U0001f201\U0001f202\U0001f21a\U0001f22f\U0001f232-\U0001f23a\U0001f250\U0001f251\U0001f300-\U0001f64f"
    "\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7eb\U0001f90c-\U0001f9ff\U0001fa70-\U0001faff]"
)
_ONE = f"{_BASE}\ufe0f?[\U0001f3fb-\U0001f3ff]?"  # shown in colours, in a tone of skin
_REGION = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f"
EMOJI = re.compile(f"[\U0001f1e6-\U0001f1ff]{{2}}|[0-9#*]\ufe0f?\u20e3|{_REGION}|{_ONE}(?:\u200d{_ONE})*")


def one(text: str) -> str:
    """The emoji in form NFC. Raises NotValid unless the text is a single emoji."""
    found = unicodedata.normalize("NFC", text)
    is_known = all(unicodedata.category(character) != "Cn" for character in found)
    if len(found) > CODE_POINTS_MAX or not EMOJI.fullmatch(found) or not is_known:
        raise NotValid(errors=[{"field": "/emoji", "message": "must be a single emoji"}])
    return found
