"""Gives a test a `buyer`: a member at the checkout of a shop that serves some states, with tins in its warehouse."""

from collections.abc import Iterator

import pytest
from pg8000.dbapi import Connection

from emulators.tax import TaxStandIn
from tests.client import Client
from tests.fakes import order_rows
from tests.fakes.order_client import SERVED, OrderClient, order_client, serve
from tests.platform import Platform

TINS = 500


@pytest.fixture
def tax_service(platform: Platform) -> Iterator[TaxStandIn]:
    """The tax service, which has done nothing yet and has no faults."""
    platform.vendors.tax.clear()
    yield platform.vendors.tax
    platform.vendors.tax.clear()


@pytest.fixture
def buyer(client: Client, sql: Connection, tax_service: TaxStandIn) -> OrderClient:
    assert tax_service
    serve(sql, *SERVED)
    order_rows.counted(TINS)
    return order_client(client)
