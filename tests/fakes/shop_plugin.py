"""Gives a test a `shop`: a member at the shop and an admin in its warehouse."""

import pytest

from tests.client import Client
from tests.fakes.shop_client import ShopClient, shop_client


@pytest.fixture
def shop(client: Client, database: str) -> ShopClient:
    assert database
    return shop_client(client)
