"""Takes the stack's clock from one due moment to the next, and makes the calls that are due there.

The moments are those of schedules that are due once a day at most, and of scheduled tasks. At each of them the other
schedules that were due meanwhile are called once, together, if that was not done in the hour before; then the rare
ones, one after another, oldest first. All that follows from the calls is done before the clock goes on: the outbox,
messages, and tasks that are due.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from emulators.scheduler import Due, Entry, Scheduler

CALLS_AT_ONCE = 8
SETTLE_SECONDS_MAX = 30.0
LOOK_SECONDS = 0.5  # how soon the end of the stack is noticed
OFTEN = timedelta(hours=1)  # at least so much of the clock's time lies between two calls of what is due often
TASK_STEPS_MAX = 20  # steps for tasks alone, one after another: a task that always makes another one ends there
DONE = 204

Move = Callable[[datetime], None]
Settle = Callable[[float], None]


@dataclass(frozen=True)
class Failure:
    """A call of a schedule that was not answered with 204; `status` is 0 without an answer."""

    at: datetime
    function: str
    schedule: str
    status: int


@dataclass
class Progress:
    """How far an advance has come: the clock's time, and whether that is the time asked for."""

    now: datetime
    is_there: bool = False
    steps: int = 0
    calls: int = 0
    failures: list[Failure] = field(default_factory=list)


class Stopped(Exception):
    """Raised when the stack ends during an advance."""


@dataclass
class Advance:
    """Plays what is due. Whoever calls `go_on` must not do so twice at a time.

    `move(moment)` sets the clock and marks it as advancing, `rest()` takes the mark away, `settle(seconds)` waits until
    all is done (emulators/settled.py), `next_task()` is when the next task is due, `mine()` buries transactions in
    blocks, because payments wait for blocks and those do not come faster when the clock is moved.
    """

    scheduler: Scheduler
    now: Callable[[], datetime]
    move: Move
    rest: Callable[[], None]
    settle: Settle
    next_task: Callable[[], datetime | None]
    mine: Callable[[], None]
    _stopping: threading.Event = field(default_factory=threading.Event)
    _often_at: datetime | None = None  # of the last calls of what is due often
    _seconds: dict[Entry, float] = field(default_factory=dict)  # that an entry's last call took

    def stop(self) -> None:
        """End an advance after the call that is under way."""
        self._stopping.set()

    def go_on(self, to: datetime, seconds_max: float) -> Progress:
        """Go on towards a time, for so many seconds of real time and at least one step; the same call again continues.

        Raises TimeoutError when something does not end (the clock then stands where it does), and Stopped.
        """
        ends_at = time.monotonic() + seconds_max
        made = Progress(self.now())
        with self.scheduler.held(), ThreadPoolExecutor(CALLS_AT_ONCE, "advancing") as threads:
            try:
                self._settled()
                task_steps = 0
                while not made.is_there and (made.steps == 0 or time.monotonic() < ends_at):
                    moment, is_tasks = self._next(to, tasks=task_steps < TASK_STEPS_MAX)
                    task_steps = task_steps + 1 if is_tasks else 0
                    self._step(moment, made, threads, often=is_tasks or moment >= to)
                    if is_tasks:
                        self.mine()
                        self._settled()
                    made.is_there = self.now() >= to
            finally:
                self.rest()
        made.now = self.now()
        return made

    def _next(self, to: datetime, *, tasks: bool) -> tuple[datetime, bool]:
        """The moment of the next step, and whether it is one of tasks alone."""
        moment = min(self.scheduler.next_rare() or to, to)
        task = self.next_task() if tasks else None
        return (task, True) if task and task < moment else (moment, False)

    def _step(self, moment: datetime, made: Progress, threads: ThreadPoolExecutor, *, often: bool) -> None:
        """Go to a moment; `often` calls what is due often, whenever that was called last."""
        if self._stopping.is_set():
            raise Stopped
        self.move(max(moment, self.now()))
        often = often or self._often_at is None or self.now() - self._often_at >= OFTEN
        if often:
            self._often_at = self.now()
        due = self.scheduler.take_due(self.now(), rare_only=not often)
        together = [each for each in due if not each.entry.is_rare]
        # The longest call begins first, so that no long one is waited for when all others are done.
        together.sort(key=lambda each: self._seconds.get(each.entry, 0.0), reverse=True)
        self._note(made, together, list(threads.map(self._call, together)))
        self._settled()
        for each in due:
            if each.entry.is_rare:
                self._note(made, [each], [self._call(each)])
                self._settled()
        made.steps += 1

    def _settled(self) -> None:
        """Wait until all is done. Raises TimeoutError, Stopped."""
        ends_at = time.monotonic() + SETTLE_SECONDS_MAX
        while True:
            if self._stopping.is_set():
                raise Stopped
            try:
                return self.settle(LOOK_SECONDS)
            except TimeoutError:
                if time.monotonic() >= ends_at:
                    raise

    def _call(self, due: Due) -> int:
        if self._stopping.is_set():
            raise Stopped
        began = time.monotonic()
        try:
            return self.scheduler.fire(due.entry)
        finally:
            self._seconds[due.entry] = time.monotonic() - began

    @staticmethod
    def _note(made: Progress, called: Sequence[Due], statuses: Sequence[int]) -> None:
        made.calls += len(called)
        for due, status in zip(called, statuses, strict=True):
            if status != DONE:
                made.failures.append(Failure(due.at, function_of(due.entry.url), due.entry.name, status))


def function_of(url: str) -> str:
    """The function behind a URL of the stack's router: payout_send for …/payout-send."""
    return url.rpartition("/")[2].replace("-", "_")
