"""A chat message is stored as people see it, and compared by what they take it for, whatever is sent."""

import sys
import unicodedata
from collections.abc import Callable

import pytest

from shared.social import text
from shared.social.emojis import is_single_emoji
from shared.values import free_text

LENGTH = 2000
FLAG_OF_SCOTLAND = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
KEPT = {
    "an accent": "José Ångström",
    "marks and a virama": "श्रीमती",
    "a joiner after a virama": "ක්\u200dෂ",
    "a non-joiner in Persian": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "Vietnamese with two marks": "Tiếng Việt",
    "Hebrew with points": "שָׁלוֹם",
    "Thai with a tone": "ภาษาไทยที่นี่",
    "a family": "👩\u200d👩\u200d👧\u200d👦",
    "a heart on fire": "❤\ufe0f\u200d🔥",
    "an emoji with a tone, joined": "👩🏽\u200d🚀",
    "a head that shakes, with an arrow that is a sign of mathematics": "🙂\u200d↔\ufe0f",
    "an emoji newer than this Python": "\U0001fae9",
    "a keycap": "1\ufe0f\u20e3",
    "flags": f"🇵🇷 🇧🇷 {FLAG_OF_SCOTLAND}",
    "lines with one empty line": "one\n\ntwo\nthree",
    "a variant of an ideograph": "葛\U000e0100城",
}
CLEANED = {
    "white space": ("  a\u00a0\u3000 b\t\u2003c ", "a b c"),
    "ends of lines": ("a\r\nb\u2028c\x0bd\x85e", "a\nb\nc\nd\ne"),
    "a tower of empty lines": ("a" + "\n" * 500 + "b", "a\n\nb"),
    "blanks around the end of a line": ("a  \n  b", "a\nb"),
    "controls": ("a\x00\x1b[31mb\x7f\x9bc", "a[31mbc"),
    "a text that turns around": ("abc\u202edcba\u2066x\u2069", "abcdcbax"),
    "marks of direction": ("a\u200eb\u200fc\u061cd", "abcd"),
    "zero-width blanks": ("a\u200bb\u2060c\ufeffd\u00ade", "abcde"),
    "joiners where nothing joins": ("a\u200db\u200cc\u200d", "abc"),
    "a joiner after an emoji and before a letter": ("😀\u200da", "😀a"),
    "fillers": ("\u3164a\u115f\u1160\uffa0b\u2800c\u034f", "abc"),
    "half surrogates": ("a\ud800b\udfff", "ab"),
    "private use and no characters": ("a\ue000b\ufffec\U0001ffffd", "abcd"),
    "tags without a flag": ("a\U000e0061\U000e007fb", "ab"),
    "a selector that selects nothing": ("\ufe0fa \ufe0fb\ufe0f\ufe0f", "a b\ufe0f"),
    "marks without a letter": ("\u0301\u0301 \u0302a", "a"),
    "a flood of marks": ("Z" + "\u0334\u0335\u0336\u0337\u0338" * 100 + "a", "Z\u0334\u0335\u0336a"),
    "a flood with joiners between": ("q" + "\u0336\u200d" * 100, "q\u0336\u0336\u0336"),
    "a flood with selectors between": ("q" + "\u0336\ufe0f" * 100, "q\u0336\u0336\u0336"),
    "marks that are composed first": ("e\u0301\u0323\u0302\u0308\u0304\u0311", "\u1eb9\u0301\u0302\u0308"),
    "letters of two parts": ("e\u0301", "é"),
    "nothing that is seen": ("\u200b\u2800\ufeff \n", ""),
}


@pytest.mark.parametrize("given", KEPT.values(), ids=KEPT)
def test_what_people_see_is_kept(given: str) -> None:
    assert text.clean(given) == given == unicodedata.normalize("NFC", given)


@pytest.mark.parametrize(("given", "expected"), CLEANED.values(), ids=CLEANED)
def test_what_nobody_sees_goes(given: str, expected: str) -> None:
    assert text.clean(given) == expected
    assert text.clean(expected) == expected


def test_no_character_is_left_that_free_text_refuses() -> None:
    """The two rules agree: what a profile refuses as unseen, a message does not show."""
    every = map(chr, range(sys.maxunicode + 1))
    unseen = [each for each in every if unicodedata.category(each) in free_text.UNSEEN_CATEGORIES]
    cleaned = text.clean("a".join(["", *unseen, ""]))
    assert set(cleaned) == {"a", " ", "\n"}  # a tab is a blank, and what ends lines a line feed
    assert cleaned.count("a") == len(unseen) + 1


# What is compared

SAME = {
    "capitals": "FREE CHIPS",
    "accents": "fréé çhïps",
    "Cyrillic and Greek": "frее сhірѕ",
    "Cyrillic capitals": "FRЕЕ СНІРЅ",
    "full width": "ｆｒｅｅ ｃｈｉｐｓ",
    "mathematics": "𝓯𝓻𝓮𝓮 𝕔𝕙𝕚𝕡𝕤",
    "small capitals": "ꜰʀᴇᴇ ᴄʜɪᴘꜱ",
    "black squares and discs": "🅵🆁🅴🅴 🅲🅷🅸🅿🆂",
    "white discs": "ⓕⓡⓔⓔ ⓒⓗⓘⓟⓢ",
    "regional letters": "🇫🇷🇪🇪 🇨🇭🇮🇵🇸",
    "leetspeak": "fr33 ch1p$",
    "struck through": "f\u0336r\u0336e\u0336e\u0336 c\u0336h\u0336i\u0336p\u0336s",
    "a flood of marks": "f" + "\u0334\u0311" * 200 + "ree chips",
    "zero-width blanks within": "f\u200br\u2060e\ufeffe c\u00adh\u200ci\u200dps",
    "turned around": "\u202efree chips\u202c",
    "signs and emoji beside": "¡¡¡ free 🎰 chips !!! 🎉",
    "numbers beside": "free chips 77 1000",
    "fillers within": "fr\u3164ee ch\u115fips",
}


@pytest.mark.parametrize("given", SAME.values(), ids=SAME)
def test_what_looks_alike_is_the_same(given: str) -> None:
    assert text.skeleton(given) == "free chips"
    assert text.fingerprint(given) == text.fingerprint("free chips")


@pytest.mark.parametrize("given", ["f r e e c h i p s", "freechips", "f.r.e.e-c/h_i,p;s", "fr\nee ch\nips"])
def test_spacing_changes_no_fingerprint(given: str) -> None:
    assert text.fingerprint(given) == text.fingerprint("free chips")


def test_a_skeleton_is_letters_and_words_stay_apart() -> None:
    assert text.skeleton("It's 10 o'clock; push-it, name@host.com $5") == "its oclock push it nameahost com"
    assert text.skeleton("Straße Łódź Ørsted ﬁne Æther") == "strasse lodz orsted fine aether"
    assert text.skeleton("привет 世界 مرحبا").split()[1:] == ["世界", "مرحبا"]
    for given in ("", "1000 – 2 × 3", "😀 ¯\\_(-)_/¯", "\ud800", "١٢٣"):
        assert text.skeleton(given) == ""


def test_texts_without_letters_are_told_apart_by_what_is_seen() -> None:
    given = ["", "1", "2", "11", "😀", "😀😀", "😂", "👍", "👍🏽", "?", "!", "+1", "🎉 1", "❤"]
    assert len({text.fingerprint(each) for each in given}) == len(given)
    assert text.fingerprint("1 \u200b1") == text.fingerprint("11")
    assert text.fingerprint("1") != text.fingerprint("i")
    assert text.fingerprint("signs 1") != text.fingerprint("1")
    assert {len(text.fingerprint(each)) for each in given} == {32}


# 2,000 code points of each kind

FLOODS = {
    "ASCII": "a",
    "controls": "\x00",
    "turns": "\u202e\u2066",
    "joiners": "\u200d",
    "zero-width blanks": "\u200b",
    "marks": "\u0301",
    "marks of many classes": "\u0334\u0327\u0316\u0301\u0345",
    "marks in reverse order": "\u0345\u0301\u0316\u0327\u0334",
    "letters with three marks": "a\u0301\u0302\u0303",
    "letters that decompose": "\u1f82",
    "a letter that is eighteen": "\ufdfa",
    "look-alikes": "а",
    "families": "👩\u200d👩\u200d👧\u200d👦",
    "hearts joined": "❤\u200d",
    "flags": "🇧🇷",
    "one regional letter": "🇦",
    "flags of tags": FLAG_OF_SCOTLAND,
    "half a flag of tags": "🏴\U000e0067",
    "keycaps": "1\ufe0f\u20e3",
    "selectors": "\ufe0f",
    "skin tones": "🏽",
    "viramas and joiners": "\u0dca\u200d",
    "Hangul parts": "\u1112\u1161\u11ab",
    "half surrogates": "\ud83d",
    "private use": "\ue000",
    "line feeds": "\n",
    "blanks of many kinds": "\u2003\u00a0\t",
    "pieces": "f ",
    "drawn out": "f",
    "signs between letters": "a@",
    "dollars": "$",
    "apostrophes": "a'",
    "unassigned": "\U0003ffff\U000e1234",
}


def flood(kind: str, length: int = LENGTH) -> str:
    return (FLOODS[kind] * length)[:length]


@pytest.mark.parametrize("kind", FLOODS)
def test_two_thousand_of_a_kind_are_read(kind: str) -> None:
    given = flood(kind)
    cleaned = text.clean(given)
    assert text.clean(cleaned) == cleaned == unicodedata.normalize("NFC", cleaned)
    assert len(cleaned) <= LENGTH
    cleaned.encode()
    skeleton = text.skeleton(given)
    assert text.skeleton(skeleton) == skeleton
    assert text.is_allowed(skeleton)
    assert len(text.fingerprint(given)) == 32
    assert not is_single_emoji(given)


def test_marks_above_a_letter_are_three_however_they_are_sent() -> None:
    for kind in FLOODS:
        marks = 0
        for letter in text.clean("a" + flood(kind)):
            is_mark = unicodedata.category(letter).startswith("M") and letter != "\ufe0f"
            marks = marks + 1 if is_mark else marks * (letter in "\u200d\ufe0f")
            assert marks <= 3, kind


def steps(work: Callable[[], object]) -> int:
    """The number of calls that the work makes, of functions in Python and in C."""
    counted = 0

    def count(_frame: object, event: str, _function: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    work()  # what is remembered of characters is remembered now
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize("kind", FLOODS)
def test_twice_the_text_is_twice_the_work(kind: str) -> None:
    """Sorting of marks and patterns run within C: `python -m emulators.bench.texts` measures these."""

    def work(length: int) -> int:
        given = flood(kind, length)
        return steps(lambda: (text.clean(given), text.is_allowed(text.skeleton(given)), text.fingerprint(given)))

    assert work(2 * LENGTH) <= 2.2 * work(LENGTH) + 100
