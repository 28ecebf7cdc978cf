"""The only place that asks for the time, so that a test clock can move it."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

CLOCK_FILE = "CLOCK_FILE"  # local and test mode only: a file with the offset from real time, in seconds
ADVANCING = "advancing"  # the file's second word while `make advance` goes from one due moment to the next


def now() -> datetime:
    """The present moment in UTC, moved by the test clock if one is configured."""
    moment = datetime.now(UTC)
    path = os.environ.get(CLOCK_FILE)
    return moment + offset(Path(path)) if path else moment


def offset(path: Path) -> timedelta:
    """How far the test clock in the file is ahead of the real time."""
    words = _words(path)
    return timedelta(seconds=float(words[0])) if words else timedelta()


def is_advancing() -> bool:
    """True while the test clock goes from one due moment to the next: a job that repeats its work for a minute does it
    once then, because the next step waits for it. Always False in the cloud.
    """
    path = os.environ.get(CLOCK_FILE)
    return path is not None and ADVANCING in _words(Path(path))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except FileNotFoundError:
        return []
