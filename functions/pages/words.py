"""The messages of the pages in each language (messages/<language>.json), and how numbers are written.

A message is a text, or one text for a single thing (`one`) and one for any other number (`other`). {name} stands for a
value.
"""

import json
from collections.abc import Mapping
from functools import cache

from functions.pages.assets import FOLDER
from shared.messages import wording
from shared.messages.lines import LINES
from shared.messages.wording import Language
from shared.values.tiers import Tier

Message = str | Mapping[str, str]

NAMES: Mapping[Language, str] = {"en": "English", "es": "Español", "pt": "Português"}
TOLD_LINES = (
    *("someone_won", "someone_won_prize", "someone_was_paid"),  # of the feed
    *("won", "higher_prize_won", "prize_locked", "tier_needed"),  # of decisions
)


@cache
def messages(language: Language) -> Mapping[str, Message]:
    """All messages of a language by name."""
    found: Mapping[str, Message] = json.loads((FOLDER / "messages" / f"{language}.json").read_text(encoding="utf-8"))
    return found


def say(language: Language, name: str, **values: object) -> str:
    """A message with its values. Raises KeyError for a message or a value that is not there."""
    message = messages(language)[name]
    if not isinstance(message, str):
        message = message["one" if _is_one(language, values["count"]) else "other"]
    return message.format_map({key: written(language, value) for key, value in values.items()})


def written(language: Language, value: object) -> str:
    """A value as people read it: whole numbers with their separators, anything else as it is."""
    if isinstance(value, int) and not isinstance(value, bool):
        return wording.written("scans", value, language)
    return str(value)


@cache
def for_browsers(language: Language) -> Mapping[str, object]:
    """All that the pages' modules need to write figures by themselves."""
    return {
        "language": language,
        "messages": messages(language),
        "lines": {code: getattr(LINES[code], language) for code in TOLD_LINES},
        "prizes": {prize.value: names[language] for prize, names in wording.PRIZES.items()},
        "tiers": {tier.value: tier.label for tier in Tier},
    }


def _is_one(language: Language, count: object) -> bool:
    """Whether a language uses its singular for so many (CLDR; Portuguese also for nothing)."""
    return count in (0, 1) if language == "pt" else count == 1
