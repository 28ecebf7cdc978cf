"""Firestore, the copy that listeners read: a document only moves forward in sequence, whoever writes it, in any order.

FIRESTORE_EMULATOR_HOST ("host:port") chooses an emulator, FIRESTORE_DATABASE a database other than "(default)". Each
call raises FirestoreUnavailable when ATTEMPTS_MAX attempts have failed.
"""

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, WriteBatch
    from google.cloud.firestore_v1.base_document import DocumentSnapshot

Found = TypeVar("Found")

DOCUMENTS_MAX = 5_000  # in one call
CHUNK_DOCUMENTS_MAX = 300  # in one commit
CHUNK_JSON_BYTES_MAX = 1_000_000  # a commit takes 10 MiB of protobuf, which is at most six times the size of its JSON
CALL_SECONDS_MAX = 5.0
ATTEMPTS_MAX = 5
REPEAT_SECONDS = 0.1  # doubled with each attempt; the wait is random between zero and that
SEQUENCE = "sequence"
EXPIRES_AT = "expires_at"  # the field that the TTL policy reads


class FirestoreUnavailable(Exception):
    """Raised for a temporary failure. Some documents may have been written; the same call may be made again."""


class NotStorable(TypeError):
    """Raised when a field holds a type that Firestore must not be given; the message says where."""


class _Overtaken(Exception):
    """Raised when another writer changed a document between reading and writing; it is read again."""


@dataclass(frozen=True)
class Document:
    """A document. `path` is collection/id, maybe deeper.

    `fields` hold str, int, float, bool, None, aware datetime, list and dict.
    """

    path: str
    sequence: int
    fields: Mapping[str, object]
    expires_at: datetime | None = None

    def stored(self) -> dict[str, object]:
        """The fields that are written, with the sequence and, for the TTL policy, the expiry time."""
        life = {EXPIRES_AT: self.expires_at} if self.expires_at is not None else {}
        return {**self.fields, SEQUENCE: self.sequence, **life}


def put_newer(documents: Sequence[Document]) -> int:
    """Replace each stored document whose `sequence` is lower; returns how many were replaced.

    Safe to repeat and to race: the document of the highest sequence stays, as a whole. If two have one path, the newer
    counts. Each CHUNK_DOCUMENTS_MAX documents take one round trip to read and one to write. A replacement whose answer
    was lost on the way is not counted. Raises NotStorable before anything is written.
    """
    assert len(documents) <= DOCUMENTS_MAX, f"{len(documents)} documents in one call"
    newest: dict[str, Document] = {}
    for document in documents:
        _check(document.stored(), document.path)
        if document.path not in newest or newest[document.path].sequence < document.sequence:
            newest[document.path] = document
    return sum(_persistently(partial(_put, chunk)) for chunk in _chunks(newest.values()))


def find(path: str) -> dict[str, object] | None:
    """The stored document as it is now, with its sequence; None when there is none. Raises FirestoreUnavailable."""
    return _persistently(partial(_find, path))


def delete(paths: Sequence[str]) -> None:
    """Delete documents whatever their sequence; a missing one is no error."""
    assert len(paths) <= DOCUMENTS_MAX, f"{len(paths)} documents in one call"
    unique = list(dict.fromkeys(paths))
    for start in range(0, len(unique), CHUNK_DOCUMENTS_MAX):
        chunk = unique[start : start + CHUNK_DOCUMENTS_MAX]
        _persistently(partial(_delete, chunk))


def delete_some(collection: str) -> int:
    """Delete up to CHUNK_DOCUMENTS_MAX documents of a collection, whatever they are; returns how many."""
    return _persistently(partial(_delete_some, collection))


def close() -> None:
    """Close this process's connection; the next call opens one to the address that the environment names then."""
    with _lock:
        client = _clients.pop(os.getpid(), None)
    if client is not None:
        client.close()  # type: ignore[no-untyped-call]  # the client leaves it untyped


def _put(documents: Sequence[Document]) -> int:
    client = _client()
    references = {document.path: client.document(document.path) for document in documents}
    stored = _read(client, references.values())
    newer = [document for document in documents if _is_newer(document, stored[document.path])]
    batch = client.batch()
    for document in newer:
        _write(client, batch, document, stored[document.path])
    if newer:
        _commit(batch)
    return len(newer)


def _find(path: str) -> dict[str, object] | None:
    return _client().document(path).get(retry=None, timeout=CALL_SECONDS_MAX).to_dict()


def _read(
    client: "Client", references: "Iterable[DocumentReference]"
) -> "dict[str, DocumentSnapshot[DocumentReference]]":
    found = client.get_all(list(references), retry=None, timeout=CALL_SECONDS_MAX)
    return {snapshot.reference.path: snapshot for snapshot in found}


def _is_newer(document: Document, stored: "DocumentSnapshot[DocumentReference]") -> bool:
    sequence = (stored.to_dict() or {}).get(SEQUENCE)
    return not isinstance(sequence, int) or sequence < document.sequence


def _write(
    client: "Client", batch: "WriteBatch", document: Document, stored: "DocumentSnapshot[DocumentReference]"
) -> None:
    """Add the document to the batch, on condition that it was not written since it was read."""
    from google.cloud.firestore import DELETE_FIELD

    fields = document.stored()
    if not stored.exists:
        batch.create(stored.reference, fields)
        return
    gone = (stored.to_dict() or {}).keys() - fields.keys()
    changes: dict[str, object] = {client.field_path(name): DELETE_FIELD for name in gone}
    changes.update({client.field_path(name): value for name, value in fields.items()})
    batch.update(stored.reference, changes, option=client.write_option(last_update_time=stored.update_time))


def _commit(batch: "WriteBatch") -> None:
    from google.api_core import exceptions

    try:
        batch.commit(retry=None, timeout=CALL_SECONDS_MAX)
    except (exceptions.AlreadyExists, exceptions.NotFound, exceptions.FailedPrecondition) as error:
        raise _Overtaken(str(error)) from error


def _delete(paths: Sequence[str]) -> int:
    client = _client()
    batch = client.batch()
    for path in paths:
        batch.delete(client.document(path))
    _commit(batch)
    return len(paths)


def _delete_some(collection: str) -> int:
    query = _client().collection(collection).select([]).limit(CHUNK_DOCUMENTS_MAX)
    found = query.get(retry=None, timeout=CALL_SECONDS_MAX)
    return _delete([snapshot.reference.path for snapshot in found]) if found else 0


def _persistently(act: Callable[[], Found]) -> Found:
    """Call `act` again after temporary failures and when overtaken, ATTEMPTS_MAX times in all."""
    from google.api_core import exceptions

    passing = (
        _Overtaken,
        exceptions.Aborted,
        exceptions.DeadlineExceeded,
        exceptions.InternalServerError,
        exceptions.ResourceExhausted,
        exceptions.ServiceUnavailable,
        exceptions.Unknown,
    )
    failure: Exception | None = None
    for attempt in range(ATTEMPTS_MAX):
        if failure is not None:
            time.sleep(random.uniform(0, REPEAT_SECONDS * 2**attempt))  # noqa: S311 - spreads writers, hides nothing
        try:
            return act()
        except passing as error:
            failure = error
    raise FirestoreUnavailable(f"after {ATTEMPTS_MAX} attempts: {failure}") from failure


def _chunks(documents: Iterable[Document]) -> Iterator[list[Document]]:
    chunk: list[Document] = []
    size = 0
    for document in documents:
        more = len(json.dumps(document.stored(), default=str))
        if chunk and (len(chunk) == CHUNK_DOCUMENTS_MAX or size + more > CHUNK_JSON_BYTES_MAX):
            yield chunk
            chunk, size = [], 0
        chunk.append(document)
        size += more
    if chunk:
        yield chunk


def _check(value: object, where: str) -> None:
    match value:
        case None | str() | bool() | int() | float():
            return
        case datetime() if value.tzinfo is not None:
            return
        case list():
            for position, element in enumerate(value):
                _check(element, f"{where}[{position}]")
        case dict():
            for name, element in value.items():
                _check(element, f"{where}.{name}")
        case _:
            raise NotStorable(f"{where} is {type(value).__name__}")


_lock = threading.Lock()
# By process: a forked child must not use its parent's connection. gRPC itself survives a fork when the parent has only
# imported this module, as gunicorn's parent does; a parent that has written needs GRPC_ENABLE_FORK_SUPPORT=1.
_clients: "dict[int, Client]" = {}


def _client() -> "Client":
    with _lock:
        process_id = os.getpid()
        if process_id not in _clients:
            _clients[process_id] = _connected()
        return _clients[process_id]


def _connected() -> "Client":
    from google.cloud.firestore import Client

    return Client(os.environ["GOOGLE_CLOUD_PROJECT"], database=os.environ.get("FIRESTORE_DATABASE") or "(default)")
