"""The fixture of tests that schedule and watch streams."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pg8000.dbapi import Connection

from shared.auth import Role
from tests import factories
from tests.client import FunctionClient
from tests.fakes.profile_client import ProfileClient
from tests.fakes.streams import Events
from tests.platform import Platform


@pytest.fixture
def events(client: Callable[..., FunctionClient], sql: Connection, platform: Platform, tmp_path: Path) -> Events:
    admin = client(factories.member(role=Role.OPERATIONS).token)
    return Events(client, sql, admin, ProfileClient(admin, platform, sql), tmp_path)
