"""Gives a test a `profile_desk`: a member, `somebody`, who reads and changes their profile."""

from collections.abc import Callable

import pytest
from pg8000.dbapi import Connection

from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.profile_client import ProfileClient
from tests.platform import Platform


@pytest.fixture
def somebody() -> Somebody:
    return factories.member()


@pytest.fixture
def profile_client(
    client: Callable[..., FunctionClient], platform: Platform, sql: Connection, somebody: Somebody
) -> ProfileClient:
    return ProfileClient(client(somebody.token), platform, sql)
