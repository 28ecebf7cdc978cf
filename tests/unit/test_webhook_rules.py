"""A delivery of a vendor's message wakes somebody, or is a copy of one that did."""

import re
from datetime import UTC, datetime, timedelta

from functions.webhooks.rules import Message, wake_up

FIRST = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
MESSAGE = Message("card", "evt_1", "7c6b5a49-3827-4615-9403-f2e1d0c9b8a7")


def after(seconds: float, message: Message = MESSAGE) -> str | None:
    return wake_up(message, FIRST, FIRST + timedelta(seconds=seconds), is_first=False)


def test_the_first_delivery_wakes_and_its_copies_of_a_minute_do_not() -> None:
    assert wake_up(MESSAGE, FIRST, FIRST, is_first=True)
    assert [after(seconds) for seconds in (-5, 0, 1, 59.999)] == [None] * 4
    assert after(60) is not None


def test_all_copies_of_one_minute_of_the_clock_wake_under_one_name() -> None:
    names = {after(seconds) for seconds in range(90, 150)}
    assert len(names) == 1
    assert after(150) not in names
    assert after(89) not in names


def test_different_messages_wake_under_different_names_that_a_queue_takes() -> None:
    others = (Message("card", "evt_2", ""), Message("agechecker", "evt_1", ""), Message("card", "evt_1 29735281", ""))
    names = [after(120, message) for message in (MESSAGE, *others)]
    assert len(set(names)) == len(names)
    assert all(name and re.fullmatch(r"[0-9a-f]{64}", name) for name in names)
