"""The history of a code has its own events, out of everything that happened around it."""

from datetime import UTC, datetime, timedelta

from functions.admin_codes import rules
from functions.admin_codes.rules import Event, Kind

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def history(*kinds: Kind) -> list[Kind]:
    """The events in this order, a minute apart."""
    events = [Event(kind, START + timedelta(minutes=minute), None, None) for minute, kind in enumerate(kinds)]
    return [event.kind for event in rules.history(events[::-1])]


def test_it_is_told_from_the_oldest_on() -> None:
    assert history("generated", "manufactured", "scanned") == ["generated", "manufactured", "scanned"]


def test_a_used_code_is_not_invalidated_with_its_batch() -> None:
    assert history("generated", "manufactured", "scanned", "invalidated", "reused", "recalled") == [
        "generated", "manufactured", "scanned",
    ]  # fmt: skip


def test_only_an_invalidated_code_is_reused_with_its_batch() -> None:
    assert history("generated", "reused", "invalidated", "reused", "reused") == ["generated", "invalidated", "reused"]


def test_what_is_invalidated_is_not_invalidated_again() -> None:
    assert history("generated", "invalidated", "invalidated") == ["generated", "invalidated"]


def test_a_code_that_was_scanned_before_its_turn_has_escaped() -> None:
    assert history("generated", "manufactured", "invalidated", "scanned") == ["generated", "manufactured", "scanned"]


def test_a_recalled_code_was_not_used() -> None:
    assert history("generated", "manufactured", "recalled") == ["generated", "manufactured", "recalled"]
