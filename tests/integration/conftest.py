"""Gives every test here the platform's parts and a database of its own."""

import pytest


@pytest.fixture(autouse=True)
def _in_its_own_database(database: str) -> None:
    assert database
