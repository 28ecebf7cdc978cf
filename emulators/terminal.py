"""Error handling of commands at a terminal: one sentence and exit code 2 instead of a traceback."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pg8000.exceptions import DatabaseError

from emulators.running import refuse
from shared import db
from shared.config import ConfigMissing
from shared.database.session import sqlstate
from shared.ports.outage import Outage
from shared.ports.polygon.failures import ChainFailure

LOGIN_CLASSES = ("28", "3D")  # SQLSTATE: the login is refused, there is no such database


@contextmanager
def answering() -> Iterator[None]:
    """Wraps everything that a command asks, and exits when it cannot be asked.

    That is when the database, a node or a service is away, or a setting is missing; any other error is a bug and is
    raised.
    """
    try:
        yield
    except ConfigMissing as missing:
        refuse(f"it cannot be asked: {missing}")
    except ChainFailure as fault:
        refuse(f"the chain cannot be asked: {fault}")
    except Outage as fault:
        refuse(f"a service cannot be asked: {fault}")
    except Exception as error:
        if _of_the_database(error):
            refuse(f"the database {_place()} cannot be asked: {error.__cause__ or error}")
        raise


def _of_the_database(error: Exception) -> bool:
    return db.is_outage(error) or (isinstance(error, DatabaseError) and sqlstate(error)[:2] in LOGIN_CLASSES)


def _place() -> str:
    known = os.environ.get("DATABASE_INSTANCE")
    return known or f"{os.environ.get('DATABASE_HOST', '127.0.0.1')}:{os.environ.get('DATABASE_PORT', '5432')}"
