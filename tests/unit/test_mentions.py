"""Mentions are found by the letters of a username, with their places in code points."""

import pytest

from shared.social.mentions import Mention, mentions

MENTIONS_MAX = 5


def names(given: str) -> list[str]:
    return [each.username for each in mentions(given, MENTIONS_MAX)]


def test_a_mention_has_its_places_in_code_points() -> None:
    given = "👩\u200d👧 hola @Ana_1, y @bob!"
    assert mentions(given, MENTIONS_MAX) == [Mention("Ana_1", 9, 15), Mention("bob", 19, 23)]
    assert [given[start:end] for _, start, end in mentions(given, MENTIONS_MAX)] == ["@Ana_1", "@bob"]


@pytest.mark.parametrize("given", ["(@ana)", "¡@ana!", "@ana's", "hey,@ana", "@ana.", "«@ana»", "😀@ana😀", "\n@ana\n"])
def test_signs_may_stand_beside_it(given: str) -> None:
    assert names(given) == ["ana"]


@pytest.mark.parametrize(
    "given",
    [
        "", "@", "@an", "@ ana", "a@ana", "ana@example.com", "@@ana", "@ana@host", "x_@ana", "é@ana", "@anaé", "＠ana",
        "https://example.com/@ana", "@" + "a" * 31, "@аnа", "@ana\u0301"[:4] + "\u0430", "mail.to+@ana",
    ],
)  # fmt: skip
def test_what_is_no_username_or_within_an_address_is_none(given: str) -> None:
    assert names(given) == []


def test_the_shortest_and_the_longest_name_count_and_no_more_than_asked_for() -> None:
    assert names("@abc @" + "a" * 30) == ["abc", "a" * 30]
    assert names(" ".join(f"@member_{number}" for number in range(9))) == [f"member_{number}" for number in range(5)]
    assert len(mentions("@ana " * 400, MENTIONS_MAX)) == MENTIONS_MAX
