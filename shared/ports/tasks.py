"""Adds HTTP requests to Cloud Tasks queues, which make them later and repeat them until they succeed."""

import os
import threading
from datetime import datetime
from typing import TYPE_CHECKING

from shared.ports.outage import Outage

if TYPE_CHECKING:
    from google.cloud.tasks_v2 import CloudTasksClient

ENQUEUE_SECONDS_MAX = 10.0


class EnqueueFailed(Outage):
    """Raised when the task may not be in the queue; enqueue it again, under the same name if it has one."""


def enqueue(
    queue: str,
    url: str,
    body: bytes,
    *,
    name: str | None = None,
    schedule_time: datetime | None = None,
    audience: str | None = None,
) -> bool:
    """Enqueue a request; False when a task of that name is in the queue, or was within about a day. Raises
    EnqueueFailed.

    The request is a POST of JSON to `url`, with an OIDC token of TASKS_SERVICE_ACCOUNT for `audience` (else `url`), not
    before `schedule_time` (aware, at most 30 days ahead). `name` has letters, digits, hyphens and underscores, at most
    500; evenly spread ones, such as hashes, are the fastest.
    https://cloud.google.com/tasks/docs/creating-http-target-tasks
    """
    from google.api_core.exceptions import AlreadyExists, GoogleAPIError
    from google.cloud.tasks_v2 import HttpMethod, HttpRequest, OidcToken, Task

    client = _client()
    parent = client.queue_path(os.environ["GOOGLE_CLOUD_PROJECT"], os.environ["CLOUD_TASKS_LOCATION"], queue)
    task = Task(
        name=f"{parent}/tasks/{name}" if name else "",
        schedule_time=schedule_time,
        http_request=HttpRequest(
            url=url,
            http_method=HttpMethod.POST,
            headers={"Content-Type": "application/json"},
            body=body,
            oidc_token=OidcToken(service_account_email=os.environ["TASKS_SERVICE_ACCOUNT"], audience=audience or url),
        ),
    )
    try:
        client.create_task(parent=parent, task=task, timeout=ENQUEUE_SECONDS_MAX)
    except AlreadyExists:
        return False
    except GoogleAPIError as error:
        raise EnqueueFailed(f"{parent} took no task for {url}: {error}") from error
    return True


def close() -> None:
    """Close this process's connection; the next task opens one to the address that the environment names then."""
    with _lock:
        client = _clients.pop(os.getpid(), None)
    if client is not None:
        client.transport.close()  # type: ignore[no-untyped-call]  # the client leaves it untyped


_lock = threading.Lock()
# By process: a forked child must not use its parent's connection. gRPC itself survives a fork when the parent has only
# imported this module, as gunicorn's parent does; a parent that has enqueued needs GRPC_ENABLE_FORK_SUPPORT=1.
_clients: "dict[int, CloudTasksClient]" = {}


def _client() -> "CloudTasksClient":
    with _lock:
        process_id = os.getpid()
        if process_id not in _clients:
            _clients[process_id] = _connected()
        return _clients[process_id]


def _connected() -> "CloudTasksClient":
    from google.cloud.tasks_v2 import CloudTasksClient

    emulator = os.environ.get("CLOUD_TASKS_EMULATOR_HOST")
    if not emulator:
        return CloudTasksClient()
    import grpc

    return CloudTasksClient(
        transport=CloudTasksClient.get_transport_class("grpc")(channel=grpc.insecure_channel(emulator))
    )
