"""What of a notification goes to a device, and when."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from functions.notify import rules

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


def test_a_message_carries_the_data_as_text_and_what_to_open() -> None:
    made = rules.message(ID, "comp", "Title", "Body", {"comp_id": "7", "prize": {"usdt": 100}, "trip": None})
    assert (made.title, made.body) == ("Title", "Body")
    own = {"notification_id": str(ID), "notification_type": "comp"}
    assert made.data == {"comp_id": "7", "prize": '{"usdt": 100}', "trip": "null"} | own


def test_data_cannot_say_that_it_is_another_notification() -> None:
    made = rules.message(ID, "comp", "Title", "Body", {"notification_id": "other", "notification_type": "other"})
    assert made.data == {"notification_id": str(ID), "notification_type": "comp"}


def test_too_much_data_stays_behind_and_the_id_goes() -> None:
    made = rules.message(ID, "order", "Title", "Body", {"items": ["x" * 50] * 50})
    assert made.data == {"notification_id": str(ID), "notification_type": "order"}


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
