"""One Cloud Tasks queue: its tasks by due time, its rate, the pauses between attempts, and the names it remembers."""

import heapq
import itertools
import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from google.cloud.tasks_v2 import types

from emulators.grpc_server import Raw

# https://cloud.google.com/tasks/docs/quotas and the defaults that `gcloud tasks queues create` shows.
DISPATCHES_PER_SECOND_DEFAULT = 500.0
CONCURRENT_DISPATCHES_DEFAULT = 1000
BURST_SIZE = (10, 100)
ATTEMPTS_DEFAULT = 100
BACKOFF_MILLISECONDS_DEFAULT = (100, 3_600_000)
DOUBLINGS_DEFAULT = 16
DOUBLINGS_MAX = 30
RETENTION = timedelta(days=31)
NAME_KEPT = timedelta(hours=24)
NAMES_KEPT_MAX = 100_000
CLIENT_ERRORS = range(400, 500)
SERVER_ERRORS = range(500, 600)
RUNNING = types.Queue.State.RUNNING


@dataclass(eq=False)
class Task:
    """A task and the outcome of its attempts so far."""

    config: Raw  # google.cloud.tasks.v2.Task
    due: datetime
    running: int = 0
    executions: int = 0  # answers other than server errors
    previous_status: int | None = None

    @property
    def name(self) -> str:
        name: str = self.config.name
        return name

    @property
    def created(self) -> datetime:
        return as_datetime(self.config.create_time)


@dataclass
class Bucket:
    """Tokens for dispatches: refilled at the queue's rate, by real time, or by the clock where that went further."""

    tokens: float = math.inf
    counted_at: float = field(default_factory=time.monotonic)
    clock_at: datetime | None = None

    def take(self, rate: float, size: float, clock: datetime) -> float:
        """Take a token; returns 0, or the seconds until there is one."""
        now = time.monotonic()
        moved = (clock - self.clock_at).total_seconds() if self.clock_at else 0.0
        self.tokens = min(size, self.tokens + max(now - self.counted_at, moved) * rate)
        self.counted_at, self.clock_at = now, clock
        if self.tokens < 1:
            return (1 - self.tokens) / rate
        self.tokens -= 1
        return 0.0


class Queue:
    """A queue without a lock of its own: its owner locks it."""

    def __init__(self, config: Raw) -> None:
        self.config = config
        self.tasks: dict[str, Task] = {}
        self.running = 0
        self.bucket = Bucket()
        self._finished: dict[str, datetime] = {}  # in the order of finishing
        # A heap; entries of tasks that were moved or finished are skipped.
        self._due: list[tuple[datetime, int, Task]] = []
        self._serial = itertools.count()

    @property
    def is_running(self) -> bool:
        running: bool = self.config.state == RUNNING
        return running

    def add(self, task: Task) -> None:
        self.tasks[task.name] = task
        self.schedule(task, task.due)

    def schedule(self, task: Task, due: datetime) -> None:
        task.due = due
        task.config.schedule_time.FromDatetime(due)
        heapq.heappush(self._due, (due, next(self._serial), task))

    def next_task(self) -> Task | None:
        """The waiting task with the earliest time."""
        while self._due:
            due, _, task = self._due[0]
            if self.tasks.get(task.name) is task and not task.running and task.due == due:
                return task
            heapq.heappop(self._due)
        return None

    def finish(self, task: Task, now: datetime) -> None:
        """Forget the task, but not its name."""
        if self.tasks.get(task.name) is not task:
            return
        del self.tasks[task.name]
        self._finished.pop(task.name, None)
        self._finished[task.name] = now
        for name, finished_at in list(itertools.islice(self._finished.items(), 2)):
            if len(self._finished) > NAMES_KEPT_MAX or now - finished_at >= NAME_KEPT:
                del self._finished[name]

    def existed(self, name: str, now: datetime) -> bool:
        """True if a task of that name has finished or been deleted within the last day."""
        finished_at = self._finished.get(name)
        return finished_at is not None and now - finished_at < NAME_KEPT

    def retry_config(self, task: Task) -> Raw:
        return task.config.retry_config if task.config.HasField("retry_config") else self.config.retry_config


def complete_queue(config: Raw) -> None:
    """Write the service's defaults into what is left out; a 0 cannot be told from nothing."""
    limits, retry = config.rate_limits, config.retry_config
    limits.max_dispatches_per_second = limits.max_dispatches_per_second or DISPATCHES_PER_SECOND_DEFAULT
    limits.max_concurrent_dispatches = limits.max_concurrent_dispatches or CONCURRENT_DISPATCHES_DEFAULT
    least, most = BURST_SIZE
    limits.max_burst_size = max(least, min(most, math.ceil(limits.max_dispatches_per_second)))
    complete_retry(retry)


def complete_retry(retry: Raw) -> None:
    retry.max_attempts = retry.max_attempts or ATTEMPTS_DEFAULT
    least, most = BACKOFF_MILLISECONDS_DEFAULT
    if not retry.HasField("min_backoff"):
        retry.min_backoff.FromMilliseconds(least)
    if not retry.HasField("max_backoff"):
        retry.max_backoff.FromMilliseconds(most)
    retry.max_doublings = retry.max_doublings or DOUBLINGS_DEFAULT


def retry_pause(retry: Raw, attempts: int) -> timedelta:
    """The pause after that many failed attempts: doubled `max_doublings` times, then growing by the last interval.

    https://cloud.google.com/tasks/docs/reference/rpc/google.cloud.tasks.v2#retryconfig
    """
    doublings = min(attempts - 1, retry.max_doublings, DOUBLINGS_MAX)
    interval = retry.min_backoff.ToTimedelta() * (1 << doublings)
    grown: timedelta = interval * (attempts - doublings)
    longest: timedelta = retry.max_backoff.ToTimedelta()
    return min(grown, longest)


def may_retry(retry: Raw, attempts: int, since_first: timedelta) -> bool:
    """False once all limits that are set are reached; without any limit, always True."""
    limits = []
    if retry.max_attempts > 0:
        limits.append(attempts >= retry.max_attempts)
    if retry.max_retry_duration.ToMilliseconds() > 0:
        limits.append(since_first >= retry.max_retry_duration.ToTimedelta())
    return not limits or not all(limits)


def as_datetime(timestamp: Raw) -> datetime:
    moment: datetime = timestamp.ToDatetime(tzinfo=UTC)
    return moment
