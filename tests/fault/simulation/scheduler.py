"""Decides who runs: of all workers, each a thread, only one moves at a time, and yields only at a `yield_point`."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


class Killed(BaseException):
    """Raised in place of kill -9: everything on the stack ends, and nothing that it still tries has an effect."""


@dataclass(eq=False)
class Worker:
    """An instance of a function at one delivery."""

    name: str
    skew_seconds: float = 0.0
    dead: bool = False
    transactions: int = 0
    wake_at: float = 0.0
    wrote: bool = False  # into the outbox
    finished: bool = False
    failure: BaseException | None = None
    context: Any = None
    gate: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.gate.acquire()


@dataclass
class WorkerScheduler:
    """Lets one worker run and waits until it yields."""

    current: Worker | None = None
    resting: list[Worker] = field(default_factory=list)
    _gate: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._gate.acquire()

    def start(self, worker: Worker, work: Callable[[], None]) -> None:
        """Start a worker; returns when it rests or has finished."""

        def run() -> None:
            worker.gate.acquire()
            try:
                work()
            except BaseException as failure:  # noqa: BLE001 - whatever it is, the schedule looks at it
                worker.failure = failure
            worker.finished = True
            self._gate.release()

        threading.Thread(target=run, name=worker.name, daemon=True).start()
        self._hand_over(worker)

    def resume(self, worker: Worker) -> None:
        self.resting.remove(worker)
        self._hand_over(worker)

    def rest(self, worker: Worker) -> None:
        """Called by the worker itself, to let another one run."""
        self.resting.append(worker)
        self._gate.release()
        worker.gate.acquire()

    @contextmanager
    def nobody(self) -> Iterator[None]:
        """Run the block as no worker, so that none is killed or stopped in the middle of it."""
        worker, self.current = self.current, None
        try:
            yield
        finally:
            self.current = worker

    def _hand_over(self, worker: Worker) -> None:
        self.current = worker
        worker.gate.release()
        self._gate.acquire()
        self.current = None
