"""Gives a test a `desk`: a member who wants a wholesale account, and an admin who decides about it."""

import pytest
from pg8000.dbapi import Connection

from tests.client import Client
from tests.fakes.wholesale_client import WholesaleClient, wholesale_client


@pytest.fixture
def desk(client: Client, database: str, sql: Connection) -> WholesaleClient:
    assert database
    return wholesale_client(client, sql)
