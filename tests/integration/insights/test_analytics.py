"""Metrics over ranges of days: buckets, totals, comparison, what is not counted yet, and questions that are none."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pg8000.dbapi import Connection

from shared.auth import Role
from shared.figures.metrics import DEFINITIONS, Metric
from tests import factories
from tests.client import Answer, FunctionClient

Client = Callable[..., FunctionClient]
Ask = Callable[..., Answer]

COUNTED = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def ask(client: Client, sql: Connection) -> Ask:
    """Ask as an operations admin, of a platform that has counted up to COUNTED."""
    sql.execute_unnamed("UPDATE figure_progress SET as_of = $1", (COUNTED,))
    admin = client(factories.member(role=Role.OPERATIONS).token)

    def asked(metrics: str = "orders", first: str = "2026-11-01", last: str = "2026-11-21", **more: str) -> Answer:
        query = "".join(f"&{name}={value}" for name, value in more.items())
        return admin.get(f"/v1/admin/analytics?metrics={metrics}&from={first}&to={last}{query}")

    return asked


def count(sql: Connection, metric: str, values: dict[str, object], key: str = "") -> None:
    """Have a metric counted: its value by day."""
    for day, value in values.items():
        sql.execute_unnamed(
            "INSERT INTO metric_days (day, metric, key, value, as_of) "
            "VALUES ($1, $2, $3, CAST(CAST($4 AS text) AS numeric), $5)",
            (date.fromisoformat(day), metric, key, str(value), COUNTED),
        )


def series(answer: Answer, part: str = "period") -> dict[tuple[str, str | None], tuple[list[Any], Any]]:
    assert answer.status == 200, answer.body
    return {(each["metric"], each["key"]): (each["values"], each["total"]) for each in answer.body[part]["series"]}


def buckets(answer: Answer) -> list[tuple[str, str, bool]]:
    return [(it["first_day"], it["last_day"], it["is_complete"]) for it in answer.body["period"]["buckets"]]


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [("2024-02-28", "2024-03-01", 3), ("2025-12-31", "2026-01-01", 2), ("2026-03-07", "2026-03-09", 3)],
    ids=["leap day", "end of the year", "clocks are changed"],
)
def test_both_ends_are_in_the_range_and_a_day_is_a_day_of_utc(
    ask: Ask, sql: Connection, first: str, last: str, days: int
) -> None:
    before, after = date.fromisoformat(first) - timedelta(days=1), date.fromisoformat(last) + timedelta(days=1)
    count(sql, "orders", {first: 1, last: 2, str(before): 40, str(after): 80}, "retail")
    found = ask(first=first, last=last)
    assert (found.body["zone"], found.body["period"]["days"], len(buckets(found))) == ("UTC", days, days)
    assert series(found)["orders", "retail"] == ([1, *[0] * (days - 2), 2], 3)


@pytest.mark.parametrize("interval", ["day", "week", "month"])
def test_the_buckets_of_a_sum_add_up_to_its_total(ask: Ask, sql: Connection, interval: str) -> None:
    first = date(2025, 11, 20)
    count(sql, "revenue", {str(first + timedelta(days=back)): f"{back}.01" for back in range(0, 200, 3)}, "retail")
    count(sql, "revenue", {str(first + timedelta(days=back)): back for back in range(0, 200, 7)}, "wholesale")
    found = ask("revenue", str(first), "2026-08-31", interval=interval)
    for values, total in series(found).values():
        assert round(sum(values), 6) == total
    whole, retail, wholesale = (series(found)["revenue", key][1] for key in (None, "retail", "wholesale"))
    assert (whole, wholesale) == (round(retail + wholesale, 6), sum(range(0, 200, 7)))


def test_weeks_begin_on_sunday_and_the_range_cuts_the_first_and_the_last_one(ask: Ask, sql: Connection) -> None:
    count(sql, "orders", {"2025-12-27": 1, "2025-12-28": 2, "2026-01-03": 4, "2026-01-04": 8}, "retail")
    found = ask(first="2025-12-26", last="2026-01-05", interval="week")
    assert [it[:2] for it in buckets(found)] == [
        ("2025-12-26", "2025-12-27"), ("2025-12-28", "2026-01-03"), ("2026-01-04", "2026-01-05"),
    ]  # fmt: skip
    assert series(found)["orders", "retail"] == ([1, 6, 8], 15)
    assert found.body["week_starts_on"] == "sunday"


def test_a_ratio_is_made_of_sums_and_is_null_without_orders(ask: Ask, sql: Connection) -> None:
    count(sql, "revenue", {"2026-11-01": 10, "2026-11-03": 100}, "retail")
    count(sql, "orders", {"2026-11-01": 1, "2026-11-03": 3}, "retail")
    found = ask("average_order_value", last="2026-11-03")
    assert series(found)["average_order_value", None] == ([10, None, 33.333333], 27.5)


def test_people_are_counted_for_whole_periods_and_never_added_up(ask: Ask, sql: Connection) -> None:
    count(sql, "active_members", {"2026-11-01": 5, "2026-11-02": 5})
    count(sql, "active_members_week", {"2026-11-01": 7, "2026-11-08": 9})
    count(sql, "active_members_month", {"2026-10-01": 11})
    assert series(ask("active_members", last="2026-11-02"))["active_members", None] == ([5, 5], None)
    weeks = ask("active_members", last="2026-11-13", interval="week")
    assert series(weeks)["active_members", None] == ([7, None], None)
    month = ask("active_members", "2026-10-01", "2026-10-31", interval="month")
    assert series(month)["active_members", None] == ([11], 11)


def test_a_treasurys_balance_is_the_last_one_of_each_bucket(ask: Ask, sql: Connection) -> None:
    for day, closing in (("2026-11-02", 5), ("2026-11-07", 7), ("2026-11-09", 9)):
        sql.execute_unnamed(
            "INSERT INTO treasury_snapshot_days (day, treasury, lowest, highest, closing, closing_at) "
            "VALUES ($1, 'member', 1, 9000000, $2, $3)",
            (date.fromisoformat(day), closing * 1_000_000, COUNTED),
        )
    found = ask("treasury_balance", interval="week")
    assert series(found) == {("treasury_balance", "member"): ([7, 9, None], 9)}


def test_a_bucket_is_complete_ten_minutes_after_its_end_and_null_before_it_has_begun(ask: Ask, sql: Connection) -> None:
    def set_to(text: str) -> list[tuple[bool, Any]]:
        sql.execute_simple(f"UPDATE figure_progress SET as_of = '{text}'")
        found = ask(first="2026-11-21", last="2026-11-22")
        return [(it[2], value) for it, value in zip(buckets(found), series(found)["orders", None][0], strict=True)]

    assert set_to("2026-11-22 00:00Z") == [(False, 0), (False, None)]
    assert set_to("2026-11-22 00:09:59Z") == [(False, 0), (False, 0)]
    assert set_to("2026-11-22 00:10Z") == [(True, 0), (False, 0)]
    assert set_to("2026-11-23 00:10Z") == [(True, 0), (True, 0)]


@pytest.mark.parametrize(
    ("compare", "first", "last"),
    [("previous", "2024-02-28", "2024-02-28"), ("year", "2023-02-28", "2023-02-28")],
)
def test_a_range_is_compared_with_an_earlier_one(
    ask: Ask, sql: Connection, compare: str, first: str, last: str
) -> None:
    count(sql, "orders", {"2024-02-29": 30, "2024-02-28": 20, "2023-02-28": 40}, "retail")
    found = ask(first="2024-02-29", last="2024-02-29", compare=compare)
    earlier = found.body["compared"]
    assert (earlier["first_day"], earlier["last_day"]) == (first, last)
    before = {"previous": 20, "year": 40}[compare]
    assert series(found, "compared")["orders", "retail"] == ([before], before)
    changes = {(it["metric"], it["key"]): it["percent"] for it in found.body["changes"]}
    assert changes == {("orders", key): {"previous": 50, "year": -25}[compare] for key in (None, "retail")}


def test_without_anything_before_there_is_no_percentage(ask: Ask, sql: Connection) -> None:
    count(sql, "orders", {"2026-11-01": 3}, "retail")
    assert [it["percent"] for it in ask(compare="previous").body["changes"]] == [None, None]
    assert (ask().body["compared"], ask().body["changes"]) == (None, [])


def test_every_metric_has_an_answer(ask: Ask) -> None:
    assert set(DEFINITIONS) == set(Metric)
    names = [metric.value for metric in Metric]
    for start in range(0, len(names), 20):
        for interval in ("day", "week", "month"):
            assert ask(",".join(names[start : start + 20]), interval=interval).status == 200


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("/to", {"first": "2026-11-02", "last": "2026-11-01"}),
        ("/to", {"first": "2022-11-01", "last": "2024-11-01"}),  # 732 days
        ("/from", {"first": "1926-11-01", "last": "2026-11-01"}),
        ("/from", {"first": "0001-01-01", "last": "0001-01-01", "interval": "week", "compare": "year"}),
        ("/to", {"first": "2026-11-01", "last": "9999-12-31", "interval": "month"}),
        ("/from", {"first": "2026-11-01T00:00:00-05:00"}),
        ("/from", {"first": "2026-02-29"}),
        ("/to", {"last": "2026-11-31"}),
        ("/to", {"last": "1793491200"}),
        ("/interval", {"interval": "hour"}),
        ("/compare", {"compare": "decade"}),
        ("/zone", {"zone": "America/New_York"}),
        *[
            ("/metrics", {"metrics": text})
            for text in ("", "profit", "orders,", "orders,orders", "Orders", "x" * 2_000)
        ],
        ("/metrics", {"metrics": ",".join(list(Metric)[:21])}),
    ],
)
def test_what_is_no_range_or_no_metric_is_refused(ask: Ask, field: str, asked: dict[str, str]) -> None:
    answer = ask(**asked)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, field)


def test_two_whole_years_with_a_leap_day_can_be_asked_for(ask: Ask) -> None:
    assert ask(first="2023-01-01", last="2024-12-31", interval="month").body["period"]["days"] == 731
