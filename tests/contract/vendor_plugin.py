"""Gives a test the stand-ins of the shop's four vendors, with the ports pointed at them."""

from collections.abc import Iterator

import pytest

from emulators.vendors import Vendors
from shared.ports import sessions
from shared.ports import vendors as port


@pytest.fixture
def shop_vendors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendors]:
    made = Vendors()
    made.start()
    for name, value in made.settings.items():
        monkeypatch.setenv(name, value)
    yield made
    sessions.close()
    made.stop()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ports wait for a fraction of a second only."""
    monkeypatch.setattr(port, "ANSWER_SECONDS_MAX", 0.3)
