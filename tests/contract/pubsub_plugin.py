"""Gives a test `world`: the embedded Pub/Sub and then, where it is installed, Google's emulator.

A test file lists in `GOOGLES_LACKS` what Google's emulator cannot do, and the tests that are therefore not run against
it.
"""

from collections.abc import Iterator

import pytest

from emulators.identity import Identity
from emulators.pubsub import PubSub
from emulators.pubsub.official import OfficialPubSub, find_official
from tests.contract.pubsub_world import World


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    lacks: dict[str, tuple[str, ...]] | None = getattr(metafunc.module, "GOOGLES_LACKS", None)
    if lacks is None or "world" not in metafunc.fixturenames:
        return
    excused = {name for names in lacks.values() for name in names}
    unknown = excused - set(vars(metafunc.module))
    if unknown:
        raise pytest.UsageError(f"GOOGLES_LACKS names no tests: {unknown}")
    compared = find_official() is not None and metafunc.function.__name__ not in excused
    metafunc.parametrize("world", ["embedded", "official"] if compared else ["embedded"], indirect=True)


@pytest.fixture(scope="session")
def push_identity() -> Identity:
    """An identity for its key and tokens; it is not serving."""
    return Identity()


@pytest.fixture(scope="session")
def broker(push_identity: Identity) -> Iterator[PubSub]:
    broker = PubSub(push_identity.mint)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def embedded_world(broker: PubSub) -> Iterator[World]:
    world = World(broker.host)
    yield world
    world.close()


@pytest.fixture(scope="session")
def official_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    jar = find_official()
    assert jar is not None, "asked for only where it is installed"
    official = OfficialPubSub(jar, tmp_path_factory.mktemp("pubsub") / "official.log")
    official.start()
    world = World(official.host)
    yield world
    world.close()
    official.stop()


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(f"{request.param}_world")
    return found
