"""Structured queries, compiled once: scope, filter, order, cursors, offset, limit and projection.

Rules: https://cloud.google.com/firestore/docs/reference/rpc/google.firestore.v1#structuredquery
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from emulators.firestore.filters import NAME_PATH, Condition, Path, condition, key_at
from emulators.firestore.messages import Code, Direction, Message, Refused, invalid
from emulators.firestore.names import check_collection_id, check_parent, collection_of, field_path
from emulators.firestore.tree import Record, Tree
from emulators.firestore.values import Key, Rank, masked, order_key

Place = tuple[object, ...]


class Descending:
    """An order key that sorts in reverse."""

    __slots__ = ("key",)

    def __init__(self, key: Key) -> None:
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Descending) and self.key == other.key

    def __lt__(self, other: "Descending") -> bool:
        return other.key < self.key

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True)
class Order:
    path: Path
    descending: bool

    def reader(self) -> Callable[[Record], object | None]:
        """A function that reads a record's sort key; it returns None when the field is missing: then
        it is no result.
        """
        read = key_at(self.path)
        if not self.descending:
            return read

        def turned(record: Record) -> object | None:
            key = read(record)
            return None if key is None else Descending(key)

        return turned


@dataclass(frozen=True)
class Cursor:
    """A position between results: just before or just after the places that begin with `values`."""

    values: Place
    before: bool

    def is_passed_by(self, place: Place) -> bool:
        """True when the place lies behind the cursor."""
        start = place[: len(self.values)]
        return not start < self.values if self.before else self.values < start


@dataclass(frozen=True)
class Query:
    """A compiled query. `place` is a result's position; results come in the order of their places."""

    parent: str
    collection_id: str  # "" for every collection
    all_descendants: bool
    passes: Callable[[Record], bool]
    readers: tuple[Callable[[Record], object | None], ...]
    start: Cursor | None
    end: Cursor | None
    offset: int
    limit: int | None
    fields: tuple[Path, ...] | None

    def run(self, tree: Tree) -> list[Record]:
        """The results, with offset and limit applied."""
        placed = [(place, record) for record in self._candidates(tree) if (place := self._place(record)) is not None]
        placed.sort(key=itemgetter(0))
        end = None if self.limit is None else self.offset + self.limit
        return [record for _, record in placed[self.offset : end]]

    def place(self, record: Record | None) -> Place | None:
        """The record's position among the results, ignoring offset and limit; None when it is no result."""
        return self._place(record) if record is not None and self.covers(record.name) else None

    def covers(self, name: str) -> bool:
        """True for documents in the collections that the query asks for."""
        collection = collection_of(name)
        if not self.all_descendants:
            return collection_of(collection) == self.parent and self._has_wanted_id(collection)
        return collection.startswith(self.parent + "/") and self._has_wanted_id(collection)

    def shown(self, record: Record) -> Message:
        """The document with the fields of the query's projection."""
        return record.document if self.fields is None else masked(record.document, self.fields)

    def _place(self, record: Record) -> Place | None:
        if not self.passes(record):
            return None
        place = tuple(read(record) for read in self.readers)
        if None in place:
            return None
        if self.start is not None and not self.start.is_passed_by(place):
            return None
        if self.end is not None and self.end.is_passed_by(place):
            return None
        return place

    def _candidates(self, tree: Tree) -> Iterable[Record]:
        if not self.all_descendants and self.collection_id:
            yield from tree.documents(f"{self.parent}/{self.collection_id}")
            return
        for collection in tree.collections_below(self.parent):
            if self.all_descendants or collection_of(collection) == self.parent:
                yield from tree.documents(collection) if self._has_wanted_id(collection) else ()

    def _has_wanted_id(self, collection: str) -> bool:
        return not self.collection_id or collection.rpartition("/")[2] == self.collection_id


def compiled(parent: str, structured: Message, aggregated: Iterable[Path] = ()) -> Query:
    """Check and compile a StructuredQuery under a document or the root; refuses what Firestore refuses.

    The `aggregated` fields order the results after those asked for, as fields of inequalities do.
    """
    check_parent(parent)
    _check_extent(structured)
    selector = structured.from_[0] if structured.from_ else None
    collection_id = selector.collection_id if selector is not None else ""
    where = condition(structured.where)
    asked = [_order(order) for order in structured.order_by]
    _check_order(asked, where)
    orders = _full_order(asked, where.inequalities.union(aggregated))
    return Query(
        parent=parent,
        collection_id=check_collection_id(collection_id) if collection_id else "",
        all_descendants=selector is not None and selector.all_descendants,
        passes=where.passes,
        readers=tuple(order.reader() for order in orders),
        start=_cursor(structured.start_at, asked) if structured.HasField("start_at") else None,
        end=_cursor(structured.end_at, asked) if structured.HasField("end_at") else None,
        offset=structured.offset,
        limit=structured.limit.value if structured.HasField("limit") else None,
        fields=_projection(structured.select) if structured.HasField("select") else None,
    )


def _check_extent(structured: Message) -> None:
    if len(structured.from_) > 1:
        raise invalid("StructuredQuery.from cannot have more than one collection selector.")
    if structured.offset < 0:
        raise invalid("offset is negative")
    if structured.limit.value < 0:
        raise invalid("limit is negative")
    if structured.HasField("find_nearest"):
        raise Refused(Code.UNIMPLEMENTED, "find_nearest needs Google's emulator or the real service.")


def _order(order: Message) -> Order:
    return Order(field_path(order.field.field_path), order.direction == Direction.DESCENDING)


def _full_order(asked: Sequence[Order], implied: Iterable[Path]) -> list[Order]:
    """The order asked for, then the implied fields by name, then the document's name."""
    descending = asked[-1].descending if asked else False
    named = {order.path for order in asked}
    behind = sorted(path for path in implied if path not in named | {NAME_PATH})
    orders = [*asked, *(Order(path, descending) for path in behind)]
    return orders if NAME_PATH in named else [*orders, Order(NAME_PATH, descending)]


def _check_order(asked: Sequence[Order], where: Condition) -> None:
    paths = [order.path for order in asked]
    for position, path in enumerate(paths):
        if path in paths[:position]:
            raise invalid(f"order by clause cannot contain duplicate fields {'.'.join(path)}")
    if NAME_PATH in paths[:-1]:
        raise invalid("order by clause cannot contain more fields after the key")
    if asked and asked[0] == Order(NAME_PATH, descending=True) and where.fields <= {NAME_PATH}:
        raise Refused(Code.FAILED_PRECONDITION, "Firestore does not support descending key scans")


def _cursor(cursor: Message, asked: Sequence[Order]) -> Cursor:
    if len(cursor.values) > len(asked):
        raise invalid("Cursor has too many values.")
    keys = [order_key(value) for value in cursor.values]
    for key, order in zip(keys, asked, strict=False):
        if order.path == NAME_PATH and key[0] != Rank.REFERENCE:
            raise invalid("Cursor __key__ value is not a document reference.")
    values = (Descending(key) if order.descending else key for key, order in zip(keys, asked, strict=False))
    return Cursor(tuple(values), cursor.before)


def _projection(select: Message) -> tuple[Path, ...] | None:
    """The fields to return; None (all fields) when the list is empty. `__name__` alone leaves an empty tuple."""
    paths = [field_path(reference.field_path) for reference in select.fields]
    return tuple(path for path in paths if path != NAME_PATH) if paths else None
