"""A notification goes to a device in part, and at its time."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from functions.notify import rules
from shared.messages.texts import Words

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ID = uuid4()


@pytest.mark.parametrize(
    ("wanted", "read", "age", "answer"),
    [
        (True, False, timedelta(), True),
        (True, False, timedelta(days=1), True),
        (False, False, timedelta(), False),
        (True, True, timedelta(), False),
        (True, False, timedelta(days=1, seconds=1), False),
    ],
)
def test_only_unread_news_that_are_wanted_are_pushed(wanted: bool, read: bool, age: timedelta, answer: bool) -> None:
    assert rules.is_news(wanted=wanted, read=read, made_at=NOW - age, now=NOW) is answer


def message(data: Mapping[str, object], code: str | None = None, **params: object) -> rules.Message:
    return rules.message(rules.Told(ID, "comp", code, params, data), Words("Title", "Body"))


OWN = {"notification_id": str(ID), "notification_type": "comp"}


def test_a_message_carries_the_data_as_text_and_what_to_open() -> None:
    made = message({"comp_id": "7", "prize": {"usdt": 100}, "trip": None})
    assert (made.title, made.body) == ("Title", "Body")
    assert made.data == {"comp_id": "7", "prize": '{"usdt": 100}', "trip": "null"} | OWN


def test_a_message_carries_the_code_and_the_parameters_of_its_text() -> None:
    made = message({"comp_id": "7"}, "tier_earned_for_good", tier="vip", tins=210)
    coded = {"code": "tier_earned_for_good", "params": '{"tier": "vip", "tins": 210}'}
    assert made.data == {"comp_id": "7"} | coded | OWN


def test_data_cannot_say_that_it_is_another_notification() -> None:
    made = message({"notification_id": "other", "notification_type": "other", "code": "other"}, "comp_won")
    assert made.data == OWN | {"code": "comp_won", "params": "{}"}


def test_too_much_data_stays_behind_and_the_id_goes() -> None:
    assert message({"items": ["x" * 50] * 50}).data == OWN
    assert message({"items": ["x" * 50] * 50}, "comp_won").data == OWN | {"code": "comp_won", "params": "{}"}
    assert message({}, "trip_destination_chosen", destination="x" * 3000).data == OWN


@pytest.mark.parametrize("text", ["", "short", "x" * 20])
def test_a_text_that_fits_stays_as_it_is(text: str) -> None:
    assert rules.shortened(text, 22) == text


@pytest.mark.parametrize("letter", ["x", "ü", "💥", '"', "\n", "\x01"])
def test_a_text_that_does_not_fit_is_cut_as_late_as_possible(letter: str) -> None:
    cut = rules.shortened(letter * 1000, 100)
    assert cut.endswith(rules.ELLIPSIS)
    assert len(json.dumps(cut, ensure_ascii=False).encode()) <= 100
    longer = letter * len(cut) + rules.ELLIPSIS
    assert len(json.dumps(longer, ensure_ascii=False).encode()) > 100


def test_a_push_id_is_the_same_for_the_same_two_only() -> None:
    device, other = uuid4(), uuid4()
    assert rules.push_id(ID, device) == rules.push_id(ID, device)
    assert len({rules.push_id(ID, device), rules.push_id(ID, other), rules.push_id(device, ID)}) == 3


@pytest.mark.parametrize(
    ("asked", "waited"),
    [(None, timedelta()), (timedelta(seconds=7), timedelta(seconds=7)), (timedelta(hours=1), timedelta(seconds=60))],
)
def test_a_vendor_is_left_alone_as_long_as_it_asks_within_reason(asked: timedelta | None, waited: timedelta) -> None:
    assert rules.free_again_at(NOW, asked) == NOW + waited
