"""A receiver, the owner who has events sent to it, and who calls the job."""

from collections.abc import Callable

import pytest
from pg8000.dbapi import Connection

from shared.auth import Role
from tests.client import FunctionClient
from tests.fakes.hook_driver import HookDriver
from tests.fakes.hook_receiver import HookReceiver
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin
from tests.platform import Platform


@pytest.fixture
def owner(client: Callable[..., FunctionClient], sql: Connection) -> TreasuryAdmin:
    assert sql
    return treasury_admin(client, Role.OWNER)


@pytest.fixture
def driver(platform: Platform, sql: Connection, receiver: HookReceiver) -> HookDriver:
    assert receiver
    return HookDriver(FunctionInvoker(platform.invoker_token), sql)
