"""The fixture of tests that vote."""

from collections.abc import Callable

import pytest
from pg8000.dbapi import Connection

from tests.client import FunctionClient
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.votes import Votes
from tests.platform import Platform


@pytest.fixture
def votes(client: Callable[..., FunctionClient], sql: Connection, platform: Platform) -> Votes:
    return Votes(client, sql, FunctionInvoker(platform.invoker_token))
