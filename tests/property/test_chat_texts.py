"""Whatever is sent as a message, cleaning and comparing it keep their promises."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.social import text, tokens
from shared.social.emojis import is_single_emoji
from shared.social.mentions import mentions

# Hypothesis leaves out surrogates unless they are named; the second kind is what the rules are about.
ANY = st.text(st.characters(codec=None), max_size=60) | st.text(st.characters(categories=["Cs"]), max_size=5)
HOSTILE = st.text(
    st.sampled_from(
        "a1@$!|'. \n\t\r\u00a0\u200b\u200c\u200d\u202e\u2066\u0301\u0327\u0316\u0336\u0345\u093c\u094d\u0dca\u0915"
        "\u09c7\u09be\u1112\u1161\u11ab\u0645\u06cc\u0654\u0661\ufe0f\u20e3\ufe00\U000e0100\U000e0067\U000e007f"
        "\U0001f3f4\U0001f3fd\u2764\U0001f469\u2194\U0001f1e7\U0001f1f7\ud83d\udc69\ue000\u3164\u2800\ufdfa\u0958"
        "\u0344\u1f82аßİſ\u212b\U0001d15e\u0430\u03c5"
    ),
    max_size=40,
)
TEXTS = ANY | HOSTILE


@settings(max_examples=1500, deadline=None)
@given(TEXTS)
def test_a_cleaned_text_is_clean(sent: str) -> None:
    cleaned = text.clean(sent)
    assert text.clean(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert len(cleaned) <= len(unicodedata.normalize("NFC", sent))
    assert cleaned == cleaned.strip()
    assert "\n\n\n" not in cleaned
    assert "  " not in cleaned
    cleaned.encode()  # it can be stored
    assert not any(unicodedata.category(letter) in ("Cs", "Co", "Zl", "Zp") for letter in cleaned)


@settings(max_examples=1000, deadline=None)
@given(TEXTS)
def test_a_skeleton_is_letters_and_says_the_same_of_the_cleaned_text(sent: str) -> None:
    skeleton = text.skeleton(sent)
    assert text.skeleton(skeleton) == skeleton
    assert all(word.isalpha() for word in skeleton.split(" ")) or not skeleton
    assert text.skeleton(text.clean(sent)).replace(" ", "") == skeleton.replace(" ", "")
    assert text.fingerprint(text.clean(sent)) == text.fingerprint(sent)
    assert len(text.fingerprint(sent)) == 32
    assert text.is_allowed(skeleton) in (True, False)


@settings(max_examples=500, deadline=None)
@given(TEXTS)
def test_emojis_and_mentions_are_found_in_anything(sent: str) -> None:
    assert not (is_single_emoji(sent) and is_single_emoji(sent + sent))
    found = mentions(sent, 5)
    assert len(found) <= 5
    for name, start, end in found:
        assert sent[start:end] == f"@{name}"


# Tokens of a translation

WRITTEN = st.lists(
    st.sampled_from(
        ["hola", "@ana_1", "https://a.example/x?y=1&z=%20#f", "KEKW", ":KEKW:", "⟦0⟧", "⟦", "⟧", "⟦12", ".", "\n",
         "www.a.b,", "¿qué?", "👩\u200d👧", "@ana_1's", "(http://x.example)", "a@b.example", "⟦⟦3⟧⟧"]
    ),
    max_size=14,
).map(" ".join)  # fmt: skip
CODES = frozenset({"KEKW", ":KEKW:"})


@settings(max_examples=500, deadline=None)
@given(WRITTEN | TEXTS)
def test_a_translation_that_changes_nothing_brings_the_text_back(written: str) -> None:
    marked = tokens.mark(written, CODES)
    assert tokens.restore(marked.text, marked.parts) == written
    assert "@ana_1" not in marked.text.split()
    assert not CODES & set(marked.text.split())
    assert "://a.example" not in marked.text


@settings(max_examples=800, deadline=None)
@given(WRITTEN, st.data())
def test_whatever_comes_back_every_part_is_in_it_once(written: str, data: st.DataObject) -> None:
    marked = tokens.mark(written, CODES)
    sent = [f"⟦{number}⟧" for number in range(len(marked.parts))]
    pieces = [*sent, *sent, "⟦ 0 ⟧", "⟦99⟧", "⟦9999⟧", "⟦", "⟧", "⟦0", "0⟧", "⟦⟦0⟧⟧", "words", " ", "⟦x⟧"]
    said = "".join(data.draw(st.lists(st.sampled_from(pieces), max_size=30)))
    restored = tokens.restore(said, marked.parts)
    for part in set(marked.parts):
        others = "".join(other for other in marked.parts if part in other and other != part)
        expected = marked.parts.count(part) + others.count(part)
        assert restored.count(part) >= expected
        if not any(part in other for other in ("words", *(set(marked.parts) - {part}))):
            assert restored.count(part) == expected
    brackets = sum(part.count("⟦") + part.count("⟧") for part in marked.parts)
    assert restored.count("⟦") + restored.count("⟧") == brackets  # none of ours is left, none of theirs is lost


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("see https://a.example/x, ok", ("https://a.example/x",)),
        ("(https://a.example/x).", ("https://a.example/x",)),
        ("WWW.a.example!", ("WWW.a.example",)),
        ("@ana https://a.example/@ana KEKW KEKWs", ("@ana", "https://a.example/@ana", "KEKW")),
        ("https://a.example/⟦0⟧", ("https://a.example/⟦0⟧",)),
        ("nothing here", ()),
    ],
)
def test_what_travels_as_a_token(written: str, parts: tuple[str, ...]) -> None:
    assert tokens.mark(written, CODES).parts == parts


def test_what_does_not_come_back_is_put_at_the_end_in_order() -> None:
    marked = tokens.mark("hola @ana y @bob", ())
    assert marked.text == "hola ⟦0⟧ y ⟦1⟧"
    assert tokens.restore("hello ⟦ 1 ⟧ and ⟦1⟧ ⟦7⟧", marked.parts) == "hello @bob and   @ana"
    assert tokens.restore("hello", marked.parts) == "hello @ana @bob"
    assert marked.has_words
    assert not tokens.mark("@ana 123 😀 https://a.example", ()).has_words
