"""Gives a test a `trade`: an approved wholesale account that orders, with a thousand tins in the warehouse."""

from datetime import timedelta

import pytest
from pg8000.dbapi import Connection

from shared import clock
from tests.client import Client
from tests.fakes import order_rows
from tests.fakes.order_driver import OrderDriver
from tests.fakes.wholesale_buyer import WholesaleBuyer, wholesale_buyer

pytest_plugins = ["tests.fakes.order_jobs_plugin"]

TINS = 1000


@pytest.fixture
def trade(client: Client, sql: Connection, orders: OrderDriver) -> WholesaleBuyer:
    assert orders
    order_rows.counted(TINS, at=clock.now() + timedelta(seconds=1))
    return wholesale_buyer(client, sql)
