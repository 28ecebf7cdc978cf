"""Each day of the card provider's list is read once it can be, and a day that is not read is told."""

import io
from datetime import date, timedelta
from typing import Any

import pytest
from pg8000.dbapi import Connection

from tests.fakes.card_lists import FUNCTION, findings, go_to_noon, next_day, read, settled
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import bought
from tests.logs import log_lines

pytest_plugins = ["tests.fakes.order_jobs_plugin", "tests.fakes.log_plugin"]

UNREAD = "days of the card provider's list are not read"
DAY = timedelta(days=1)


@pytest.fixture
def today(orders: OrderDriver) -> date:
    noon = go_to_noon(orders)
    bought(orders)
    next_day(orders)
    return noon


def unread(sql: Connection) -> list[date]:
    return [day for (day,) in sql.execute_simple("SELECT day FROM card_days WHERE read_at IS NULL ORDER BY day").rows]


def told(output: io.StringIO) -> list[tuple[Any, Any]]:
    """The gaps that were logged, each with its oldest day and its number of days."""
    return [(line["oldest"], line["number"]) for line in log_lines(output) if line["message"] == UNREAD]


def pass_days(orders: OrderDriver, days: int) -> None:
    """Let days pass whose tasks come to nobody."""
    for _ in range(days):
        orders.advance_clock(DAY.total_seconds())
        assert orders.invoker.schedule(FUNCTION, "daily") == 204
        orders.deliver(lost=FUNCTION)


def test_days_whose_tasks_were_lost_are_read_though_a_later_one_was_read_on_request(
    orders: OrderDriver, today: date, sql: Connection
) -> None:
    bought(orders)
    pass_days(orders, 20)
    assert read(orders, today + 20 * DAY) == 204
    assert len(unread(sql)) == 19
    next_day(orders)
    assert unread(sql) == []
    assert (settled()["takings:card"].micro, findings()) == (0, [])


def test_days_on_which_no_schedule_came_are_read_though_a_later_one_was_read_on_request(
    orders: OrderDriver, today: date, sql: Connection
) -> None:
    bought(orders)
    orders.advance_clock((20 * DAY).total_seconds())
    assert read(orders, today + 20 * DAY) == 204
    next_day(orders)
    assert unread(sql) == []
    assert (settled()["takings:card"].micro, findings()) == (0, [])


def test_a_day_that_is_not_read_is_told_each_day_until_it_is(
    orders: OrderDriver, today: date, log_output: io.StringIO
) -> None:
    pass_days(orders, 2)
    next_day(orders)
    assert told(log_output) == [((today + DAY).isoformat(), 1), ((today + DAY).isoformat(), 2)]
    next_day(orders)
    assert len(told(log_output)) == 2


def test_a_long_gap_is_read_in_parts_and_holds_up_no_new_day(orders: OrderDriver, today: date, sql: Connection) -> None:
    orders.advance_clock((100 * DAY).total_seconds())
    next_day(orders)
    newest = today + 101 * DAY
    assert newest not in unread(sql)
    assert today + DAY not in unread(sql)
    assert unread(sql)
    for _ in range(2):
        next_day(orders)
    assert unread(sql) == []
    ((first, last, days),) = sql.execute_simple("SELECT min(day), max(day), count(*) FROM card_days").rows
    assert (last, days) == (newest + 2 * DAY, (last - first).days + 1)
