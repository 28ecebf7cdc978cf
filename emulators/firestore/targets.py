"""Keeps what one Listen target has sent to its client, and makes the messages that bring the client up to date."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol

from emulators.firestore.messages import ListenResponse, Message, Refused, invalid, set_time
from emulators.firestore.names import check_document, check_same_database
from emulators.firestore.query import Query, compiled
from emulators.firestore.tree import Record, Tree

TOKEN_BYTES = 8


class Target(Protocol):
    """A listener's target. Both methods yield the messages that bring the client to the tree's state."""

    def begin(self, tree: Tree, read_time: int) -> Iterator[Message]:
        """Compare all documents of the target."""

    def update(self, names: Collection[str], tree: Tree, read_time: int) -> Iterator[Message]:
        """Compare the changed documents only."""


def target_of(request: Message, target_id: int, database: str) -> Target:
    """The target that an AddTarget describes; refuses what cannot be listened to."""
    match request.WhichOneof("target_type"):
        case "documents":
            for name in request.documents.documents:
                check_same_database(check_document(name), database)
            return DocumentsTarget(target_id, dict.fromkeys(request.documents.documents))
        case "query":
            check_same_database(request.query.parent + "/", database)
            return QueryTarget(target_id, compiled(request.query.parent, request.query.structured_query))
        case _:
            raise invalid("A target needs documents or a query.")


class DocumentsTarget:
    """Named documents, whether they exist or not."""

    def __init__(self, target_id: int, names: Iterable[str]) -> None:
        self._id = target_id
        self._sent: dict[str, Record | None] = dict.fromkeys(names)

    def begin(self, tree: Tree, read_time: int) -> Iterator[Message]:
        for name in self._sent:
            yield self._send(name, tree.get(name), read_time)

    def update(self, names: Collection[str], tree: Tree, read_time: int) -> Iterator[Message]:
        for name in names:
            if name in self._sent and tree.get(name) is not self._sent[name]:
                yield self._send(name, tree.get(name), read_time)

    def _send(self, name: str, record: Record | None, read_time: int) -> Message:
        self._sent[name] = record
        if record is None:
            return document_deleted(self._id, name, read_time)
        return document_changed(self._id, record.document)


class QueryTarget:
    """A query's results. Without offset they are updated from the changed documents alone, where possible."""

    def __init__(self, target_id: int, query: Query) -> None:
        self._id = target_id
        self._query = query
        self._sent: dict[str, Record] = {}

    def begin(self, tree: Tree, read_time: int) -> Iterator[Message]:
        yield from self._send({record.name: record for record in self._query.run(tree)}, tree, read_time)

    def update(self, names: Collection[str], tree: Tree, read_time: int) -> Iterator[Message]:
        covered = [name for name in names if self._query.covers(name)]
        if covered:
            yield from self._send(self._results(covered, tree), tree, read_time)

    def _results(self, covered: Sequence[str], tree: Tree) -> dict[str, Record]:
        query = self._query
        if query.offset or (query.limit is not None and self._may_pull_in_others(covered, tree)):
            return {record.name: record for record in query.run(tree)}
        results = dict(self._sent)
        for name in covered:
            results.pop(name, None)
            record = tree.get(name)
            if record is not None and query.place(record) is not None:
                results[name] = record
        return results if query.limit is None else self._first(results, query.limit)

    def _may_pull_in_others(self, covered: Sequence[str], tree: Tree) -> bool:
        """True if a full window loses or moves a document: it may then show another one that was not sent."""
        return len(self._sent) == self._query.limit and any(
            name in self._sent and self._query.place(tree.get(name)) != self._query.place(self._sent[name])
            for name in covered
        )

    def _first(self, results: dict[str, Record], limit: int) -> dict[str, Record]:
        placed = sorted((self._query.place(record) or (), name) for name, record in results.items())
        return {name: results[name] for _, name in placed[:limit]}

    def _send(self, results: dict[str, Record], tree: Tree, read_time: int) -> Iterator[Message]:
        before, self._sent = self._sent, results
        for name in before:
            if name not in results:
                gone = document_deleted if tree.get(name) is None else document_removed
                yield gone(self._id, name, read_time)
        for name, record in results.items():
            if before.get(name) is not record:
                yield document_changed(self._id, self._query.shown(record))


def document_changed(target_id: int, document: Message) -> Message:
    response = ListenResponse()
    response.document_change.document.CopyFrom(document)
    response.document_change.target_ids.append(target_id)
    return response


def document_deleted(target_id: int, name: str, read_time: int) -> Message:
    response = ListenResponse()
    response.document_delete.document = name
    response.document_delete.removed_target_ids.append(target_id)
    set_time(response.document_delete.read_time, read_time)
    return response


def document_removed(target_id: int, name: str, read_time: int) -> Message:
    """The message for a document that still exists but no longer belongs to the target."""
    response = ListenResponse()
    response.document_remove.document = name
    response.document_remove.removed_target_ids.append(target_id)
    set_time(response.document_remove.read_time, read_time)
    return response


def target_changed(
    change: int, target_ids: Sequence[int], read_time: int | None = None, cause: Refused | None = None
) -> Message:
    """The message for a change of targets. With a time, the client may resume from there.

    Without target ids it holds for the whole stream.
    """
    response = ListenResponse()
    response.target_change.target_change_type = change
    response.target_change.target_ids.extend(target_ids)
    if read_time is not None:
        set_time(response.target_change.read_time, read_time)
        response.target_change.resume_token = read_time.to_bytes(TOKEN_BYTES, "big")
    if cause is not None:
        response.target_change.cause.code = cause.code.value[0]
        response.target_change.cause.message = cause.message
    return response
