"""A week divides what orders have given that were shipped before it ended; the others may still be cancelled."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

import pytest
from pg8000.dbapi import Connection

from emulators.vendors import Vendors
from shared import clock
from shared.values.money import Usdt
from shared.values.weeks import last_sunday
from tests import factories
from tests.client import FunctionClient
from tests.fakes.accrual_rows import pools
from tests.fakes.order_driver import OrderDriver
from tests.fakes.parcel_views import confirmed, sent
from tests.fakes.treasury_admins import treasury_admin
from tests.fakes.week_rows import Weeks

pytest_plugins = ["tests.fakes.order_jobs_plugin"]


@pytest.fixture
def weeks(sql: Connection) -> Weeks:
    return Weeks(sql)


def test_the_preview_shows_what_the_week_would_divide(
    client: Callable[..., FunctionClient], weeks: Weeks, orders: OrderDriver
) -> None:
    confirmed(orders)
    assert pools()["pool:affiliate"].micro > 0
    admin = treasury_admin(client)
    assert admin.client.get("/v1/admin/affiliates/weeks/preview").body["pool"] == 0
    weeks.fill(Usdt.of(7), clock.now())
    assert admin.client.get("/v1/admin/affiliates/weeks/preview").body["pool"] == 7
    weeks.fill(Usdt.of(-9), clock.now())
    assert admin.client.get("/v1/admin/affiliates/weeks/preview").body["pool"] == 0


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
