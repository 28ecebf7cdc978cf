"""Firestore's values: their order across types, checks of values to be stored, and fields by path.

Order: https://firebase.google.com/docs/firestore/manage-data/data-types#value_type_ordering Sizes:
https://firebase.google.com/docs/firestore/storage-size
"""

import math
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum

from emulators.firestore.messages import (
    NANOSECONDS_PER_MICROSECOND,
    Document,
    Message,
    invalid,
)
from emulators.firestore.names import check_document, check_field_name, path_key

DOCUMENT_BYTES_MAX = 1_048_576
MAP_LEVELS_MAX = 20
INDEX_ENTRIES_MAX = 40_000  # of a document; https://firebase.google.com/docs/firestore/quotas#indexes
LATITUDE_MAX = 90.0
LONGITUDE_MAX = 180.0
DOCUMENT_OVERHEAD_BYTES = 32
NAME_OVERHEAD_BYTES = 16
NUMBER_BYTES = 8  # timestamps too
VECTOR_TYPE = "__vector__"

Key = tuple[object, ...]


class Rank(IntEnum):
    """The order of types; a comparison such as `<` only matches values of its operand's rank."""

    NULL = 0
    BOOLEAN = 1
    NUMBER = 2
    TIMESTAMP = 3
    STRING = 4
    BYTES = 5
    REFERENCE = 6
    GEO_POINT = 7
    ARRAY = 8
    VECTOR = 9
    MAP = 10


NULL_KEY: Key = (Rank.NULL,)
NAN_KEY: Key = (Rank.NUMBER, 0)  # before every other number


def order_key(value: Message) -> Key:
    """A tuple that compares as Firestore orders values; equal tuples are equal values (3 and 3.0 are)."""
    kind = value.WhichOneof("value_type")
    if kind not in _ORDER_KEYS:
        raise invalid("Cannot convert firestore.v1.Value with type unset.")
    return _ORDER_KEYS[kind](value)


def reference_key(name: str) -> Key:
    return (Rank.REFERENCE, path_key(name))


def _double_key(value: Message) -> Key:
    return NAN_KEY if math.isnan(value.double_value) else (Rank.NUMBER, 1, value.double_value)


def _map_key(value: Message) -> Key:
    fields = value.map_value.fields
    if is_vector(fields):
        numbers = tuple(order_key(number) for number in fields["value"].array_value.values)
        return (Rank.VECTOR, len(numbers), numbers)
    return (Rank.MAP, tuple((name.encode(), order_key(fields[name])) for name in sorted(fields, key=str.encode)))


def is_vector(fields: Message) -> bool:
    """True for a vector, which is sent as a map with a marked type."""
    return "__type__" in fields and bool(fields["__type__"].string_value == VECTOR_TYPE)


_ORDER_KEYS: dict[str, Callable[[Message], Key]] = {
    "null_value": lambda _: NULL_KEY,
    "boolean_value": lambda value: (Rank.BOOLEAN, value.boolean_value),
    "integer_value": lambda value: (Rank.NUMBER, 1, value.integer_value),
    "double_value": _double_key,
    "timestamp_value": lambda value: (Rank.TIMESTAMP, value.timestamp_value.seconds, value.timestamp_value.nanos),
    "string_value": lambda value: (Rank.STRING, value.string_value.encode()),
    "bytes_value": lambda value: (Rank.BYTES, value.bytes_value),
    "reference_value": lambda value: reference_key(value.reference_value),
    "geo_point_value": lambda value: (Rank.GEO_POINT, value.geo_point_value.latitude, value.geo_point_value.longitude),
    "array_value": lambda value: (Rank.ARRAY, tuple(order_key(element) for element in value.array_value.values)),
    "map_value": _map_key,
}


def admit(fields: Message) -> None:
    """Refuse fields that cannot be stored; cut timestamps to the microsecond, in place."""
    for name, value in fields.items():
        check_field_name(name)
        admit_value(value)


def admit_value(value: Message, level: int = 1) -> None:
    """Refuse a value that cannot be stored; cut timestamps to the microsecond, in place."""
    match value.WhichOneof("value_type"):
        case None:
            raise invalid("Cannot convert firestore.v1.Value with type unset.")
        case "timestamp_value":
            value.timestamp_value.nanos -= value.timestamp_value.nanos % NANOSECONDS_PER_MICROSECOND
        case "reference_value":
            check_document(value.reference_value)
        case "geo_point_value":
            _admit_geo_point(value.geo_point_value)
        case "array_value":
            _admit_array(value, level)
        case "map_value":
            _admit_map(value.map_value.fields, level)


def _admit_geo_point(point: Message) -> None:
    for what, degrees, limit in (
        ("latitude", point.latitude, LATITUDE_MAX),
        ("longitude", point.longitude, LONGITUDE_MAX),
    ):
        if not -limit <= degrees <= limit:
            raise invalid(f"Geo point {what} '{degrees}' outside permitted range -{limit} to {limit}.")


def _admit_array(value: Message, level: int) -> None:
    for element in value.array_value.values:
        if element.WhichOneof("value_type") == "array_value":
            raise invalid("Cannot convert an array value in an array value.")
        admit_value(element, level)


def _admit_map(fields: Message, level: int) -> None:
    if level > MAP_LEVELS_MAX:
        raise invalid(f"A map may be nested {MAP_LEVELS_MAX} levels deep at most.")
    names_are_free = is_vector(fields)
    for name, value in fields.items():
        if not names_are_free:
            check_field_name(name)
        admit_value(value, level + 1)


def check_size(document: Message) -> None:
    size = DOCUMENT_OVERHEAD_BYTES + _name_bytes(document.name) + _map_bytes(document.fields)
    if size > DOCUMENT_BYTES_MAX:
        raise invalid(
            f'Document "{document.name}" cannot be written because its size ({size:,} bytes) '
            f"exceeds the maximum allowed size of {DOCUMENT_BYTES_MAX:,} bytes."
        )
    if _index_entries(document.fields.values()) > INDEX_ENTRIES_MAX:
        raise invalid("too many index entries for entity")


def _index_entries(values: Iterable[Message]) -> int:
    """The entries in the automatic single-field indexes: ascending and descending for each value, and for an array one
    per element besides.
    """
    entries = 0
    for value in values:
        kind = value.WhichOneof("value_type")
        if kind == "map_value":
            entries += 2 + _index_entries(value.map_value.fields.values())
        else:
            entries += 2 + (len(value.array_value.values) if kind == "array_value" else 0)
    return entries


def _name_bytes(name: str) -> int:
    path = name.partition("/documents/")[2]
    return NAME_OVERHEAD_BYTES + sum(len(segment.encode()) + 1 for segment in path.split("/"))


def _map_bytes(fields: Message) -> int:
    return sum(len(name.encode()) + 1 + _value_bytes(value) for name, value in fields.items())


def _value_bytes(value: Message) -> int:
    measure = _VALUE_BYTES.get(value.WhichOneof("value_type"))
    return measure(value) if measure else NUMBER_BYTES


_VALUE_BYTES: dict[str, Callable[[Message], int]] = {
    "null_value": lambda _: 1,
    "boolean_value": lambda _: 1,
    "string_value": lambda value: len(value.string_value.encode()) + 1,
    "bytes_value": lambda value: len(value.bytes_value),
    "reference_value": lambda value: _name_bytes(value.reference_value),
    "geo_point_value": lambda _: 2 * NUMBER_BYTES,
    "array_value": lambda value: sum(_value_bytes(element) for element in value.array_value.values),
    "map_value": lambda value: _map_bytes(value.map_value.fields),
}


def field_at(fields: Message, path: Sequence[str]) -> Message | None:
    """The value under a path, None when the document has none."""
    *outer, last = path
    for name in outer:
        if name not in fields or fields[name].WhichOneof("value_type") != "map_value":
            return None
        fields = fields[name].map_value.fields
    return fields.get(last)


def set_field(fields: Message, path: Sequence[str], value: Message) -> None:
    """Put the value under a path; whatever is on the way and is no map becomes one."""
    *outer, last = path
    for name in outer:
        fields[name].map_value.SetInParent()
        fields = fields[name].map_value.fields
    fields[last].CopyFrom(value)


def delete_field(fields: Message, path: Sequence[str]) -> None:
    *outer, last = path
    parent = field_at(fields, outer) if outer else None
    if outer and (parent is None or parent.WhichOneof("value_type") != "map_value"):
        return
    (parent.map_value.fields if parent is not None else fields).pop(last, None)


def masked(document: Message, paths: Iterable[Sequence[str]]) -> Message:
    """A copy that keeps only the fields under these paths."""
    kept = Document(name=document.name, create_time=document.create_time, update_time=document.update_time)
    for path in paths:
        value = field_at(document.fields, path)
        if value is not None:
            set_field(kept.fields, path, value)
    return kept
