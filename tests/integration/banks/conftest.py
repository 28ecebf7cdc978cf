"""The bank at which an owner connects accounts, and who calls the jobs."""

from collections.abc import Callable

import pytest
from pg8000.dbapi import Connection

from emulators.bank import BankEnrollment, BankStandIn
from tests.client import FunctionClient
from tests.fakes.bank_client import BankOwner, bank_owner
from tests.fakes.invoker import FunctionInvoker
from tests.platform import Platform


@pytest.fixture
def bank(platform: Platform) -> BankStandIn:
    return platform.vendors.bank


@pytest.fixture
def jobs(platform: Platform) -> FunctionInvoker:
    return FunctionInvoker(platform.invoker_token)


@pytest.fixture
def owner(client: Callable[..., FunctionClient], sql: Connection, bank: BankStandIn) -> BankOwner:
    assert sql
    return bank_owner(client, bank)


@pytest.fixture
def enrollment(bank: BankStandIn) -> BankEnrollment:
    return bank.enroll()
