"""Helpers of Firestore's contract tests: listeners that remember, raw Listen streams, and short spellings."""

import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import pytest
from google.cloud.firestore import Client
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.base_document import DocumentSnapshot

HEAR_SECONDS_MAX = 10.0

_projects = itertools.count(1)


@contextmanager
def new_client(host: str, project: str = "", database: str = "(default)") -> Iterator[Client]:
    """A client, for an unused project unless one is given."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FIRESTORE_EMULATOR_HOST", host)
        client = Client(project=project or f"contract-{next(_projects)}", database=database)
    yield client
    client.close()  # type: ignore[no-untyped-call]  # the client leaves it untyped


def root(client: Client) -> str:
    """The prefix of all documents' names."""
    return f"{client._database_string}/documents"


def call(client: Client, method: str, **request: Any) -> Any:
    """Call one of the API's methods directly, for requests that the client does not offer."""
    return getattr(client._firestore_api, method)(request=request, metadata=client._rpc_metadata, retry=None)


def fill(client: Client, collection: str, documents: dict[str, dict[str, Any]]) -> None:
    batch = client.batch()
    for document_id, fields in documents.items():
        batch.set(client.collection(collection).document(document_id), fields)
    batch.commit()


def ids(results: Any) -> list[str]:
    return [result.id for result in results]


@dataclass(frozen=True)
class Heard:
    """One call of a listener: the documents at that time, and the changes, as ("ADDED", id) and so on."""

    documents: dict[str, dict[str, Any]]
    changes: list[tuple[str, str]]


@dataclass
class Listener:
    """Remembers what `on_snapshot` reports. Used in a `with`, it stops listening at the end."""

    source: Any  # a document, collection or query: the client gives them no common type
    heard: list[Heard] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> Self:
        self._watch = self.source.on_snapshot(self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.unsubscribe()

    def wait(self, count: int) -> Heard:
        """The `count`th snapshot, once it has come."""
        return self.wait_for(lambda heard: len(heard) >= count)[count - 1]

    def wait_for(self, enough: Callable[[list[Heard]], bool]) -> list[Heard]:
        with self._news:
            assert self._news.wait_for(lambda: enough(self.heard), HEAR_SECONDS_MAX), f"only heard {self.heard}"
            return list(self.heard)

    def _hear(self, documents: Sequence[DocumentSnapshot[Any]], changes: Sequence[Any], _read_time: Any) -> None:
        contents = {document.id: document.to_dict() or {} for document in documents}
        with self._news:
            self.heard.append(Heard(contents, [(change.type.name, change.document.id) for change in changes]))
            self._news.notify_all()


class Stream:
    """A Listen call as it is on the wire. Used in a `with`, it is cancelled at the end."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._requests: queue.SimpleQueue[types.ListenRequest | None] = queue.SimpleQueue()
        listen = client._firestore_api._transport.listen
        self._call = listen(iter(self._requests.get, None), metadata=client._rpc_metadata, timeout=HEAR_SECONDS_MAX)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._requests.put(None)
        self._call.cancel()

    def add_query(
        self, target_id: int, collection: str, *, resume_token: bytes = b"", once: bool = False, **query: Any
    ) -> None:
        structured = {"from_": [{"collection_id": collection}], **query}
        target: dict[str, Any] = {"query": {"parent": root(self._client), "structured_query": structured}}
        self._add({**target, "target_id": target_id, "once": once}, resume_token)

    def add_documents(self, target_id: int, *paths: str) -> None:
        names = [f"{root(self._client)}/{path}" for path in paths]
        self._add({"documents": {"documents": names}, "target_id": target_id})

    def remove(self, target_id: int) -> None:
        self._requests.put(types.ListenRequest(database=self._client._database_string, remove_target=target_id))

    def end(self) -> None:
        """End the client's side: no more requests will come."""
        self._requests.put(None)

    def __iter__(self) -> Iterator[types.ListenResponse]:
        return iter(self._call)

    def snapshot(self) -> list[types.ListenResponse]:
        """The messages up to and including the next one that makes all targets consistent."""
        messages = []
        for message in self._call:
            messages.append(message)
            if _is_consistent(message):
                return messages
        raise AssertionError(f"the stream ended after {messages}")

    def _add(self, target: dict[str, Any], resume_token: bytes = b"") -> None:
        if resume_token:
            target["resume_token"] = resume_token
        self._requests.put(types.ListenRequest(database=self._client._database_string, add_target=target))


def _is_consistent(message: types.ListenResponse) -> bool:
    change = message.target_change
    return "target_change" in message and not change.target_ids and "read_time" in change


def told(messages: Sequence[types.ListenResponse], target_id: int) -> dict[str, bool]:
    """The documents that a target reported, by id: True for a version, False for a deletion."""
    known: dict[str, bool] = {}
    for message in messages:
        if target_id in message.document_change.target_ids:
            known[message.document_change.document.name.rpartition("/")[2]] = True
        for gone in (message.document_delete, message.document_remove):
            if target_id in gone.removed_target_ids:
                known[gone.document.rpartition("/")[2]] = False
    return known


def target_changes(messages: Sequence[types.ListenResponse]) -> list[tuple[str, list[int]]]:
    """The target changes among the messages, as ("ADD", [2]) and so on."""
    changes = [message.target_change for message in messages if "target_change" in message]
    return [(change.target_change_type.name, list(change.target_ids)) for change in changes]
