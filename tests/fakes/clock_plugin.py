"""Gives a test a clock that it moves on."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def advance_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the test clock on by so many seconds."""
    file, passed = tmp_path / "clock", 0.0
    monkeypatch.setenv("CLOCK_FILE", str(file))

    def move(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        file.write_text(str(passed))

    return move
