"""Scans that are none: a clear problem, and nothing changes but the count of guesses."""

from collections.abc import Callable
from typing import Any

import pytest
from pg8000.dbapi import Connection

from tests import factories
from tests.client import FunctionClient
from tests.integration.test_bad_bodies import world

Client = Callable[..., FunctionClient]
HERE = {"latitude": 34.05, "longitude": -118.24}

MALFORMED = {
    "empty": "", "spaces": "   ", "short": "AAAA-AAAA-AAA", "long": "AAAA-AAAA-AAAAA", "zero": "AAAA-AAAA-AAA0",
    "one": "AAAA-AAAA-AAA1", "letter O": "AAAA-AAAA-AAAO", "letter I": "AAAA-AAAA-AAAI", "words": "hello world!",
    "dots": "AAAA.AAAA.AAAA", "accents": "ÄÄÄÄ-ÄÄÄÄ-ÄÄÄÄ", "wide letters": "\uff21" * 12,
    "emoji": "💥" * 12,
    "SQL": "' OR 1=1; --", "a line break": "AAAA-AAAA\nAAAA", "sixty-four": "A" * 64,
}  # fmt: skip
WRONG: dict[str, dict[str, Any]] = {
    "no code": {}, "a number": {"code": 12}, "null": {"code": None}, "65 characters": {"code": "A" * 65},
    "a list": {"code": ["AAAA-AAAA-AAAA"]}, "north of the pole": {"location": HERE | {"latitude": 90.01}},
    "south of the pole": {"location": HERE | {"latitude": -91}},
    "too far east": {"location": HERE | {"longitude": 181}},
    "too far west": {"location": HERE | {"longitude": -180.5}}, "half a place": {"location": {"latitude": 1}},
    "a place in words": {"location": "here"}, "numbers in quotes": {"location": {"latitude": "1", "longitude": "2"}},
    "10 kB of device": {"device_id": "x" * 10_240}, "no device": {"device_id": ""}, "device 7": {"device_id": 7},
    "another method": {"method": "guess"}, "a time without zone": {"timestamp": "2026-11-22T12:00:00"},
    "no time": {"timestamp": "yesterday"}, "seconds": {"timestamp": 1_700_000_000}, "more": {"more": 1},
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_code_gets_the_answer_of_every_wrong_code(client: Client, sql: Connection, name: str) -> None:
    member = client(factories.member().token)
    before = world(sql, without=("attempt_counters",))
    answer = member.post("/v1/scans/submit", {"code": MALFORMED[name]})
    assert (answer.status, answer.problem) == (422, "code-not-valid")
    assert world(sql, without=("attempt_counters",)) == before


def test_every_other_fault_is_named_and_nothing_changes(client: Client, sql: Connection) -> None:
    member, (code,) = client(factories.member().token), factories.manufactured_codes(1)
    before = world(sql)
    for name, wrong in WRONG.items():
        body = {"code": code, **wrong} if name != "no code" else {}
        answer = member.post("/v1/scans/submit", body)
        assert (answer.status, answer.problem) == (422, "not-valid"), name
        assert answer.body["errors"], name
    assert world(sql) == before
    assert member.post("/v1/scans/submit", {"code": code, "location": HERE, "device_id": "x" * 255}).status == 201
