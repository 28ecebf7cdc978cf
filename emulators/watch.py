"""Watches a stack that is up: notices parts that end by themselves and a moved clock, and bounds the logs."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from emulators.process import Child, ended_unasked

LOOK_SECONDS = 0.5
LOG_BYTES_MAX = 16 * 1024 * 1024  # per log, and as much again for its previous part


class Watch:
    """A thread that watches from `start` to `stop`."""

    def __init__(self, folder: Path, clock: Path, moved: Callable[[], None], ended: Callable[[Child], None]) -> None:
        """`folder` has the logs. `moved` is called after the clock's file has changed, `ended` once per part."""
        self._folder = folder
        self._clock = clock
        self._moved = moved
        self._ended = ended
        self._offset = _text(clock)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        offset = _text(self._clock)
        if offset != self._offset:
            self._offset = offset
            self._moved()
        for log in self._folder.glob("*.log"):
            shorten(log)
        for child in ended_unasked(self._folder):
            child.is_wanted = False  # it is reported once
            self._ended(child)


def shorten(log: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
    """Move a log's content to `<name>.log.1` when it is too long, replacing what was there.

    The part keeps its file open for appending and continues at the beginning. What it writes during the copy is lost.
    """
    if log.stat().st_size > bytes_max:
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        with log.open("r+b") as file:
            file.truncate()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
