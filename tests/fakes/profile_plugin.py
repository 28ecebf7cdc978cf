"""Gives a test a member, `somebody`, their `profile_client`, and `listener_copies`, which go with a closed account."""

from collections.abc import Callable, Iterator

import pytest
from pg8000.dbapi import Connection

from emulators.firestore import Firestore
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.profile_client import ProfileClient
from tests.platform import Platform, environment


@pytest.fixture
def somebody() -> Somebody:
    return factories.member()


@pytest.fixture
def profile_client(
    client: Callable[..., FunctionClient], platform: Platform, sql: Connection, somebody: Somebody
) -> ProfileClient:
    return ProfileClient(client(somebody.token), platform, sql)


@pytest.fixture
def listener_copies(database: str) -> Iterator[None]:
    """The copies that listeners read, in a Firestore of the test's own."""
    assert database
    server = Firestore()
    server.start()
    with environment({"FIRESTORE_EMULATOR_HOST": server.host}):
        yield
    server.stop()
