"""JSON in: strict and bounded. JSON out: exact."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.values import encoding
from shared.values.encoding import DEPTH_MAX, NotJson
from shared.values.money import Usdt

REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "text": b"hello",
    "not UTF-8": b'"\xff"',
    "overlong UTF-8": b'"\xc0\xaf"',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a repeated name": b'{"a":1,"a":1}',
    "a repeated name in a list": b'[{"a":1,"a":2}]',
    "a repeated name, escaped": b'{"a":1,"\\u0061":2}',
    "NaN": b"NaN",
    "Infinity": b"[Infinity]",
    "-Infinity": b"-Infinity",
    "a NUL": b'"\\u0000"',
    "a NUL in a name": b'{"\\u0000":1}',
    "half a pair": b'"\\ud800"',
    "half a pair in a name": b'{"\\udc00":1}',
    "1e400": b"1e400",
    "an exponent that nothing holds": b"1e999999999999999999999",
    "a small one": b"1e-999999999999999999999",
    "zero with such an exponent": b"0e99999999999999999999",
    "too many digits": b"0.10000000000000000001",
    "an integer that a double would change": b"9007199254740993",
    "a negative one": b"-9007199254740993",
    "10^400": str(10**400).encode(),
    "5,000 digits": b"9" * 5_000,
    "too deep": b"[" * (DEPTH_MAX + 2) + b"]" * (DEPTH_MAX + 2),
    "100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "100,000 deep in objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "100,000 deep and never closed": b"[" * 100_000,
}

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=5), inner
        )
    ),
    max_leaves=10,
)


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Point:
    x: int
    amount: Usdt


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_what_two_sides_could_read_differently_is_refused(raw: bytes) -> None:
    with pytest.raises(NotJson):
        encoding.parse(raw)


@given(plain)
def test_everything_else_is_read_as_json_reads_it(value: object) -> None:
    assert encoding.parse(json.dumps(value).encode()) == value
    assert encoding.parse(json.dumps(value, ensure_ascii=False, indent=1).encode()) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        encoding.parse(raw)
    except NotJson:
        return


@given(st.from_regex(rb"\A-?[0-9]{1,25}(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,25})?\Z"))
def test_any_number_is_read_exactly_or_refused(raw: bytes) -> None:
    try:
        value = encoding.parse(raw)
    except NotJson:
        return
    assert isinstance(value, int | float)
    assert Decimal(raw.decode()) == Decimal(repr(value))


def test_the_deepest_that_is_taken() -> None:
    deepest = b"[" * DEPTH_MAX + b"]" * DEPTH_MAX
    assert encoding.parse(deepest)


def test_the_largest_numbers_that_are_taken() -> None:
    assert encoding.parse(b"9007199254740991") == 2**53 - 1
    assert encoding.parse(b"1.7976931348623157e308") == 1.7976931348623157e308
    assert encoding.parse(b"4.5") == 4.5
    assert encoding.parse(b"-0.0") == 0


def test_an_astral_character_may_be_written_as_a_pair() -> None:
    assert encoding.parse(b'"\\ud83d\\ude00"') == "\U0001f600"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Usdt(4_500_000), b"4.50"),
        (Usdt(1), b"0.000001"),
        (Usdt(2**63 - 1), b"9223372036854.775807"),
        (Decimal("1.0"), b"1.0"),
        (datetime(2026, 11, 22, 12, tzinfo=UTC), b'"2026-11-22T12:00:00Z"'),
        (datetime(2026, 11, 22, 12, tzinfo=timezone(timedelta(hours=5, minutes=30))), b'"2026-11-22T06:30:00Z"'),
        (datetime(2026, 11, 22, 12, 0, 0, 1, tzinfo=UTC), b'"2026-11-22T12:00:00.000001Z"'),
        (date(2026, 11, 22), b'"2026-11-22"'),
        (UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
        (Colour.RED, b'"red"'),
        (Point(1, Usdt(1_000_000)), b'{"x":1,"amount":1.00}'),
        ("José </script>", '"José </script>"'.encode()),
        (None, b"null"),
    ],
)
def test_values_are_written_exactly(value: object, written: bytes) -> None:
    assert encoding.dump(value) == written


def test_what_has_no_json_form_is_not_guessed() -> None:
    with pytest.raises(TypeError):
        encoding.dump(object())


def test_estimates_may_have_any_digits_and_are_no_deeper_than_others() -> None:
    assert encoding.parse_estimates(b'{"a": 0.00001172601241748713612345, "b": 123456789012345678901}') == {
        "a": 0.00001172601241748713612345,
        "b": 123456789012345678901,
    }
    for refused in (b"[NaN]", b"[Infinity]", b'{"a": 1, "a": 2}', b'"\\u0000"', b"\xff", b"[", b"9" * 5000):
        with pytest.raises(encoding.NotJson):
            encoding.parse_estimates(refused)
    with pytest.raises(encoding.NotJson, match="nested too deeply"):  # Python's own parser may end the process
        encoding.parse_estimates(b"[" * 100_000)
