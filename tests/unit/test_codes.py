"""Codes: their form, their hash, their check symbol."""

from collections.abc import Iterator

import pytest

from shared import config
from shared.codes import codes


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CODE_MAC_KEY", "11" * 32)
    config.read.cache_clear()
    yield
    config.read.cache_clear()


def test_a_code_has_twelve_of_32_symbols_that_cannot_be_mistaken() -> None:
    for code in codes.generate(1_000):
        assert len(code) == 12
        assert set(code) <= set(codes.ALPHABET)
    assert len(codes.ALPHABET) == 32
    assert not set(codes.ALPHABET) & set("01OI")


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 2_500])
@pytest.mark.parametrize("check_symbol", [True, False])
def test_there_are_as_many_codes_as_were_asked_for(count: int, *, check_symbol: bool) -> None:
    made = list(codes.generate(count, check_symbol=check_symbol))
    assert len(made) == len(set(made)) == count
    assert {len(code) for code in made} <= {12}


@pytest.mark.parametrize(
    "typed", ["ABCD-EFGH-JKLM", "abcd-efgh-jklm", "abcdefghjklm", " ABCD EFGH JKLM ", "ABCD-EFGHJKLM"]
)
def test_a_code_is_read_however_it_is_typed(typed: str) -> None:
    assert codes.normalized(typed) == "ABCDEFGHJKLM"


@pytest.mark.parametrize(
    "typed", ["", "ABCD-EFGH-JKL", "ABCD-EFGH-JKLMN", "ABCD-EFGH-JKL0", "ABCD-EFGH-JKLI", "ßBCD-EFGH-JKL"]
)
def test_what_is_no_code_is_none(typed: str) -> None:
    assert codes.normalized(typed) is None


def test_the_hash_depends_on_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    first = codes.mac("ABCDEFGHJKLM")
    monkeypatch.setenv("CODE_MAC_KEY", "22" * 32)
    config.read.cache_clear()
    assert len(first) == codes.MAC_BYTES
    assert codes.mac("ABCDEFGHJKLM") != first


def test_a_check_symbol_follows_from_the_others() -> None:
    for code in codes.generate(100, check_symbol=True):
        assert code[-1] == codes.check(code[:-1])
