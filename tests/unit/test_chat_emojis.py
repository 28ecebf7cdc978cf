"""A reaction is one emoji, as keyboards send it."""

import emoji as listed
import pytest

from shared.social import text
from shared.social.emojis import EMOJI_LENGTH_MAX, SKIN_TONES, is_single_emoji

ONE = [
    "😀", "❤", "❤\ufe0f", "👍🏽", "👩\u200d👩\u200d👧\u200d👦", "👩🏽\u200d🚀", "🏳\ufe0f\u200d🌈", "🙂\u200d↔\ufe0f",
    "🇧🇷", "🇵🇷", "1\ufe0f\u20e3", "#\ufe0f\u20e3", "\U0001fae9", "☠\ufe0f",
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
]  # fmt: skip
NONE = [
    "", "a", "1", "#", "*", ":)", "😀😀", "😀 ", " 😀", "😀a", "🇧", "🇽🇽", "🇧🇷🇵🇷", "🏽", "\ufe0f", "\u200d", "\u20e3",
    "👩\u200d", "\u200d👩", "👩\u200d👩\u200d👩\u200d👩\u200d👩", "😀\u0301", "😀\u200b", "\ud83d", "é", "世",
    "a\u20e3", "🏴\U000e0078\U000e0078\U000e007f", "<script>", "😀" * 2000,
]  # fmt: skip


@pytest.mark.parametrize("given", ONE)
def test_one_emoji_is_one(given: str) -> None:
    assert is_single_emoji(given)
    assert text.clean(given) == given


@pytest.mark.parametrize("given", NONE)
def test_anything_else_is_none(given: str) -> None:
    assert not is_single_emoji(given)


def test_every_listed_emoji_is_one_and_stays_as_it_is() -> None:
    for given in listed.EMOJI_DATA:
        assert is_single_emoji(given) == (given not in SKIN_TONES), given
        assert len(given) <= EMOJI_LENGTH_MAX
        assert text.clean(given) == given or len(given) == 1, given
