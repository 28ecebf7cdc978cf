"""Gives a test a `usdt` driver: a buyer with a wallet, two nodes of a chain, and the vendors' stand-ins."""

from collections.abc import Callable

import pytest
from pg8000.dbapi import Connection

from emulators.vendors import Vendors
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.nodes import FakeNodes
from tests.fakes.order_client import OrderClient
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.usdt_driver import WALLET, UsdtDriver
from tests.platform import Platform

pytest_plugins = ["tests.fakes.treasury_plugin", "tests.fakes.order_plugin", "tests.contract.vendor_plugin"]


@pytest.fixture
def usdt(
    platform: Platform,
    sql: Connection,
    buyer: OrderClient,
    two_nodes: FakeNodes,
    payout_driver: PayoutDriver,
    advance_clock: Callable[[float], None],
    shop_vendors: Vendors,
) -> UsdtDriver:
    assert shop_vendors
    sql.execute_unnamed("UPDATE members SET wallet_address = $1 WHERE id = $2", (WALLET, buyer.who.id))
    invoker = FunctionInvoker(platform.invoker_token)
    made = UsdtDriver(buyer, invoker, sql, two_nodes, payout_driver, advance_clock)
    made.watch()
    return made
