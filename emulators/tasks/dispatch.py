"""Dispatches the tasks of the embedded Cloud Tasks as HTTP requests, when they are due and as the queue allows."""

import http
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from google.cloud.tasks_v2 import types

from emulators.deliveries import Deliveries, Pump, Request, Workers
from emulators.tasks.queue import RETENTION, SERVER_ERRORS, Queue, Task, as_datetime, may_retry, retry_pause

DISPATCHES_AT_ONCE_MAX = 64  # per queue, whatever its own limit
DISPATCH_THREADS_MAX = 256
PAUSE_SECONDS_MIN = 0.001  # a clock that stands still just before a due time must not cause a busy loop
USER_AGENT = "Google-Cloud-Tasks"
REPLACED = re.compile(r"host|content-length|user-agent|x-(google|appengine|cloudtasks)-.*", re.IGNORECASE)
# https://cloud.google.com/apis/design/errors#handling_errors; anything else is UNKNOWN
CODES = {
    400: (3, "INVALID_ARGUMENT"),
    401: (16, "UNAUTHENTICATED"),
    403: (7, "PERMISSION_DENIED"),
    404: (5, "NOT_FOUND"),
    409: (10, "ABORTED"),
    429: (8, "RESOURCE_EXHAUSTED"),
    500: (13, "INTERNAL"),
    501: (12, "UNIMPLEMENTED"),
    503: (14, "UNAVAILABLE"),
    504: (4, "DEADLINE_EXCEEDED"),
}
UNKNOWN = (2, "UNKNOWN")

logger = logging.getLogger(__name__)

Mint = Callable[[str, str], str]  # service account and audience to an OIDC token
Clock = Callable[[], datetime]


@dataclass
class Faults:
    """Faults on request. Change the fields at any time; `Faults()` is a service without faults."""

    deliveries: int = 1  # every dispatch is sent this often at the same time; the first one's answer counts
    delay_seconds: float = 0.0  # every dispatch is sent this much later


class Dispatcher:
    """All queues behind one lock. A thread of its own looks for due tasks when `wake` is called or a time has come."""

    def __init__(self, mint: Mint, now: Clock) -> None:
        self.lock = threading.RLock()
        self.queues: dict[str, Queue] = {}
        self.faults = Faults()
        self.now = now
        self._mint = mint
        self._deliveries = Deliveries()
        self._workers = Workers("tasks-dispatch", DISPATCH_THREADS_MAX)
        self._pump = Pump("tasks-clock", self._dispatch_due)
        self._settled = threading.Condition(self.lock)
        self._under_way = 0
        self._stopping = threading.Event()

    def start(self) -> None:
        self._pump.start()

    def stop(self) -> None:
        """Stop dispatching; requests under way are broken off."""
        self._stopping.set()
        self._pump.stop()
        self._deliveries.stop()
        self._workers.shutdown()

    def wake(self) -> None:
        """Look again, because a task, a queue or the clock has changed."""
        with self.lock:
            self._settled.notify_all()
        self._pump.wake()

    def start_attempt(self, queue: Queue, task: Task) -> None:
        """Send a task now, whatever the queue's limits; the lock must be held."""
        now = self.now()
        queue.running += 1
        task.running += 1
        task.config.dispatch_count += 1
        if task.config.dispatch_count == 1:
            task.config.first_attempt.dispatch_time.FromDatetime(now)
        attempt = task.config.last_attempt
        attempt.Clear()
        attempt.schedule_time.CopyFrom(task.config.schedule_time)
        attempt.dispatch_time.FromDatetime(now)
        headers = _headers(task)
        self._send_later(lambda: self._attempt(queue, task, headers))
        for _ in range(self.faults.deliveries - 1):
            self._send_later(lambda: self._send(task, headers))

    def drain(self, seconds_max: float) -> None:
        """Wait until nothing is under way, due, or to be tried again; raises TimeoutError otherwise."""
        with self.lock:
            if not self._settled.wait_for(lambda: not self._under_way and not self._unsettled(), seconds_max):
                raise TimeoutError(f"not done within {seconds_max} s: {self._unsettled()}, under way {self._under_way}")

    def settle(self, seconds_max: float) -> None:
        """Wait until nothing is under way or due; raises TimeoutError otherwise. A task whose attempt has failed is due
        again after its pause, which is not waited for.
        """
        with self.lock:
            if not self._settled.wait_for(lambda: not self._under_way and not self._due(), seconds_max):
                raise TimeoutError(f"tasks are not done within {seconds_max} s: {self._due()}")

    def next_due(self) -> datetime | None:
        """The earliest time for which a task is scheduled that was not tried yet and is not due; None without one."""
        with self.lock:
            now = self.now()
            waiting = (task.due for task in self._waiting() if task.due > now and not task.config.dispatch_count)
            return min(waiting, default=None)

    def _due(self) -> list[str]:
        now = self.now()
        return [task.name for task in self._waiting() if task.running or task.due <= now]

    def _waiting(self) -> list[Task]:
        return [task for queue in self.queues.values() if queue.is_running for task in queue.tasks.values()]

    def _unsettled(self) -> list[str]:
        now = self.now()
        tasks = self._waiting()
        return [task.name for task in tasks if task.running or task.config.dispatch_count or task.due <= now]

    def _dispatch_due(self) -> float | None:
        with self.lock:
            now = self.now()
            pauses = [self._dispatch_queue(queue, now) for queue in self.queues.values() if queue.is_running]
        pause = min((pause for pause in pauses if pause is not None), default=None)
        return None if pause is None else max(PAUSE_SECONDS_MIN, pause)

    def _dispatch_queue(self, queue: Queue, now: datetime) -> float | None:
        """Dispatch what is due; returns the seconds until the next look, or None if only an event can change things."""
        limits = queue.config.rate_limits
        while task := queue.next_task():
            if now - task.created >= RETENTION:
                queue.finish(task, now)
                continue
            if task.due > now:
                return (task.due - now) / timedelta(seconds=1)
            if queue.running >= min(limits.max_concurrent_dispatches, DISPATCHES_AT_ONCE_MAX):
                return None
            if pause := queue.bucket.take(limits.max_dispatches_per_second, limits.max_burst_size, now):
                return pause
            self.start_attempt(queue, task)
        return None

    def _send_later(self, job: Callable[[], object]) -> None:
        self._under_way += 1
        self._workers.submit(self._run, job, self.faults.delay_seconds)

    def _run(self, job: Callable[[], object], delay_seconds: float) -> None:
        if delay_seconds:
            self._stopping.wait(delay_seconds)
        try:
            job()
        finally:
            with self.lock:
                self._under_way -= 1
            self.wake()

    def _attempt(self, queue: Queue, task: Task, headers: dict[str, str]) -> None:
        try:
            status = self._send(task, headers)
        except Exception:  # whatever it is, the task must be tried again
            logger.exception("dispatching %s failed", task.name)
            status = http.HTTPStatus.INTERNAL_SERVER_ERROR
        with self.lock:
            queue.running -= 1
            task.running -= 1
            self._settle(queue, task, status)

    def _send(self, task: Task, headers: dict[str, str]) -> int:
        request = task.config.http_request
        if email := request.oidc_token.service_account_email:
            token = self._mint(email, request.oidc_token.audience or request.url)
            headers = headers | {"Authorization": f"Bearer {token}"}
        method = types.HttpMethod(request.http_method).name
        deadline: float = task.config.dispatch_deadline.ToMilliseconds() / 1000
        return self._deliveries.send(Request(method, request.url, headers, request.body or None), deadline)

    def _settle(self, queue: Queue, task: Task, status: int) -> None:
        now = self.now()
        succeeded = http.HTTPStatus.OK <= status < http.HTTPStatus.MULTIPLE_CHOICES
        config = task.config
        config.response_count += 1
        config.last_attempt.response_time.FromDatetime(now)
        if succeeded:
            queue.finish(task, now)
            return
        code, name = CODES.get(status, UNKNOWN)
        config.last_attempt.response_status.code = code
        config.last_attempt.response_status.message = f"{name}({code}): HTTP status code {status}"
        task.previous_status = status
        task.executions += status not in SERVER_ERRORS
        retry = queue.retry_config(task)
        if not may_retry(retry, config.dispatch_count, now - as_datetime(config.first_attempt.dispatch_time)):
            logger.info("%s is given up after %s attempts", task.name, config.dispatch_count)
            queue.finish(task, now)
        elif not task.running and queue.tasks.get(task.name) is task:
            queue.schedule(task, now + retry_pause(retry, config.dispatch_count))


def _headers(task: Task) -> dict[str, str]:
    """The headers of a request: the task's own ones and the service's.

    https://cloud.google.com/tasks/docs/creating-http-target-tasks#handler. As was seen on the wire, an execution count
    leaves out server errors, the reason is sent empty, and a missed deadline appears as 504.
    """
    config = task.config
    _, _, _, _, _, queue_id, _, task_id = config.name.split("/")
    headers = {name: value for name, value in config.http_request.headers.items() if not REPLACED.fullmatch(name)} | {
        "User-Agent": USER_AGENT,
        "X-CloudTasks-QueueName": queue_id,
        "X-CloudTasks-TaskName": task_id,
        "X-CloudTasks-TaskRetryCount": str(config.dispatch_count - 1),
        "X-CloudTasks-TaskExecutionCount": str(task.executions),
        "X-CloudTasks-TaskETA": f"{task.due.timestamp():.6f}",
    }
    if task.previous_status is not None:
        headers["X-CloudTasks-TaskPreviousResponse"] = str(task.previous_status)
        headers["X-CloudTasks-TaskRetryReason"] = ""
    return headers
