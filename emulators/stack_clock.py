"""The time of a local stack: the real time, moved by the offset in a file that all of its processes read."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from emulators import running
from shared import clock

Version = tuple[int, int] | None  # inode and time of change; None without a file


class StackClock:
    """The clock of the process that runs the stack. It reads the file again when that was replaced: the queues ask for
    the time under their lock, for each task several times, and opening a file is slow while other threads compute.
    """

    def __init__(self, file: Path) -> None:
        """`file` is replaced as a whole by whoever moves the clock, as `running.private` does."""
        self.file = file
        self._known: tuple[Version, timedelta] = None, timedelta()

    def now(self) -> datetime:
        """The test clock's time."""
        version = self._version()
        known, offset = self._known
        if version != known:
            offset = clock.offset(self.file)
            self._known = version, offset
        return datetime.now(UTC) + offset

    def set(self, moment: datetime, *, advancing: bool = False) -> None:
        """Move the time of all processes. `advancing`: somebody waits for what is due then (shared/clock.py)."""
        mark = f" {clock.ADVANCING}" if advancing else ""
        running.private(self.file, f"{(moment - datetime.now(UTC)).total_seconds()}{mark}")
        self._known = None, timedelta()

    def _version(self) -> Version:
        try:
            found = os.stat(self.file)  # noqa: PTH116 - half the time of Path.stat
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns
