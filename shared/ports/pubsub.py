"""Publishes messages to Pub/Sub."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.pubsub_v1 import PublisherClient

PUBLISH_SECONDS_MAX = 20.0  # for one request with its repetitions
ATTEMPT_SECONDS_MAX = 5.0
REQUEST_MESSAGES_MAX = 1000  # https://cloud.google.com/pubsub/quotas#resource_limits
REQUEST_BYTES_MAX = 9_000_000  # data and attributes; the service's limit of 10 MB counts the framing too
REQUESTS_AT_ONCE_MAX = 8


@dataclass(frozen=True)
class Message:
    """A message. `ordering_key`, at most 1 KB, keeps messages in order for subscriptions that ask for it."""

    data: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)
    ordering_key: str = ""


class PublishFailed(Exception):
    """Raised when some messages may not be published. They may have arrived all the same: publish them again."""

    def __init__(self, topic: str, message_ids: Sequence[str | None], cause: Exception) -> None:
        missing = sum(message_id is None for message_id in message_ids)
        super().__init__(f"{missing} of {len(message_ids)} messages were not published to {topic}: {cause}")
        self.message_ids = message_ids  # in the order of the messages; None for those that failed


def publish(topic: str, messages: Sequence[Message]) -> list[str]:
    """Publish messages; returns their ids in the same order. Messages of one ordering key are stored in order too.
    Raises PublishFailed, whose `message_ids` say which were published.
    """
    publisher = _publisher()
    path = f"projects/{os.environ['GOOGLE_CLOUD_PROJECT']}/topics/{topic}"
    message_ids: list[str | None] = [None] * len(messages)

    def publish_key(positions: list[int]) -> Exception | None:
        from google.api_core.exceptions import GoogleAPIError, InvalidArgument

        fault: Exception | None = None
        for batch in _batches(messages, positions):  # one after the other, since a later batch must not overtake
            try:
                stored = _send(publisher, path, [messages[position] for position in batch])
            except GoogleAPIError as error:
                fault = error
                if messages[batch[0]].ordering_key or not isinstance(error, InvalidArgument):
                    return fault
            else:
                for position, message_id in zip(batch, stored, strict=True):
                    message_ids[position] = message_id
        return fault

    faults = [fault for fault in _for_each_key(publish_key, messages) if fault]
    if faults:
        raise PublishFailed(path, message_ids, faults[0]) from faults[0]
    return [message_id for message_id in message_ids if message_id is not None]


def close() -> None:
    """Close this process's connection; the next message opens one to the address that the environment names then."""
    with _lock:
        publisher = _publishers.pop(os.getpid(), None)
    if publisher is not None:
        publisher.transport.close()  # type: ignore[no-untyped-call]  # the client leaves it untyped


def _for_each_key(
    publish_key: Callable[[list[int]], Exception | None], messages: Sequence[Message]
) -> list[Exception | None]:
    """Publish each ordering key's messages, several keys at a time: a request may hold one key only."""
    keys: dict[str, list[int]] = {}
    for position, message in enumerate(messages):
        keys.setdefault(message.ordering_key, []).append(position)
    if len(keys) <= 1:
        return [publish_key(positions) for positions in keys.values()]
    with ThreadPoolExecutor(min(len(keys), REQUESTS_AT_ONCE_MAX)) as threads:
        return list(threads.map(publish_key, keys.values()))


def _batches(messages: Sequence[Message], positions: list[int]) -> list[list[int]]:
    batches: list[list[int]] = [[]]
    size = 0
    for position in positions:
        message = messages[position]
        bytes_more = len(message.data) + sum(len(key) + len(value) for key, value in message.attributes.items())
        if batches[-1] and (len(batches[-1]) == REQUEST_MESSAGES_MAX or size + bytes_more > REQUEST_BYTES_MAX):
            batches.append([])
            size = 0
        batches[-1].append(position)
        size += bytes_more
    return batches


def _send(publisher: "PublisherClient", path: str, messages: list[Message]) -> Sequence[str]:
    from google.api_core import exceptions
    from google.api_core.retry import Retry, if_exception_type
    from google.api_core.timeout import ConstantTimeout
    from google.pubsub_v1 import PublishRequest

    bare = [
        {"data": message.data, "attributes": dict(message.attributes), "ordering_key": message.ordering_key}
        for message in messages
    ]
    passing = if_exception_type(
        exceptions.Aborted,
        exceptions.DeadlineExceeded,
        exceptions.InternalServerError,
        exceptions.ResourceExhausted,
        exceptions.ServiceUnavailable,
        exceptions.Unknown,
    )
    retry = Retry(predicate=passing, initial=0.1, maximum=2.0, timeout=PUBLISH_SECONDS_MAX)
    timeout = ConstantTimeout(ATTEMPT_SECONDS_MAX)  # type: ignore[no-untyped-call]  # likewise
    request = PublishRequest(topic=path, messages=bare)
    return publisher.publish(request, retry=retry, timeout=timeout).message_ids


_lock = threading.Lock()
# By process: a forked child must not use its parent's connection. gRPC itself survives a fork when the parent has only
# imported this module, as gunicorn's parent does; a parent that has published needs GRPC_ENABLE_FORK_SUPPORT=1.
_publishers: "dict[int, PublisherClient]" = {}


def _publisher() -> "PublisherClient":
    """The process's publisher. It is not google.cloud's batching client.

    That client holds messages back in a thread of its own; for ordered messages it never gives up, and it blocks the
    key after a fault.
    """
    with _lock:
        process_id = os.getpid()
        if process_id not in _publishers:
            _publishers[process_id] = _connected()
        return _publishers[process_id]


def _connected() -> "PublisherClient":
    from google.pubsub_v1 import PublisherClient

    emulator = os.environ.get("PUBSUB_EMULATOR_HOST")
    if not emulator:
        return PublisherClient()
    import grpc

    return PublisherClient(
        transport=PublisherClient.get_transport_class("grpc")(channel=grpc.insecure_channel(emulator))
    )
