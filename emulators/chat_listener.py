"""Listens to a channel of the chat as a member's app does: with the member's own token, under the security rules."""

import base64
import json
import queue
import zlib
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import grpc
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport

from emulators.cloud import PROJECT

DATABASE = f"projects/{PROJECT}/databases/(default)"
DOCUMENTS = f"{DATABASE}/documents"
TARGET = 2
Kind = types.TargetChange.TargetChangeType


class ListeningEnded(Exception):
    """Firestore has ended the listener, because its member may not read there, or not any more."""


class ChatListener:
    """Receives the pages of a channel after a position, from `__enter__` to `__exit__`, for at most `seconds_max`."""

    def __init__(self, host: str, id_token: str, channel_id: str, position: int, seconds_max: float) -> None:
        self._metadata = [("google-cloud-resource-prefix", DATABASE), ("authorization", f"Bearer {id_token}")]
        self._host = host
        self._channel_id = channel_id
        self._position = position
        self._seconds_max = seconds_max
        self._requests: queue.SimpleQueue[types.ListenRequest | None] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        self._connection = grpc.insecure_channel(self._host)
        client = FirestoreClient(transport=FirestoreGrpcTransport(channel=self._connection))
        path = f"{DOCUMENTS}/channels/{self._channel_id}"
        shift = client.get_document({"name": path}, metadata=self._metadata, retry=None).fields["shift"].string_value
        self._requests.put(types.ListenRequest(database=DATABASE, add_target=self._target(f"{path}/shifts/{shift}")))
        listen: Any = client.transport.listen  # the client leaves it half typed
        self._call = listen(iter(self._requests.get, None), metadata=self._metadata, timeout=self._seconds_max)
        self._receive(lambda message: message.target_change.target_change_type == Kind.CURRENT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._requests.put(None)
        self._call.cancel()
        self._connection.close()

    def wait_for(self, message_id: str) -> Mapping[str, Any]:
        """The message, once a page shows it. Raises ListeningEnded; grpc.RpcError when the time is over."""
        found: list[Mapping[str, Any]] = []

        def shows(received: types.ListenResponse) -> bool:
            page = received.document_change.document
            messages = [change["message"] for change in _changes(page)] if page.name else []
            found.extend(message for message in messages if message["id"] == message_id)
            return bool(found)

        self._receive(shows)
        return found[0]

    def _target(self, parent: str) -> types.Target:
        after = {"field": {"field_path": "last"}, "op": "GREATER_THAN", "value": {"integer_value": self._position}}
        query = {
            "from_": [{"collection_id": "pages"}],
            "where": {"field_filter": after},
            "order_by": [{"field": {"field_path": "last"}}],
        }
        return types.Target(target_id=TARGET, query={"parent": parent, "structured_query": query})

    def _receive(self, is_last: Callable[[types.ListenResponse], bool]) -> None:
        for received in self._call:
            if received.target_change.target_change_type == Kind.REMOVE:
                raise ListeningEnded(received.target_change.cause.message)
            if is_last(received):
                return
        raise ListeningEnded("the stream ended")


def _changes(page: types.Document) -> list[dict[str, Any]]:
    """The changes in a page (docs/social.md)."""
    body = page.fields["body"].string_value
    if page.fields["deflated"].boolean_value:
        body = zlib.decompress(base64.b64decode(body)).decode()
    changes: list[dict[str, Any]] = json.loads(body)
    return changes
