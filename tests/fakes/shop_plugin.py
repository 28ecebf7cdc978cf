"""Gives a test a `desk`: a member at the shop and an admin in its warehouse."""

import pytest

from tests.client import Client
from tests.fakes.shop_desk import ShopDesk, shop_desk


@pytest.fixture
def desk(client: Client, database: str) -> ShopDesk:
    assert database
    return shop_desk(client)
