"""Amounts, numbers, times and names, as each language writes them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.messages import texts, wording
from shared.messages.wording import LANGUAGES, Language, NotThisKind
from shared.values.money import Usdt
from shared.values.prizes import CompType
from shared.values.tiers import Tier

LATE = datetime(2026, 1, 2, 3, 4, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("amount", Usdt.of(100), ("$100", "$100", "US$\u00a0100")),
        ("amount", Usdt.of("1234.50"), ("$1,234.50", "$1,234.50", "US$\u00a01.234,50")),
        ("value", Usdt.of("0.000001"), ("$0.000001", "$0.000001", "US$\u00a00,000001")),
        ("tins", 1_000_000, ("1,000,000", "1,000,000", "1.000.000")),
        ("scans", 7, ("7", "7", "7")),
        ("tier", Tier.HIGH_ROLLER, ("High Roller",) * 3),
        ("prize", CompType.TRIP, ("a trip", "un viaje", "uma viagem")),
        ("comps", CompType.CRYPTO_10K, ("$10K", "de $10,000", "de US$\u00a010.000")),
        ("quarter", "2026-Q4", ("Q4 2026", "el trimestre 4 de 2026", "o trimestre 4 de 2026")),
        (
            "at",
            LATE,
            ("January 2, 2026, 03:04 UTC", "2 de enero de 2026, 03:04 UTC", "2 de janeiro de 2026, 03:04 UTC"),
        ),
        ("destination", "Waikiki <3", ("Waikiki <3",) * 3),
    ],
)
def test_a_value_is_stored_and_written(name: str, value: object, written: tuple[str, str, str]) -> None:
    stored = wording.stored(name, value)
    assert tuple(wording.written(name, stored, language) for language in LANGUAGES) == written


def test_a_time_may_come_as_it_is_stored_and_nothing_else_may() -> None:
    assert wording.stored("at", "2026-01-02T03:04:59Z") == "2026-01-02T03:04:59Z"
    for wrong in ("yesterday", "2026-01-02", "2026-01-02T03:04:59+08:00", 7):
        with pytest.raises(NotThisKind):
            wording.stored("at", wrong)


def test_times_are_told_in_utc() -> None:
    there = LATE.astimezone(timezone(timedelta(hours=-8)))
    assert wording.written("at", wording.stored("at", there), "en") == "January 2, 2026, 03:04 UTC"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", sorted(wording.KINDS))
def test_what_another_release_has_stored_is_shown_as_it_is(name: str, language: Language) -> None:
    assert texts.written(name, "$1,000 or so", language) == "$1,000 or so"


def test_a_language_that_we_do_not_speak_is_english() -> None:
    assert [wording.language(text) for text in ("pt", "fr", "")] == ["pt", "en", "en"]


def test_the_casino_package_is_told_in_every_language() -> None:
    english = texts.written("package", wording.stored("package", Usdt.of(1_000)), "en")
    assert english == (
        "2-night Bellagio suite; $1,000 USDT free play; $500 dining credit; VIP host services; Spa access; "
        "Airfare reimbursement up to $1,000"
    )
    portuguese = texts.casino_package(Usdt.of(1_000), "pt")
    assert len(portuguese) == 6
    assert "US$\u00a01.000 USDT" in portuguese[1]
