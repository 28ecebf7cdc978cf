"""The one place that asks for the time, so that a test clock can move it."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

CLOCK_FILE = "CLOCK_FILE"  # local and test mode only: a file holding the offset from real time, in seconds


def now() -> datetime:
    """The present moment in UTC, moved by the test clock where one is configured."""
    moment = datetime.now(UTC)
    path = os.environ.get(CLOCK_FILE)
    return moment + _offset(Path(path)) if path else moment


def _offset(path: Path) -> timedelta:
    try:
        return timedelta(seconds=float(path.read_text() or 0))
    except FileNotFoundError:
        return timedelta()
