"""Postgres servers of both kinds: the machine's own, and the embedded one that is fetched where there is none."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from emulators import postgres
from emulators.postgres import Postgres, Source

SOURCES: tuple[Source, ...] = ("machine", "embedded")


@contextmanager
def running_server(source: Source) -> Iterator[Postgres]:
    """A server that runs during the block; the test is skipped where this machine has no Postgres of that kind."""
    try:
        postgres.find_binaries(source)
    except (FileNotFoundError, SystemExit) as absent:
        pytest.skip(f"no {source} Postgres here: {absent}")  # the other kind is tested everywhere
    started = Postgres(source=source, durable=False, vacuums=False)
    started.start()
    yield started
    started.stop()
