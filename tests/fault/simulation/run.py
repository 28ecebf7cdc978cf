"""Opens a database and plays schedules."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from emulators.postgres import Postgres
from shared import config
from tests.fault.simulation import database
from tests.fault.simulation.database import Database

SETTINGS = {
    "FUNCTION_URL": "{service}",
    "CONFIRM_POLL_SECONDS": "20",
    "RPC_URLS": "none",
    "GOOGLE_CLOUD_PROJECT": "simulated",
    "LOG_LEVEL": "CRITICAL",
}


@contextmanager
def environment(settings: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ |= SETTINGS | settings
    config.read.cache_clear()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        config.read.cache_clear()


@contextmanager
def stage(name: str) -> Iterator[Database]:
    """A server, a template, and this process's copy."""
    postgres = Postgres(durable=False)
    postgres.start()
    try:
        settings = database.make_template(postgres, datetime.now(UTC))
        with database.opened(postgres, settings, name) as opened, environment(settings | {"DATABASE_NAME": name}):
            yield opened
    finally:
        postgres.stop()
