"""Pure: the members that a message mentions, as "@username" with the letters of a username (shared/values/typed.py)."""

import re
from itertools import islice
from typing import NamedTuple

from shared.values import typed

# Not in addresses of mail, of pages and of accounts elsewhere: no letter, digit or sign of an address is beside it.
MENTION = re.compile(rf"(?<![\w@./:+-])@({typed.USERNAME.pattern})(?![\w@])")


class Mention(NamedTuple):
    """A username as it is written, and where: `start` is the place of the @ and `end` the one behind the name, both in
    code points.
    """

    username: str
    start: int
    end: int


def mentions(text: str, number_max: int) -> list[Mention]:
    """The first mentions of a text; nothing says that there are such members."""
    first = islice(MENTION.finditer(text), number_max)
    return [Mention(each[1], each.start(), each.end()) for each in first]
