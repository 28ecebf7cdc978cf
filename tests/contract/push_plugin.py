"""Gives a test Apple's and Google's push services as stand-ins, with the settings by which the port reaches them."""

from collections.abc import Iterator

import pytest

from emulators.push import PushStandIn
from shared.ports import push as port
from tests.contract.push_world import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vendors(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[PushStandIn]:
    server = PushStandIn(clock.now)
    server.start()
    for name, value in server.settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("APNS_TOPIC", raising=False)
    yield server
    port.close()
    server.stop()
