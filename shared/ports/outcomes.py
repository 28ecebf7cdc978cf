"""How the services of others have answered this process: kept in memory until a job stores it
(shared/figures/integrations.py).

Each port wraps its requests in `asking`. A port neither knows the database nor the time.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

OUTCOME_LENGTH_MAX = 200

_lock = threading.Lock()
_outcomes: dict[str, str | None] = {}


@contextmanager
def asking(service: str, failures: type[Exception], answers: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Note how a request to this service ends: well, or with an error, which is raised on.

    `failures` is the base class of the port's exceptions, whose texts hold no secrets and nothing of people; of any
    other exception the class alone is noted. An exception that is exactly one of `answers` is a refusal by a service
    that is well.
    """
    try:
        yield
    except Exception as error:
        told = str(error).strip() if isinstance(error, failures) else ""
        _note(service, None if type(error) in answers else (told or type(error).__name__)[:OUTCOME_LENGTH_MAX])
        raise
    _note(service, None)


def take() -> dict[str, str | None]:
    """Return the last error of each service that was asked since the last call, None if it answered; and forget it."""
    with _lock:
        taken = dict(_outcomes)
        _outcomes.clear()
    return taken


def _note(service: str, error: str | None) -> None:
    with _lock:
        _outcomes[service] = error
