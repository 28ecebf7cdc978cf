"""Answers of a moment ago: requests that come in one second cost the database one answer."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar, cast

FRESH_SECONDS = 1.0

Kept = TypeVar("Kept")


def remembered(name: str, make: Callable[[], Kept]) -> Kept:
    """The value that `make` has returned under this name at most FRESH_SECONDS ago; a failure is not kept."""
    with _memory.lock:
        found = _memory.kept.get(name)
        if found is None or time.monotonic() - found[0] >= FRESH_SECONDS:
            found = _memory.kept[name] = (time.monotonic(), make())
        return cast("Kept", found[1])


def forget() -> None:
    """Forget all answers, so that the next calls read the figures again."""
    with _memory.lock:
        _memory.kept.clear()


class _Memory:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: dict[str, tuple[float, object]] = {}


_memory = _Memory()
