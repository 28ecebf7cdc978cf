"""Gives a test `firestore`: a client of the embedded Firestore and then, where it is installed, of Google's emulator.

Each test has a project of its own. `embedded_firestore` is only the embedded one; `listeners` sees what functions
write.
"""

from collections.abc import Iterator

import pytest
from google.cloud.firestore import Client

from emulators.firestore import Firestore, OfficialFirestore, OfficialInstallation, find_official
from shared.ports import firestore as firestore_port
from tests.contract.firestore_world import new_client


@pytest.fixture(scope="session")
def embedded_firestore_server() -> Iterator[Firestore]:
    server = Firestore()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def official_firestore_installation() -> OfficialInstallation:
    found = find_official()
    if found is None:
        pytest.skip("Google's emulator or Java is not installed")
    return found


@pytest.fixture(scope="session")
def official_firestore_server(
    official_firestore_installation: OfficialInstallation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OfficialFirestore]:
    server = OfficialFirestore(official_firestore_installation, tmp_path_factory.mktemp("firestore") / "official.log")
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["embedded", "official"] if find_official() is not None else ["embedded"])
def firestore_host(request: pytest.FixtureRequest) -> str:
    """The value for FIRESTORE_EMULATOR_HOST, for each of the two."""
    host: str = request.getfixturevalue(f"{request.param}_firestore_server").host
    return host


@pytest.fixture
def firestore(firestore_host: str) -> Iterator[Client]:
    with new_client(firestore_host) as client:
        yield client


@pytest.fixture
def embedded_firestore(embedded_firestore_server: Firestore) -> Iterator[Client]:
    with new_client(embedded_firestore_server.host) as client:
        yield client


@pytest.fixture
def listeners(firestore_host: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client that sees what listeners see; the function writes into the same project."""
    with new_client(firestore_host) as client:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_host)
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", client.project)
        firestore_port.close()
        yield client
        firestore_port.close()
