"""The fixture of tests that chat."""

from collections.abc import Callable

import pytest
from pg8000.dbapi import Connection

from tests.client import FunctionClient
from tests.fakes.chat import Chat


@pytest.fixture
def chat(client: Callable[..., FunctionClient], sql: Connection) -> Chat:
    return Chat(client, sql)
