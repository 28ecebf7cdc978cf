"""The gRPC methods of the embedded Cloud Tasks, implemented with the dispatcher, and their refusals.

Codes and wording of the refusals are those recorded from the real service where a record was found.
"""

import random
import re
from datetime import timedelta

import grpc
from google.cloud.tasks_v2 import types
from google.protobuf import empty_pb2, field_mask_pb2

from emulators.grpc_server import Context, Method, Raw, Refusal, StreamMethod, copy_of, page_of
from emulators.tasks.dispatch import USER_AGENT, Dispatcher
from emulators.tasks.queue import Queue, Task, complete_queue, complete_retry

DISPATCHES_PER_SECOND_MAX = 500
CONCURRENT_DISPATCHES_MAX = 5000
ATTEMPTS_UNLIMITED = -1
SCHEDULE_AHEAD_MAX = timedelta(days=30)
DEADLINE_SECONDS = (15.0, 1800.0)
DEADLINE_SECONDS_DEFAULT = 600
TASK_BYTES_MAX = 1024 * 1024
URL_CHARACTERS_MAX = 2083
QUEUE_NAME = re.compile(r"projects/[A-Za-z0-9:.-]+/locations/[A-Za-z0-9-]+/queues/[A-Za-z0-9-]{1,100}")
TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,500}")
QUEUE_FIELDS = frozenset({"rate_limits", "retry_config", "stackdriver_logging_config"})
METHODS_WITH_BODY = frozenset({types.HttpMethod.POST, types.HttpMethod.PUT, types.HttpMethod.PATCH})
FULL = types.Task.View.FULL
QUEUE_UNKNOWN = (
    "Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize."
)
TASK_UNKNOWN = "Requested entity was not found."
TASK_FINISHED = (
    "The task no longer exists, though a task with this name existed recently. "
    "The task either successfully completed or was deleted."
)


class TasksService:
    """One method per RPC; all take and return bare protobuf messages."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def services(self) -> dict[str, dict[str, Method | StreamMethod]]:
        """The service by its full name, for `GrpcServer`."""
        return {
            "google.cloud.tasks.v2.CloudTasks": {
                "ListQueues": Method(types.ListQueuesRequest, self.list_queues),
                "GetQueue": Method(types.GetQueueRequest, self.get_queue),
                "CreateQueue": Method(types.CreateQueueRequest, self.create_queue),
                "UpdateQueue": Method(types.UpdateQueueRequest, self.update_queue),
                "DeleteQueue": Method(types.DeleteQueueRequest, self.delete_queue),
                "PurgeQueue": Method(types.PurgeQueueRequest, self.purge_queue),
                "PauseQueue": Method(types.PauseQueueRequest, self.pause_queue),
                "ResumeQueue": Method(types.ResumeQueueRequest, self.resume_queue),
                "ListTasks": Method(types.ListTasksRequest, self.list_tasks),
                "GetTask": Method(types.GetTaskRequest, self.get_task),
                "CreateTask": Method(types.CreateTaskRequest, self.create_task),
                "DeleteTask": Method(types.DeleteTaskRequest, self.delete_task),
                "RunTask": Method(types.RunTaskRequest, self.run_task),
            }
        }

    def list_queues(self, request: Raw, _: Context) -> Raw:
        if request.filter:
            raise Refusal(grpc.StatusCode.UNIMPLEMENTED, "queues cannot be filtered in the embedded Cloud Tasks")
        with self._dispatcher.lock:
            page, token = page_of(self._dispatcher.queues, f"{request.parent}/queues/", request)
            return types.ListQueuesResponse.pb()(queues=[queue.config for queue in page], next_page_token=token)

    def get_queue(self, request: Raw, _: Context) -> Raw:
        with self._dispatcher.lock:
            return copy_of(self._queue(request.name).config)

    def create_queue(self, request: Raw, _: Context) -> Raw:
        with self._dispatcher.lock:
            if request.queue.name in self._dispatcher.queues:
                raise Refusal(grpc.StatusCode.ALREADY_EXISTS, "Queue already exists")
            if not request.queue.name.startswith(f"{request.parent}/queues/"):
                raise _invalid(f"The queue {request.queue.name} is not of {request.parent}.")
            return self._add_queue(request.queue)

    def update_queue(self, request: Raw, _: Context) -> Raw:
        """Update a queue, or create it when there is none, as the service does."""
        fixed = [path for path in request.update_mask.paths if path.split(".")[0] not in QUEUE_FIELDS]
        if fixed or not request.update_mask.IsValidForDescriptor(request.queue.DESCRIPTOR):
            raise _invalid(f"Fields that cannot be updated: {', '.join(fixed or request.update_mask.paths)}.")
        with self._dispatcher.lock:
            queue = self._dispatcher.queues.get(request.queue.name)
            if queue is None:
                return self._add_queue(request.queue)
            updated = copy_of(queue.config)
            paths = request.update_mask.paths or QUEUE_FIELDS
            field_mask_pb2.FieldMask(paths=paths).MergeMessage(request.queue, updated, True, True)
            complete_queue(updated)
            _check_queue(updated)
            queue.config = updated
            self._dispatcher.wake()
            return copy_of(updated)

    def delete_queue(self, request: Raw, _: Context) -> Raw:
        with self._dispatcher.lock:
            if self._dispatcher.queues.pop(request.name, None) is None:
                raise Refusal(grpc.StatusCode.NOT_FOUND, TASK_UNKNOWN)
        self._dispatcher.wake()
        return empty_pb2.Empty()

    def purge_queue(self, request: Raw, _: Context) -> Raw:
        with self._dispatcher.lock:
            queue = self._queue(request.name)
            now = self._dispatcher.now()
            for task in list(queue.tasks.values()):
                queue.finish(task, now)
            queue.config.purge_time.FromDatetime(now)
            self._dispatcher.wake()
            return copy_of(queue.config)

    def pause_queue(self, request: Raw, _: Context) -> Raw:
        return self._set_state(request.name, types.Queue.State.PAUSED)

    def resume_queue(self, request: Raw, _: Context) -> Raw:
        return self._set_state(request.name, types.Queue.State.RUNNING)

    def list_tasks(self, request: Raw, _: Context) -> Raw:
        with self._dispatcher.lock:
            page, token = page_of(self._queue(request.parent).tasks, "", request)
            views = [_view(task.config, request.response_view) for task in page]
            return types.ListTasksResponse.pb()(tasks=views, next_page_token=token)

    def get_task(self, request: Raw, _: Context) -> Raw:
        with self._dispatcher.lock:
            return _view(self._task(request.name)[1].config, request.response_view)

    def create_task(self, request: Raw, _: Context) -> Raw:
        with self._dispatcher.lock:
            queue = self._queue(request.parent)
            now = self._dispatcher.now()
            config = request.task
            config.name = config.name or f"{request.parent}/tasks/{random.getrandbits(63):019}"
            _check_task(config, request.parent)
            if config.name in queue.tasks or queue.existed(config.name, now):
                raise Refusal(grpc.StatusCode.ALREADY_EXISTS, "Requested entity already exists")
            due = config.schedule_time.ToDatetime(tzinfo=now.tzinfo) if config.HasField("schedule_time") else now
            if due > now + SCHEDULE_AHEAD_MAX:
                raise _invalid(f"Task.scheduleTime is more than {SCHEDULE_AHEAD_MAX.days} days in the future.")
            config.create_time.FromDatetime(now.replace(microsecond=0))
            queue.add(Task(config, max(due, now)))
            created = _view(config, request.response_view)
        self._dispatcher.wake()
        return created

    def delete_task(self, request: Raw, _: Context) -> Raw:
        with self._dispatcher.lock:
            queue, task = self._task(request.name)
            queue.finish(task, self._dispatcher.now())
        self._dispatcher.wake()
        return empty_pb2.Empty()

    def run_task(self, request: Raw, _: Context) -> Raw:
        """Dispatch a task now, even if its queue is paused or it is running or not due."""
        with self._dispatcher.lock:
            queue, task = self._task(request.name)
            task.config.schedule_time.FromDatetime(self._dispatcher.now())
            self._dispatcher.start_attempt(queue, task)
            return _view(task.config, request.response_view)

    def _add_queue(self, config: Raw) -> Raw:
        if not QUEUE_NAME.fullmatch(config.name):
            form = "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>"
            raise _invalid(f'Queue name must be formatted: "{form}".')
        complete_queue(config)
        _check_queue(config)
        config.state = types.Queue.State.RUNNING
        self._dispatcher.queues[config.name] = Queue(config)
        return copy_of(config)

    def _set_state(self, name: str, state: int) -> Raw:
        with self._dispatcher.lock:
            queue = self._queue(name)
            queue.config.state = state
            self._dispatcher.wake()
            return copy_of(queue.config)

    def _queue(self, name: str) -> Queue:
        if name not in self._dispatcher.queues:
            raise Refusal(grpc.StatusCode.NOT_FOUND, QUEUE_UNKNOWN)
        return self._dispatcher.queues[name]

    def _task(self, name: str) -> tuple[Queue, Task]:
        queue = self._dispatcher.queues.get(name.rpartition("/tasks/")[0])
        if queue is None or name not in queue.tasks:
            finished = queue is not None and queue.existed(name, self._dispatcher.now())
            raise Refusal(grpc.StatusCode.NOT_FOUND, TASK_FINISHED if finished else TASK_UNKNOWN)
        return queue, queue.tasks[name]


def _check_queue(config: Raw) -> None:
    if config.HasField("app_engine_routing_override") or config.HasField("http_target"):
        raise Refusal(
            grpc.StatusCode.UNIMPLEMENTED, "queue-level targets are not available in the embedded Cloud Tasks"
        )
    limits, retry = config.rate_limits, config.retry_config
    rules = (
        (limits.max_dispatches_per_second >= 0, "RateLimits.maxDispatchesPerSecond cannot be negative."),
        (
            limits.max_dispatches_per_second <= DISPATCHES_PER_SECOND_MAX,
            f"RateLimits.maxDispatchesPerSecond must be less than or equal to {DISPATCHES_PER_SECOND_MAX}.",
        ),
        (limits.max_concurrent_dispatches >= 0, "RateLimits.maxConcurrentDispatches cannot be negative."),
        (
            limits.max_concurrent_dispatches <= CONCURRENT_DISPATCHES_MAX,
            f"RateLimits.maxConcurrentDispatches must be less than or equal to {CONCURRENT_DISPATCHES_MAX}.",
        ),
    )
    _require(rules)
    _check_retry(retry)


def _check_retry(retry: Raw) -> None:
    least, most = retry.min_backoff.ToNanoseconds(), retry.max_backoff.ToNanoseconds()
    rules = (
        (retry.max_attempts >= ATTEMPTS_UNLIMITED, "RetryConfig.maxAttempts must be greater or equal to -1."),
        (retry.max_doublings >= 0, "RetryConfig.maxDoublings cannot be negative."),
        (least >= 0, "RetryConfig.minBackoff cannot be negative."),
        (least <= most, "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff."),
    )
    _require(rules)


def _check_task(config: Raw, parent: str) -> None:
    """Check a task, and write the service's defaults into what is left out."""
    queue, _, task_id = config.name.rpartition("/tasks/")
    if queue != parent:
        where = f"('{parent}') must be the same as the queue name in the named task ('{queue}')"
        raise _invalid(f"The queue name from request {where}.")
    if not TASK_ID.fullmatch(task_id):
        signs = "letters ([A-Za-z]), numbers ([0-9]), hyphens (-), or underscores (_)"
        raise _invalid(f'Task ID "{task_id}" can contain only {signs}. Task ID must between 1 and 500 characters.')
    if config.ByteSize() > TASK_BYTES_MAX:
        raise _invalid(f"Task size too large: at most {TASK_BYTES_MAX} bytes.")
    if not config.HasField("http_request") or config.http_request.HasField("oauth_token"):
        raise Refusal(
            grpc.StatusCode.UNIMPLEMENTED, "the embedded Cloud Tasks has HTTP tasks without OAuth tokens only"
        )
    _check_request(config.http_request)
    if not config.HasField("dispatch_deadline"):
        config.dispatch_deadline.seconds = DEADLINE_SECONDS_DEFAULT
    least, most = DEADLINE_SECONDS
    if not least <= config.dispatch_deadline.ToMilliseconds() / 1000 <= most:
        raise _invalid(f"Task.dispatchDeadline must be between [{least:g}s, {most:g}s].")
    if config.HasField("retry_config"):
        complete_retry(config.retry_config)
        _check_retry(config.retry_config)


def _check_request(request: Raw) -> None:
    request.http_method = request.http_method or types.HttpMethod.POST
    request.headers["User-Agent"] = USER_AGENT
    rules = (
        (request.url, "HttpRequest.url is required."),
        (re.match(r"https?://", request.url), "HttpTarget.url must start with 'http://' or 'https://'."),
        (len(request.url) <= URL_CHARACTERS_MAX, f"HttpRequest.url is longer than {URL_CHARACTERS_MAX} characters."),
        (
            not request.body or request.http_method in METHODS_WITH_BODY,
            "HTTP request body is only allowed with the methods POST, PUT and PATCH.",
        ),
    )
    _require(rules)


def _require(rules: tuple[tuple[object, str], ...]) -> None:
    for met, otherwise in rules:
        if not met:
            raise _invalid(otherwise)


def _view(config: Raw, view: int) -> Raw:
    """A copy of the task; it has the body in the full view only."""
    task = copy_of(config)
    task.view = types.Task.View.FULL if view == FULL else types.Task.View.BASIC
    if view != FULL:
        task.http_request.ClearField("body")
    return task


def _invalid(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)
