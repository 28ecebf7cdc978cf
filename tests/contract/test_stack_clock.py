"""The clock of a local stack: everybody who moves it is followed at once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from emulators import running
from emulators.stack_clock import StackClock

DAY = timedelta(days=1)
SLACK = timedelta(seconds=30)


def is_ahead(clock: StackClock, by: timedelta) -> bool:
    return abs(clock.now() - datetime.now(UTC) - by) < SLACK


def test_without_a_file_it_is_the_real_time(tmp_path: Path) -> None:
    assert is_ahead(StackClock(tmp_path / "clock"), timedelta())


def test_it_is_moved_here_and_by_other_processes(tmp_path: Path) -> None:
    clock = StackClock(tmp_path / "clock")
    other = StackClock(tmp_path / "clock")
    clock.set(datetime.now(UTC) + DAY)
    assert is_ahead(clock, DAY)
    assert is_ahead(other, DAY)
    for days in range(2, 20):
        other.set(datetime.now(UTC) + days * DAY, advancing=True)
        assert is_ahead(clock, days * DAY)


def test_a_file_that_was_taken_away_moves_it_no_more(tmp_path: Path) -> None:
    clock = StackClock(tmp_path / "clock")
    running.private(clock.file, "86400")
    assert is_ahead(clock, DAY)
    clock.file.unlink()
    assert is_ahead(clock, timedelta())
