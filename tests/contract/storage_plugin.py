"""Gives a test `storage`: the embedded Cloud Storage with an empty `bucket`, where the port and a client find it."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud.storage import Client

from emulators.storage import Storage
from tests.contract.storage_world import ACCOUNT, BUCKET, Clock


@pytest.fixture
def storage_clock() -> Clock:
    return Clock()


@pytest.fixture
def storage(storage_clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    server = Storage(storage_clock.now)
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.host)
    monkeypatch.setenv("FILES_SERVICE_ACCOUNT", ACCOUNT)
    server.create_bucket(BUCKET)
    yield server
    server.stop()


@pytest.fixture
def storage_client(storage: Storage) -> Iterator[Any]:
    assert storage.host
    made = Client()
    yield made
    made.close()


@pytest.fixture
def bucket(storage_client: Any) -> Any:
    return storage_client.bucket(BUCKET)
