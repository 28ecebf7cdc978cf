"""The table of look-alikes is what the pinned package has, and leads to small Latin letters alone."""

import unicodedata

from emulators import look_alikes as writer
from shared.social import look_alikes


def test_the_table_is_the_packages() -> None:
    assert look_alikes.TABLE.read_text(encoding="ascii") == writer.text(), "make look-alikes"


def test_every_look_alike_is_one_character_of_another_kind() -> None:
    table = look_alikes.latin()
    assert len(table) > 500
    for character, letters in table.items():
        assert len(character) == 1
        assert not character.isascii()
        assert letters.isascii()
        assert letters.isalpha()
        assert letters.islower()
        assert unicodedata.normalize("NFKD", character) == character or "SQUARED" in unicodedata.name(character)


def test_the_letters_of_flags_and_the_best_known_look_alikes_are_there() -> None:
    table = look_alikes.latin()
    assert [table[chr(0x1F1E6 + place)] for place in range(26)] == list("abcdefghijklmnopqrstuvwxyz")
    known = {"а": "a", "е": "e", "о": "o", "р": "p", "с": "c", "х": "x", "у": "y", "і": "i", "ѕ": "s", "ј": "j",
             "Н": "h", "н": "h", "м": "m", "К": "k", "ο": "o", "α": "a", "ν": "v", "ı": "i", "ø": "o", "ł": "l",
             "đ": "d", "æ": "ae", "ʜ": "h", "🅱": "b"}  # fmt: skip
    assert {character: table[character] for character in known} == known
