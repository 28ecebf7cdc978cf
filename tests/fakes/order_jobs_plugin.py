"""Gives a test an `orders` driver over the stand-ins of the vendors, with a hundred tins of stock."""

from collections.abc import Callable

import pytest
from pg8000.dbapi import Connection

from emulators.vendors import Vendors
from tests.fakes import order_rows
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.order_driver import OrderDriver
from tests.platform import Platform

pytest_plugins = ["tests.fakes.clock_plugin", "tests.contract.vendor_plugin"]


@pytest.fixture
def orders(
    platform: Platform, sql: Connection, advance_clock: Callable[[float], None], shop_vendors: Vendors
) -> OrderDriver:
    assert shop_vendors
    order_rows.counted(100)
    return OrderDriver(FunctionInvoker(platform.invoker_token), sql, advance_clock)
