"""A week divides what orders have given that were shipped before it ended; the others may still be cancelled."""

from datetime import UTC, datetime, time, timedelta

import pytest
from pg8000.dbapi import Connection

from emulators.vendors import Vendors
from functions.affiliate_week.week_store import last_sunday
from shared import clock
from tests import factories
from tests.fakes.accrual_rows import pools
from tests.fakes.order_driver import OrderDriver
from tests.fakes.parcel_views import confirmed, sent
from tests.fakes.week_rows import Weeks

pytest_plugins = ["tests.fakes.order_jobs_plugin"]


@pytest.fixture
def weeks(sql: Connection) -> Weeks:
    return Weeks(sql)


@pytest.mark.parametrize("is_shipped", [True, False], ids=["shipped", "not shipped"])
def test_what_an_order_has_given_is_divided_once_it_has_left(
    is_shipped: bool, weeks: Weeks, orders: OrderDriver, shop_vendors: Vendors
) -> None:
    weeks.scan(factories.member(), at=clock.now())
    order = confirmed(orders)
    given = pools()["pool:affiliate"].micro
    if is_shipped:
        sent(orders, shop_vendors.warehouse, order.id)
    coming = last_sunday(clock.now()) + timedelta(days=7)
    weeks.run(datetime.combine(coming, time(0, 5), UTC))
    assert given > 0
    assert weeks.week(coming)["pool"] == (given if is_shipped else 0)
