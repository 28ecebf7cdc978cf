"""Texts that are written as CSV are read again as they were, and no spreadsheet runs them."""

import csv
import io
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.values import csv_fields
from shared.values.money import Usdt

HOSTILE = st.text(st.sampled_from("=+-@\t\r\n\"',;| aé\u200b\u202e\uff1d\U0001f600"), max_size=8)


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@given(st.lists(st.lists(HOSTILE, min_size=2, max_size=2), min_size=1, max_size=5))
def test_texts_come_back_but_for_the_apostrophe_before_a_formula(table: list[list[str]]) -> None:
    found = read("".join(csv_fields.line(row) for row in table))
    assert len(found) == len(table)
    for given_row, read_row in zip(table, found, strict=True):
        for text, seen in zip(given_row, read_row, strict=True):
            assert seen in (text, f"'{text}")


@given(HOSTILE)
def test_no_field_begins_like_a_formula(text: str) -> None:
    ((field,),) = read(csv_fields.line([f"{text}x"]))
    shown = [letter for letter in field if letter.isprintable() and not letter.isspace()]
    assert shown[0] not in csv_fields.FORMULA_STARTS
    assert field[0] not in csv_fields.FORMULA_STARTS


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (-5, "-5"),
        (Usdt(-1_500_000), "-1.50"),
        (Decimal("0.000001"), "0.000001"),
        (Decimal("1E+3"), "1000"),
        (True, "true"),
        (date(2024, 2, 29), "2024-02-29"),
        (datetime(2026, 3, 8, 2, 30, tzinfo=timezone(timedelta(hours=-5))), "2026-03-08T07:30:00Z"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    ],
)
def test_numbers_days_and_times_stay_what_they_are(value: csv_fields.Field, text: str) -> None:
    assert csv_fields.line([value, 1]) == f"{text},1\r\n"
