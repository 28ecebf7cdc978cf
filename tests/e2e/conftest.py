"""The whole stack, once per way of running it: all functions in one process, and a process for each."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from emulators import main_job, people
from emulators.client import Client
from emulators.main_job import Played
from emulators.people import Person
from emulators.stack import Options, Stack

MODES = {
    "one process": Options(gateway_port=0, durable=False, block_seconds=0.25),
    "a process each": Options(gateway_port=0, durable=False, block_seconds=0.25, isolated=True, firestore="embedded"),
}


in_each_mode = pytest.mark.parametrize("stack", list(MODES), indirect=True)


@dataclass
class Visitors:
    """Makes people and clients, and closes the connections of all of them."""

    stack: Stack
    clients: list[Client] = field(default_factory=list)

    def join(self, name: str) -> Person:
        person = people.join(self.stack, name)
        self.clients.append(person.client)
        return person

    def client(self, url: str = "", token: str | None = None) -> Client:
        client = Client(url or self.stack.url, token)
        self.clients.append(client)
        return client


@pytest.fixture
def visitors(stack: Stack) -> Iterator[Visitors]:
    made = Visitors(stack)
    yield made
    for client in made.clients:
        client.close()


@pytest.fixture(scope="package")
def played(stack: Stack) -> Iterator[Played]:
    """The main job once played; it relies on the first numbers of the global count."""
    result = main_job.play(stack, lambda _: None)
    yield result
    result.hang_up()


@pytest.fixture(scope="package")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running stack in the mode that the tests name (MODES), with a folder and ports of its own.

    It is stopped after the last test here that needs it: a hundred processes that call each other each minute would
    slow all other tests down.
    """
    given = MODES[request.param]
    folder: Path = tmp_path_factory.mktemp("stack") / "run"
    started = Stack(Options(**{**vars(given), "folder": folder}))
    started.start()
    yield started
    started.stop()
