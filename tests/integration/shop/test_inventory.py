"""The warehouse's counts are taken over as it tells them, and people are told once when a product runs low or short."""

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from pg8000.dbapi import Connection

from emulators.vendor import Fault
from emulators.vendors import Vendors
from emulators.warehouse import WarehouseStandIn
from functions.inventory_sync import main
from shared import clock, db, settings
from shared.auth import Role
from shared.messages import mails as mails_to_be_sent
from tests import factories
from tests.factories import Somebody
from tests.fakes import order_rows
from tests.fakes.crashes import Crash, crash
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.shop_client import COFFEE, MINT, ShopClient
from tests.platform import Platform

pytest_plugins = ["tests.fakes.clock_plugin", "tests.fakes.log_plugin", "tests.fakes.shop_plugin",
                  "tests.contract.vendor_plugin"]  # fmt: skip

LOW_BELOW = 100


@pytest.fixture
def warehouse(shop_vendors: Vendors) -> WarehouseStandIn:
    return shop_vendors.warehouse


@pytest.fixture
def jobs(platform: Platform) -> FunctionInvoker:
    return FunctionInvoker(platform.invoker_token)


@pytest.fixture
def admin(sql: Connection) -> Somebody:
    """The only admin of operations; a support admin and a member are told nothing."""
    assert sql
    factories.member(role=Role.SUPPORT)
    factories.member()
    return factories.member(role=Role.OPERATIONS)


def counts(sql: Connection) -> dict[str, int]:
    """The products that were counted, with what is on hand."""
    return dict(sql.execute_simple("SELECT sku, on_hand FROM stock WHERE counted_at IS NOT NULL").rows)


def mails(sql: Connection) -> list[list[str]]:
    """The mails about stock: to whom and about what, oldest first."""
    rows = sql.execute_simple(
        "SELECT to_email, parameters ->> 'what' FROM mails WHERE template = 'shop_notice' ORDER BY queued_at, id"
    ).rows
    return [list(row) for row in rows]


def lines(output: io.StringIO, message: str) -> list[dict[str, Any]]:
    """The lines of the product's own log with this message."""
    found = [json.loads(line) for line in output.getvalue().splitlines() if line.startswith("{")]
    return [line for line in found if line["message"] == message]


def sync(jobs: FunctionInvoker) -> int:
    return jobs.schedule("inventory_sync", "hourly")


def watch(jobs: FunctionInvoker) -> None:
    assert jobs.schedule("inventory_sync", "watch") == 204


def test_what_the_warehouse_counts_is_the_stock(
    warehouse: WarehouseStandIn, jobs: FunctionInvoker, sql: Connection, shop: ShopClient
) -> None:
    warehouse.set_counts({MINT: 4200, COFFEE: 0})
    assert sync(jobs) == 204
    assert counts(sql) == {MINT: 4200, COFFEE: 0}
    level = shop.level()
    assert (level["on_hand"], level["counted_by"], level["reason"]) == (4200, None, "Counted by the warehouse.")
    assert datetime.fromisoformat(level["counted_at"]) <= clock.now()


def test_a_notice_of_new_counts_causes_the_same(
    warehouse: WarehouseStandIn, jobs: FunctionInvoker, sql: Connection
) -> None:
    warehouse.set_counts({MINT: 7})
    assert jobs.task("inventory_sync", "inventory-sync", {}) == 204
    assert counts(sql) == {MINT: 7}


def test_a_count_that_comes_again_changes_nothing(
    warehouse: WarehouseStandIn, jobs: FunctionInvoker, sql: Connection
) -> None:
    moment = clock.now() - timedelta(minutes=1)
    warehouse.now = lambda: moment
    warehouse.set_counts({MINT: 7})
    assert [sync(jobs) for _ in range(2)] == [204, 204]
    assert sql.execute_simple("SELECT count(*) FROM stock_moves").rows == [[1]]


def test_what_people_have_counted_later_stays(
    warehouse: WarehouseStandIn, jobs: FunctionInvoker, sql: Connection, log_output: io.StringIO
) -> None:
    order_rows.counted(9, MINT)
    warehouse.now = lambda: clock.now() - timedelta(hours=1)
    warehouse.set_counts({MINT: 7, COFFEE: 3})
    assert sync(jobs) == 204
    assert counts(sql) == {MINT: 9, COFFEE: 3}
    (line,) = lines(log_output, "these products were counted later already")
    assert line["skus"] == [MINT]


def test_a_product_that_we_do_not_know_is_named_in_the_log_alone(
    warehouse: WarehouseStandIn, jobs: FunctionInvoker, sql: Connection, log_output: io.StringIO
) -> None:
    warehouse.set_counts({MINT: 7, "NEW-9": 5})
    assert sync(jobs) == 204
    assert counts(sql) == {MINT: 7}
    (line,) = lines(log_output, "the warehouse counts products that we do not know")
    assert line["skus"] == ["NEW-9"]


@pytest.mark.parametrize("fault", [Fault.UNANSWERED, Fault.INTERNAL_ERROR, Fault.NONSENSE], ids=lambda it: it.name)
def test_while_it_does_not_answer_the_stock_stays_and_it_is_asked_again(
    warehouse: WarehouseStandIn, jobs: FunctionInvoker, sql: Connection, fault: Fault
) -> None:
    order_rows.counted(9, MINT)
    warehouse.set_counts({MINT: 7})
    warehouse.fail_next(1, fault)
    assert sync(jobs) == 503
    assert counts(sql) == {MINT: 9}
    assert sync(jobs) == 204
    assert counts(sql) == {MINT: 7}


def test_a_count_of_the_future_waits_until_it_is_true(
    warehouse: WarehouseStandIn, jobs: FunctionInvoker, sql: Connection
) -> None:
    warehouse.now = lambda: clock.now() + timedelta(minutes=1)
    warehouse.set_counts({MINT: 7})
    assert sync(jobs) == 503
    assert counts(sql) == {}


@pytest.fixture
def sold(sql: Connection, admin: Somebody) -> Callable[[int], None]:
    """Makes so many tins of MINT sellable, by a count that people make."""
    assert admin
    moments = iter(clock.now() - timedelta(hours=1) + timedelta(seconds=second) for second in range(60))

    def leave(tins: int) -> None:
        sql.execute_unnamed(
            """
            INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, counted_by, reason)
            VALUES ($1, 'count', $2, $3, $3, $4, 'A count')
            """,
            (MINT, tins, next(moments), admin.id),
        )

    return leave


def test_running_low_is_told_once_to_people_of_operations(
    jobs: FunctionInvoker, sql: Connection, admin: Somebody, sold: Callable[[int], None]
) -> None:
    sold(LOW_BELOW)
    watch(jobs)
    assert mails(sql) == []
    for tins in (LOW_BELOW - 1, 5, 0):
        sold(tins)
        watch(jobs)
    ((to, what),) = mails(sql)
    assert to == admin.email
    assert f"BlakJaks Mint Ice ({MINT}): 99" in what


def test_it_is_told_again_only_after_there_was_clearly_more(
    jobs: FunctionInvoker, sql: Connection, sold: Callable[[int], None]
) -> None:
    for tins, told in ((99, 1), (LOW_BELOW, 1), (99, 1), (119, 1), (99, 1), (120, 1), (99, 2)):
        sold(tins)
        watch(jobs)
        assert len(mails(sql)) == told, tins


def test_a_product_that_is_off_sale_or_was_never_counted_is_not_low(
    jobs: FunctionInvoker, sql: Connection, sold: Callable[[int], None]
) -> None:
    sold(5)
    sql.execute_simple(f"UPDATE products SET on_sale = false WHERE sku = '{MINT}'")
    watch(jobs)
    assert mails(sql) == []
    sql.execute_simple(f"UPDATE products SET on_sale = true WHERE sku = '{MINT}'")
    watch(jobs)
    assert len(mails(sql)) == 1


def test_the_threshold_is_the_setting(jobs: FunctionInvoker, sql: Connection, sold: Callable[[int], None]) -> None:
    sold(99)
    sql.execute_simple("UPDATE settings SET value = '50' WHERE name = 'stock_low'")
    settings.forget()
    watch(jobs)
    assert mails(sql) == []


def test_tins_that_are_promised_and_missing_are_told_and_wake_people(
    jobs: FunctionInvoker,
    warehouse: WarehouseStandIn,
    sql: Connection,
    sold: Callable[[int], None],
    log_output: io.StringIO,
) -> None:
    sold(500)
    order_rows.placed(factories.member(), {MINT: 7})
    warehouse.set_counts({MINT: 4})
    for _ in range(2):
        assert sync(jobs) == 204
    (missing,) = [what for _, what in mails(sql) if "missing" in what]
    assert f"({MINT}): 3 missing" in missing
    told = lines(log_output, "more tins are promised than are there")
    assert [(line["severity"], line["sku"], line["shortage"]) for line in told] == [("ERROR", MINT, 3)]


def test_the_list_of_the_stock_shows_since_when(
    jobs: FunctionInvoker, shop: ShopClient, sold: Callable[[int], None]
) -> None:
    sold(500)
    order_rows.placed(factories.member(), {MINT: 7})
    sold(5)
    watch(jobs)
    level = shop.level()
    assert level["low_since"] == level["short_since"] is not None
    sold(500)
    watch(jobs)
    level = shop.level()
    assert level["low_since"] is level["short_since"] is None


def test_runs_beside_each_other_tell_once(jobs: FunctionInvoker, sql: Connection, sold: Callable[[int], None]) -> None:
    sold(5)
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: jobs.schedule("inventory_sync", "watch"), range(8))) == {204}
    assert len(mails(sql)) == 1


def test_a_run_that_dies_leaves_the_telling_to_the_next(
    jobs: FunctionInvoker, sql: Connection, sold: Callable[[int], None]
) -> None:
    sold(5)
    with crash(mails_to_be_sent, "queue", at=1, after=False), pytest.raises(Crash):
        db.atomically(main._watched, clock.now())
    assert mails(sql) == []
    watch(jobs)
    assert len(mails(sql)) == 1
