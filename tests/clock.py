"""Moves the product's clock forward."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from shared import clock


@contextmanager
def moved_clock(tmp_path: Path, by: timedelta) -> Iterator[None]:
    """Set the product's clock ahead by so much for the length of the block."""
    file = tmp_path / "clock"
    file.write_text(str(by.total_seconds()))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(clock.CLOCK_FILE, str(file))
        yield
