"""Tins sold in the trailing 91 days, divided by three, are what unlocks comps."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest
from pg8000.dbapi import Connection

from functions.unlock_refresh import main
from shared import db
from shared.comps import sales
from shared.database.session import ConstraintViolated
from tests.fakes.crashes import killed_after
from tests.fakes.invoker import FunctionInvoker
from tests.platform import Platform

TODAY = date(2027, 6, 30)
NOW = datetime(2027, 6, 30, 12, tzinfo=UTC)


def sell(tins: int, *, days_ago: int = 0, source: str = "shop") -> None:
    db.atomically(partial(sales.record, day=TODAY - timedelta(days=days_ago), source=source, tins=tins))


def volume(sql: Connection) -> tuple[int, datetime]:
    ((tins, as_of),) = sql.execute_simple("SELECT tins_per_month, as_of FROM sales_volume").rows
    return tins, as_of


def test_the_days_of_the_window_count_and_no_others(sql: Connection) -> None:
    for days_ago, tins in ((-1, 10**6), (0, 3), (1, 30), (90, 300), (91, 10**6), (400, 10**6)):
        sell(tins, days_ago=days_ago)

    main.refresh(NOW)

    assert volume(sql) == (111, NOW)


def test_shop_and_wholesale_add_up_and_refunds_are_taken_off(sql: Connection) -> None:
    sell(5_000)
    sell(4_000, source="wholesale")
    sell(-1_500)

    main.refresh(NOW)

    assert volume(sql) == (2_500, NOW)


def test_a_third_of_a_tin_is_no_tin(sql: Connection) -> None:
    sell(7_499)
    main.refresh(NOW)
    assert volume(sql) == (2_499, NOW)


def test_without_sales_nothing_is_unlocked(sql: Connection) -> None:
    main.refresh(NOW)
    assert volume(sql) == (0, NOW)


def test_what_has_left_the_window_locks_again(sql: Connection) -> None:
    sell(9_000, days_ago=90)
    main.refresh(NOW)
    main.refresh(NOW + timedelta(days=1))
    assert volume(sql) == (0, NOW + timedelta(days=1))


def test_a_refund_cannot_take_back_more_than_was_sold(sql: Connection) -> None:
    sell(10)
    for refund in (partial(sell, -11), partial(sell, -1, days_ago=1), partial(sell, -1, source="wholesale")):
        with pytest.raises(ConstraintViolated):
            refund()
    assert sql.execute_simple("SELECT day, source, tins FROM tins_sold_daily").rows == [[TODAY, "shop", 10]]


def test_sales_at_the_same_time_are_all_counted(sql: Connection) -> None:
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda number: sell(number % 3), range(120)))
    assert sql.execute_simple("SELECT tins FROM tins_sold_daily").rows == [[120]]


def test_a_second_run_finds_the_same(sql: Connection) -> None:
    sell(9_000)
    main.refresh(NOW)
    main.refresh(NOW)
    assert volume(sql) == (3_000, NOW)


def test_a_run_that_comes_late_changes_nothing(sql: Connection) -> None:
    sell(9_000)
    main.refresh(NOW)
    main.refresh(NOW - timedelta(days=60))
    assert volume(sql) == (3_000, NOW)


def test_runs_at_the_same_time_as_sales_end_with_the_newest_sum(sql: Connection) -> None:
    def act(number: int) -> None:
        if number % 4 == 0:
            main.refresh(NOW + timedelta(seconds=number))
        else:
            sell(3)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(act, range(80)))
    main.refresh(NOW + timedelta(seconds=80))

    assert volume(sql) == (60, NOW + timedelta(seconds=80))


def test_runs_of_one_moment_agree_whatever_their_order(sql: Connection) -> None:
    sell(9_000)
    moments = [NOW + timedelta(minutes=minute) for minute in range(12)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(main.refresh, sorted(moments * 3, key=lambda moment: moment.minute * 7 % 12)))
    assert volume(sql) == (3_000, max(moments))


def test_a_run_that_dies_leaves_what_was_there(sql: Connection) -> None:
    sell(9_000)
    with killed_after(0):
        main.refresh(NOW)
    assert volume(sql)[0] == 0
    main.refresh(NOW)
    assert volume(sql) == (3_000, NOW)


def test_the_schedule_calls_it(platform: Platform, sql: Connection) -> None:
    today = datetime.now(UTC).date()
    db.atomically(partial(sales.record, day=today, source="wholesale", tins=30))
    assert FunctionInvoker(platform.invoker_token).schedule("unlock_refresh", "unlock") == 204
    assert volume(sql)[0] == 10
