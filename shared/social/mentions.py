"""Pure: the members that a message mentions, as "@username" with the letters of a username (shared/values/typed.py)."""

import re
from typing import NamedTuple

from shared.values import typed

MENTIONS_MAX = 5
# Not in addresses of mail, of pages and of accounts elsewhere: no letter, digit or sign of an address is beside it.
MENTION = re.compile(rf"(?<![\w@./:+-])@({typed.USERNAME.pattern})(?![\w@])")


class Mention(NamedTuple):
    """A username as it is written, and where: `start` is the place of the @ and `end` the one behind the name, both in
    code points.
    """

    username: str
    start: int
    end: int


def mentions(text: str) -> list[Mention]:
    """The first mentions of a text, at most MENTIONS_MAX of them; nothing says that there are such members."""
    found: list[Mention] = []
    for each in MENTION.finditer(text):
        found.append(Mention(each[1], each.start(), each.end()))
        if len(found) == MENTIONS_MAX:
            break
    return found
