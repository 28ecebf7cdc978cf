"""All documents at one moment: by name, by collection, and by what lies under what."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from emulators.firestore.messages import Message
from emulators.firestore.names import PathKey, collection_of, path_key


@dataclass(frozen=True, slots=True)
class Record:
    """One version of a document. Its message is never changed: a write makes a new record."""

    name: str
    document: Message
    created: int  # microseconds since 1970
    updated: int
    path: PathKey

    @classmethod
    def of(cls, document: Message, created: int, updated: int) -> Self:
        return cls(document.name, document, created, updated, path_key(document.name))


class Tree:
    """The documents of every project and database, which their names keep apart."""

    def __init__(self) -> None:
        self._collections: dict[str, dict[str, Record]] = {}

    def get(self, name: str) -> Record | None:
        return self._collections.get(collection_of(name), {}).get(name)

    def put(self, name: str, record: Record | None) -> None:
        """Store the version; None removes the document."""
        collection = collection_of(name)
        if record is not None:
            self._collections.setdefault(collection, {})[name] = record
            return
        documents = self._collections.get(collection, {})
        documents.pop(name, None)
        if not documents:
            self._collections.pop(collection, None)

    def copy(self) -> "Tree":
        """Another tree with the same records; neither sees the other's later changes."""
        twin = Tree()
        twin._collections = {name: dict(documents) for name, documents in self._collections.items()}
        return twin

    def documents(self, collection: str) -> Iterator[Record]:
        """The documents of one collection, in no order."""
        yield from self._collections.get(collection, {}).values()

    def collections_below(self, parent: str) -> Iterator[str]:
        """Full names of all non-empty collections under a document or the root, at any depth."""
        start = parent + "/"
        return (name for name in self._collections if name.startswith(start))

    def collection_ids(self, parent: str) -> list[str]:
        """Ids of the collections directly under a document or the root, also where only deeper documents exist."""
        ids = {name[len(parent) + 1 :].partition("/")[0] for name in self.collections_below(parent)}
        return sorted(ids, key=str.encode)

    def missing(self, collection: str) -> list[str]:
        """Names of documents that do not exist but have documents beneath them, in order."""
        start = len(collection) + 1
        names = {f"{collection}/{name[start:].partition('/')[0]}" for name in self.collections_below(collection)}
        return sorted((name for name in names if self.get(name) is None), key=path_key)
