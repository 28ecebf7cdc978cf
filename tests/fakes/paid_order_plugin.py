"""Gives a test an operations admin, and an order of two tins that went its way from the checkout to the warehouse."""

from collections.abc import Callable

import pytest

from tests.client import FunctionClient
from tests.fakes import order_views
from tests.fakes.accrual_rows import Paid
from tests.fakes.order_admins import OrderAdmin, order_admin
from tests.fakes.order_driver import OrderDriver
from tests.fakes.shop_client import MINT

pytest_plugins = ["tests.fakes.order_jobs_plugin"]


@pytest.fixture
def admin(client: Callable[..., FunctionClient], orders: OrderDriver) -> OrderAdmin:
    assert orders
    return order_admin(client)


@pytest.fixture
def paid(orders: OrderDriver) -> Paid:
    """An order of two tins that went its way from the checkout to the warehouse."""
    return bought(orders)


def bought(orders: OrderDriver, tins: int = 2) -> Paid:
    placed = order_views.bought(orders, tins={MINT: tins})
    assert order_views.standing(placed.id).state == "confirmed"
    return Paid(placed.id, placed.payment_id)
