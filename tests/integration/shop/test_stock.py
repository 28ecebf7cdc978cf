"""Stock is what was counted last: counts come in any order, with a time and a reason, and nothing else changes it."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from pg8000.dbapi import Connection

from tests.client import refusal
from tests.fakes.shop_client import COUNTED, MINT, ShopClient, hours
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.shop_plugin"]


def test_a_count_is_shown_with_who_counted_when_and_why(shop: ShopClient) -> None:
    assert shop.level() == {
        "sku": MINT, "name": "BlakJaks Mint Ice", "on_hand": 0, "promised": 0, "sellable": 0, "shortage": 0,
        "availability": "out", "counted_at": None, "counted_by": None, "reason": None,
        "low_since": None, "short_since": None,
    }  # fmt: skip
    shown = shop.count(4200, reason="Monthly count").body
    assert (shown["on_hand"], shown["sellable"], shown["promised"], shown["shortage"]) == (4200, 4200, 0, 0)
    assert (shown["counted_at"], shown["reason"]) == ("2026-01-02T06:00:00Z", "Monthly count")
    assert shown["counted_by"]
    assert shop.level() == shown


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_in_whatever_order_counts_arrive_the_newest_holds(shop: ShopClient, order: tuple[int, ...]) -> None:
    answers = [refusal(shop.count(10 * number, at=hours(number))) for number in order]
    newest_before = [max((*order[:place], -1)) for place in range(len(order))]
    assert [status for status, _ in answers] == [
        200 if number > newest else 409 for number, newest in zip(order, newest_before, strict=True)
    ]
    level = shop.level()
    assert (level["on_hand"], datetime.fromisoformat(level["counted_at"])) == (20, hours(2))


def test_an_older_count_and_one_of_the_same_moment_are_refused_and_change_nothing(
    shop: ShopClient, sql: Connection
) -> None:
    shop.count(7)
    before = rows_of_all_tables(sql)
    for at in (COUNTED, COUNTED - timedelta(microseconds=1), COUNTED - timedelta(days=900)):
        answer = shop.count(9, at=at)
        assert refusal(answer) == (409, "stock-count-old")
        assert answer.body["counted_at"] == "2026-01-02T06:00:00Z"
    assert rows_of_all_tables(sql) == before
    assert shop.count(9, at=COUNTED + timedelta(microseconds=1)).status == 200


def test_a_count_of_the_future_is_refused(shop: ShopClient, sql: Connection) -> None:
    before = rows_of_all_tables(sql)
    answer = shop.count(9, at=datetime.now(UTC) + timedelta(minutes=1))
    assert refusal(answer) == (422, "not-valid")
    assert [error["field"] for error in answer.body["errors"]] == ["/as_of"]
    assert rows_of_all_tables(sql) == before


@pytest.mark.parametrize("quantity", [-1, 1.5, 10**7 + 1, 10**15, "2", True, None], ids=repr)
def test_what_is_no_count_is_refused(shop: ShopClient, sql: Connection, quantity: object) -> None:
    before = rows_of_all_tables(sql)
    answer = shop.count(quantity)
    assert refusal(answer) == (422, "not-valid")
    assert [error["field"] for error in answer.body["errors"]] == ["/quantity"]
    assert rows_of_all_tables(sql) == before


def test_none_and_very_many_may_be_counted(shop: ShopClient) -> None:
    for number, tins in enumerate((0, 10**7, 0)):
        assert shop.count(tins, at=hours(number)).body["on_hand"] == tins


def test_a_count_has_a_reason_and_a_product(shop: ShopClient, sql: Connection) -> None:
    before = rows_of_all_tables(sql)
    assert refusal(shop.count(5, reason="x")) == (422, "not-valid")
    assert refusal(shop.count(5, by="somebody")) == (422, "not-valid")
    assert refusal(shop.count(5, "NOTHING-6")) == (404, "not-found")
    assert rows_of_all_tables(sql) == before


def test_a_count_is_in_the_audit_log(shop: ShopClient, sql: Connection) -> None:
    shop.count(7, reason="Opening")
    shop.count(5, at=hours(1), reason="Two were broken")
    rows = sql.execute_simple("SELECT action, resource_id, changes FROM audit_logs ORDER BY id").rows
    assert rows == [
        ["stock.count", MINT, {"on_hand_before": 0, "quantity": 7, "as_of": "2026-01-02T06:00:00Z",
                               "reason": "Opening"}],
        ["stock.count", MINT, {"on_hand_before": 7, "quantity": 5, "as_of": "2026-01-02T07:00:00Z",
                               "reason": "Two were broken"}],
    ]  # fmt: skip


def test_moves_are_never_changed(shop: ShopClient, sql: Connection) -> None:
    shop.count(7)
    for statement in ("UPDATE stock_moves SET quantity = 9", "DELETE FROM stock_moves", "TRUNCATE stock_moves"):
        with pytest.raises(Exception, match="append_only"):
            sql.execute_simple(statement)


def test_what_is_promised_is_not_sold_and_what_is_missing_is_told(shop: ShopClient, sql: Connection) -> None:
    """Orders promise; until there are any, the columns are written by hand here."""
    shop.count(7)
    sql.execute_unnamed("UPDATE stock SET promised = 3 WHERE sku = $1", (MINT,))
    level = shop.level()
    assert (level["sellable"], level["shortage"], level["availability"]) == (4, 0, "low")
    assert shop.add(MINT, 5).body["items"][0]["left"] == 4
    shown = shop.count(1, at=hours(1)).body
    assert (shown["on_hand"], shown["sellable"], shown["shortage"], shown["availability"]) == (1, 0, 2, "out")
