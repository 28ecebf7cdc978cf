"""The only place that asks for the time, so that a test clock can move it."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

CLOCK_FILE = "CLOCK_FILE"  # local and test mode only: a file that holds the offset from real time, in seconds


def now() -> datetime:
    """The present moment in UTC, moved by the test clock if one is configured."""
    moment = datetime.now(UTC)
    path = os.environ.get(CLOCK_FILE)
    return moment + offset(Path(path)) if path else moment


def offset(path: Path) -> timedelta:
    """How far the test clock in the file is ahead of the real time."""
    try:
        return timedelta(seconds=float(path.read_text() or 0))
    except FileNotFoundError:
        return timedelta()
