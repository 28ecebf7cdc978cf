"""Field transforms: server time, increment, maximum, minimum, and union with or removal from an array.

Rules: https://cloud.google.com/firestore/docs/reference/rpc/google.firestore.v1#fieldtransform
"""

import math
from collections.abc import Callable

from emulators.firestore.messages import Message, ServerValue, Value, invalid, set_time
from emulators.firestore.names import field_path
from emulators.firestore.values import admit_value, field_at, order_key, set_field

INTEGER_MAX = 2**63 - 1
INTEGER_MIN = -(2**63)
SERVER_TIME_STEP = 1_000  # server timestamps are whole milliseconds

NUMBER_KINDS = {"integer_value", "double_value"}


def transform(fields: Message, change: Message, now: int) -> Message:
    """Apply one FieldTransform in place; returns what the client is told: the new value, or null for arrays."""
    path = field_path(change.field_path)
    kind = change.WhichOneof("transform_type")
    if kind not in _TRANSFORMS:
        raise invalid("Transformation type must be specified.")
    changed, result = _TRANSFORMS[kind](field_at(fields, path), change, now)
    set_field(fields, path, changed)
    return result


def _server_time(_stored: Message | None, change: Message, now: int) -> tuple[Message, Message]:
    if change.set_to_server_value != ServerValue.REQUEST_TIME:
        raise invalid("ServerValue type must be specified for set_to_server_value transformation.")
    value = Value()
    set_time(value.timestamp_value, now - now % SERVER_TIME_STEP)
    return value, value


def _increment(stored: Message | None, change: Message, _now: int) -> tuple[Message, Message]:
    operand = _number_operand(change.increment)
    value = operand if stored is None or not _is_number(stored) else _sum(stored, operand)
    return value, value


def _sum(stored: Message, operand: Message) -> Message:
    total = _number(stored) + _number(operand)
    if isinstance(total, int):
        return Value(integer_value=min(max(total, INTEGER_MIN), INTEGER_MAX))
    return Value(double_value=total)


def _maximum(stored: Message | None, change: Message, _now: int) -> tuple[Message, Message]:
    return _extreme(stored, _number_operand(change.maximum), lambda given, kept: given > kept)


def _minimum(stored: Message | None, change: Message, _now: int) -> tuple[Message, Message]:
    return _extreme(stored, _number_operand(change.minimum), lambda given, kept: given < kept)


def _extreme(stored: Message | None, operand: Message, wins: Callable[[float, float], bool]) -> tuple[Message, Message]:
    """The operand if it wins, else the stored value, also when both are equal; NaN wins over any number."""
    if stored is None or not _is_number(stored):
        return operand, operand
    given, kept = _number(operand), _number(stored)
    value = operand if not math.isnan(kept) and (math.isnan(given) or wins(given, kept)) else stored
    return value, value


def _append_missing(stored: Message | None, change: Message, _now: int) -> tuple[Message, Message]:
    elements = _elements(stored)
    present = {order_key(element) for element in elements}
    for element in _checked(change.append_missing_elements):
        if order_key(element) not in present:
            present.add(order_key(element))
            elements.append(element)
    return _array(elements), Value(null_value=0)


def _remove_all(stored: Message | None, change: Message, _now: int) -> tuple[Message, Message]:
    unwanted = {order_key(element) for element in _checked(change.remove_all_from_array)}
    kept = [element for element in _elements(stored) if order_key(element) not in unwanted]
    return _array(kept), Value(null_value=0)


def _checked(array: Message) -> list[Message]:
    for element in array.values:
        admit_value(element)
    return list(array.values)


def _elements(stored: Message | None) -> list[Message]:
    return list(stored.array_value.values) if stored is not None else []


def _array(elements: list[Message]) -> Message:
    value = Value()
    value.array_value.SetInParent()  # makes it an array even when it is empty
    value.array_value.values.extend(elements)
    return value


def _number_operand(value: Message) -> Message:
    if not _is_number(value):
        raise invalid("Input must be int64 or double.")
    return value


def _is_number(value: Message) -> bool:
    return value.WhichOneof("value_type") in NUMBER_KINDS


def _number(value: Message) -> int | float:
    number: int | float = getattr(value, value.WhichOneof("value_type"))
    return number


_TRANSFORMS: dict[str, Callable[[Message | None, Message, int], tuple[Message, Message]]] = {
    "set_to_server_value": _server_time,
    "increment": _increment,
    "maximum": _maximum,
    "minimum": _minimum,
    "append_missing_elements": _append_missing,
    "remove_all_from_array": _remove_all,
}
