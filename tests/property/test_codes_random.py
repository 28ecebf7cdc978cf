"""Generated codes are random: every symbol as likely in every place, which a biased generator would not pass."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import pytest

from shared import config
from shared.codes import codes

COUNT = 200_000
EACH = COUNT / len(codes.ALPHABET)
# With 31 degrees of freedom, 100 is exceeded by chance once in three hundred million places.
CHI_SQUARE_MAX = 100.0


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CODE_MAC_KEY", "11" * 32)
    config.read.cache_clear()
    yield
    config.read.cache_clear()


def chi_square(made: Iterable[str]) -> list[float]:
    """The chi-square of each place, against all symbols being as likely."""
    places = [Counter(symbols) for symbols in zip(*made, strict=True)]
    return [sum((counts[symbol] - EACH) ** 2 / EACH for symbol in codes.ALPHABET) for counts in places]


def biased(modulo: int) -> Callable[[], str]:
    """A symbol by the rest of a random number below `modulo`, which 32 does not divide."""
    return lambda: codes.ALPHABET[secrets.randbelow(modulo) % len(codes.ALPHABET)]


@pytest.mark.parametrize("check_symbol", [False, True])
def test_every_symbol_is_as_likely_in_every_place(check_symbol: bool) -> None:
    found = chi_square(codes.generate(COUNT, check_symbol=check_symbol))
    assert len(found) == codes.LENGTH
    assert max(found) < CHI_SQUARE_MAX


@pytest.mark.parametrize("modulo", [36, 100, 250])
def test_a_biased_generator_fails_in_every_place(modulo: int) -> None:
    """Below 250, six symbols come seven times and the others eight times: that makes 530 of 31, give or take 45."""
    symbol = biased(modulo)
    made = ["".join(symbol() for _ in range(2)) for _ in range(COUNT)]
    assert min(chi_square(made)) > CHI_SQUARE_MAX


def test_neighbours_do_not_depend_on_each_other() -> None:
    """1,023 degrees of freedom for each pair of neighbouring places: 1,300 is six standard deviations above."""
    made = list(codes.generate(COUNT))
    expected = COUNT / len(codes.ALPHABET) ** 2
    for place in range(codes.LENGTH - 1):
        counts = Counter(code[place : place + 2] for code in made)
        pairs = (counts[first + second] for first in codes.ALPHABET for second in codes.ALPHABET)
        assert sum((count - expected) ** 2 / expected for count in pairs) < 1_300


def test_no_code_comes_twice() -> None:
    """Two of 200,000 random codes out of 2**60 are the same once in fifty million runs."""
    assert len(set(codes.generate(COUNT))) == COUNT
