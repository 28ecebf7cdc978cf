"""Free text is kept as people see it, and nothing is kept that they cannot see."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.values import free_text

KEPT = {
    "an accent": "José Ångström",
    "an apostrophe": "Siobhán O\u2019Brien",
    "a script without blanks": "李小龍",
    "a script from the right": "محمد عبد الله",
    "marks and a virama": "श्रीमती",
    "a joiner after a virama": "ක්\u200dෂ",
    "a non-joiner in Persian": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "a joined emoji": "👩\u200d💻",
    "a family, and a heart on fire": "👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥",
    "an emoji with a tone, joined": "👩🏽\u200d🚀",
    "a keycap": "1\ufe0f\u20e3",
    "the flag of Scotland": "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "a variant of an ideograph": "葛\U000e0100城",
    "an emoji newer than this Python": "\U0001fae9",
}
REFUSED = {
    "escape": "\x1b[31m",
    "delete": "\x7f",
    "a bell": "\x07",
    "a C1 control": "\x9b",
    "right-to-left override": "\u202e",
    "an isolate": "\u2066",
    "a direction mark": "\u200f",
    "Arabic letter mark": "\u061c",
    "a zero-width blank": "\u200b",
    "a byte order mark": "\ufeff",
    "a soft hyphen": "\u00ad",
    "a word joiner": "\u2060",
    "an invisible sign": "\u2063",
    "a Hangul filler": "\u3164",
    "a half-width filler": "\uffa0",
    "a Mongolian separator": "\u180e",
    "a grapheme joiner": "\u034f",
    "an empty Braille cell": "\u2800",
    "a tag": "\U000e0041",
    "private use": "\ue000",
    "a joiner between letters": "\u200d",
    "a non-joiner between letters": "\u200c",
    "two variation selectors": "\ufe0f\ufe0f",
    "not a character": "\uffff",
}
LINE_ENDS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_what_scripts_and_emoji_need_is_kept(text: str) -> None:
    normal = unicodedata.normalize("NFC", text)
    assert free_text.line(text) == free_text.lines(text) == free_text.shown(text) == normal


@pytest.mark.parametrize("unseen", REFUSED.values(), ids=REFUSED)
def test_what_nobody_sees_is_refused_by_its_code_point_alone(unseen: str) -> None:
    for read in (free_text.line, free_text.lines):
        with pytest.raises(ValueError, match="cannot be seen, such as U\\+") as refused:
            read(f"Secret{unseen}Name")
        assert "Secret" not in str(refused.value)
    assert free_text.shown(f"Secret{unseen}Name").isprintable()


@pytest.mark.parametrize("end", LINE_ENDS, ids=[f"U+{ord(end[0]):04X}" for end in LINE_ENDS])
def test_only_lines_have_line_breaks_and_of_one_kind(end: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        free_text.line(f"Ada{end}Bcc: eve@example.com")
    assert free_text.lines(f"Ada{end}King") == "Ada\nKing"
    assert free_text.shown(f"Ada{end}Bcc: eve@example.com") == "Ada Bcc: eve@example.com"


def test_blanks_are_plain_ones_and_none_at_the_ends() -> None:
    assert free_text.line("\t\u00a0Ada \u3000 King\u2009\n") == "Ada King"
    assert free_text.lines(" \n\tAda  King\u00a0\n\nsays\n") == "Ada  King\n\nsays"


def test_two_ways_of_writing_a_letter_are_one() -> None:
    assert free_text.line("Jose\u0301") == "Jos\u00e9"


def test_first_words_are_kept_that_fit() -> None:
    assert free_text.shortened("Ada King", 8) == "Ada King"
    assert free_text.shortened("Ada King of Lovelace", 12) == "Ada King of"
    assert free_text.shortened("Ada King of Lovelace", 8) == "Ada King"
    assert free_text.shortened("x" * 71, 70) == ""


@given(st.text(st.characters(max_codepoint=sys.maxunicode), max_size=40))
def test_what_is_kept_is_kept_again_and_shows_no_control(text: str) -> None:
    try:
        kept = free_text.line(text)
    except ValueError:
        return
    assert free_text.line(kept) == kept == free_text.shown(kept)
    assert not {unicodedata.category(letter) for letter in kept} & {"Cc", "Cs", "Zl", "Zp"}


@given(st.text(max_size=60))
def test_what_is_shown_is_always_one_line(text: str) -> None:
    shown = free_text.shown(text)
    assert len(shown.splitlines()) <= 1
    assert "\x00" not in shown
