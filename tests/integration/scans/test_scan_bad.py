"""Scans that are none: a clear problem, and nothing changes but the count of guesses."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pg8000.dbapi import Connection

from tests import factories
from tests.client import FunctionClient
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]
HERE = {"latitude": 34.05, "longitude": -118.24}

MALFORMED = {
    "empty": "", "spaces": "   ", "short": "AAAA-AAAA-AAA", "long": "AAAA-AAAA-AAAAA", "zero": "AAAA-AAAA-AAA0",
    "one": "AAAA-AAAA-AAA1", "letter O": "AAAA-AAAA-AAAO", "letter I": "AAAA-AAAA-AAAI", "words": "hello world!",
    "dots": "AAAA.AAAA.AAAA", "accents": "ÄÄÄÄ-ÄÄÄÄ-ÄÄÄÄ", "sharp s": "ßßAA-AAAA-AA",
    "emoji": "💥" * 12, "SQL": "' OR 1=1; --", "sixty-four": "A" * 64, "Greek": "\u0391" * 12,
}  # fmt: skip
WRONG: dict[str, dict[str, Any]] = {
    "no code": {}, "a number": {"code": 12}, "null": {"code": None}, "65 characters": {"code": "A" * 65},
    "a list": {"code": ["AAAA-AAAA-AAAA"]}, "half a place": {"location": {"latitude": 1}},
    "a place in words": {"location": "here"}, "numbers in quotes": {"location": {"latitude": "1", "longitude": "2"}},
    "device 7": {"device_id": 7}, "another method": {"method": "guess"}, "seconds": {"timestamp": 1_700_000_000},
    "more": {"more": 1},
}  # fmt: skip

GUESSES_MAX = 30  # wrong codes in an hour, as the settings have it
WIDE = str.maketrans({number: number + 0xFEE0 for number in range(0x21, 0x7F)})
SPELLINGS: dict[str, Callable[[str], str]] = {
    "a line feed": lambda code: f"{code}\n",
    "a carriage return and a line feed": lambda code: f"{code}\r\n",
    "a tab": lambda code: f"\t{code}",
    "a line break within": lambda code: code.replace("-", "\n", 1),
    "no-break spaces": lambda code: f"\u00a0{code.replace('-', chr(0x202F))}",
    "full-width letters": lambda code: code.translate(WIDE),
    "en dashes": lambda code: code.replace("-", "\u2013"),
    "no-break hyphens": lambda code: code.replace("-", "\u2011"),
    "minus signs": lambda code: code.replace("-", "\u2212"),
    "a Japanese keyboard's dash": lambda code: code.replace("-", "\u30fc"),
    "zero width spaces": "\u200b".join,
    "a byte order mark": lambda code: f"\ufeff{code}",
    "a soft hyphen": lambda code: code.replace("-", "\u00ad"),
    "marks of direction": lambda code: f"\u202a{code}\u202c",
    "small letters": str.lower,
}
LONG_AGO, FAR_OFF = datetime(2000, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)
UNBELIEVABLE: dict[str, tuple[dict[str, Any], list[object]]] = {
    "a clock that was never set": ({"timestamp": "2000-01-01T00:00:00Z"}, [LONG_AGO, None, None]),
    "a clock of the future": ({"timestamp": "2090-01-01T02:00:00+02:00"}, [FAR_OFF, None, None]),
    "no zone": ({"timestamp": "2026-11-22T12:00:00"}, [None, None, None]),
    "another calendar": ({"timestamp": "2569-11-22 \u0e1e.\u0e28."}, [None, None, None]),
    "words": ({"timestamp": "yesterday"}, [None, None, None]),
    "before the first year": ({"timestamp": "0001-01-01T00:00:00+14:00"}, [None, None, None]),
    "no time": ({"timestamp": ""}, [None, None, None]),
    "north of the pole": ({"location": HERE | {"latitude": 90.01}}, [None, None, None]),
    "too far west": ({"location": HERE | {"longitude": -180.5}}, [None, None, None]),
    "an enormous place": ({"location": {"latitude": 1e308, "longitude": 0.0}}, [None, None, None]),
    "no device": ({"device_id": ""}, [None, None, None]),
    "10 kB of device": ({"device_id": "x" * 10_240}, [None, None, "x" * 255]),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_code_by_its_form_is_told_so_and_is_no_guess(client: Client, sql: Connection, name: str) -> None:
    member = client(factories.member().token)
    before = rows_of_all_tables(sql)
    answer = member.post("/v1/scans/submit", {"code": MALFORMED[name]})
    assert (answer.status, answer.problem) == (422, "not-valid")
    assert [error["field"] for error in answer.body["errors"]] == ["/code"]
    assert rows_of_all_tables(sql) == before


def test_slips_of_the_hand_flag_no_good_tin_and_lock_nobody_out(client: Client, sql: Connection) -> None:
    member, (code,) = client(factories.member().token), factories.manufactured_codes(1)
    for number in range(GUESSES_MAX + 1):
        assert member.post("/v1/scans/submit", {"code": f"slip {number}"}).problem == "not-valid"
    assert member.post("/v1/scans/submit", {"code": code}).status == 201
    assert sql.execute_simple("SELECT count(*) FROM flagged_scans").rows == [[0]]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_good_code_is_scanned_however_it_was_typed(client: Client, sql: Connection, spelling: str) -> None:
    member, (code,) = client(factories.member().token), factories.manufactured_codes(1)
    answer = member.post("/v1/scans/submit", {"code": SPELLINGS[spelling](code)})
    assert answer.status == 201, answer.body
    assert sql.execute_simple("SELECT count(*) FROM attempt_counters").rows == [[0]]


def test_a_wrong_code_counts_however_it_was_typed(client: Client, sql: Connection) -> None:
    member = client(factories.member().token)
    for spell in SPELLINGS.values():
        assert member.post("/v1/scans/submit", {"code": spell("AAAA-AAAA-AAAA")}).problem == "code-not-valid"
    counted = sql.execute_simple("SELECT min(attempts), max(attempts) FROM attempt_counters").rows
    assert counted == [[len(SPELLINGS), len(SPELLINGS)]]


@pytest.mark.parametrize("told", UNBELIEVABLE)
def test_what_decides_nothing_refuses_nothing(client: Client, sql: Connection, told: str) -> None:
    """A phone whose clock is wrong, that knows no place, or that has a strange id can scan a good tin."""
    member, (code,) = client(factories.member().token), factories.manufactured_codes(1)
    more, kept = UNBELIEVABLE[told]
    assert member.post("/v1/scans/submit", {"code": code, **more}).status == 201
    assert sql.execute_simple("SELECT device_time, latitude, device_id, flags FROM scans").rows == [[*kept, []]]


def test_every_other_fault_is_named_and_nothing_changes(client: Client, sql: Connection) -> None:
    member, (code,) = client(factories.member().token), factories.manufactured_codes(1)
    before = rows_of_all_tables(sql)
    for name, wrong in WRONG.items():
        body = {"code": code, **wrong} if name != "no code" else {}
        answer = member.post("/v1/scans/submit", body)
        assert (answer.status, answer.problem) == (422, "not-valid"), name
        assert answer.body["errors"], name
    assert rows_of_all_tables(sql) == before
    assert member.post("/v1/scans/submit", {"code": code, "location": HERE, "device_id": "x" * 255}).status == 201
