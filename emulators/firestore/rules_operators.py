"""The operators of security rules, applied to plain Python values, times and durations among them."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from emulators.firestore.rules_syntax import RulesNotUnderstood

UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds"}


class Undecided(Exception):
    """Raised when the rule cannot be evaluated, which denies."""


class Promised(dict[str, Any]):
    """The part of a map that a query's filters promise; its other entries are not known."""


def binary(sign: str, left: Any, right: Any) -> Any:
    """Apply an operator between two values, except those that need only one side. Raises Undecided."""
    if sign in ("==", "!="):
        return same(left, right) == (sign == "==")
    if sign == "in":
        return contains(right, left)
    return _compared(sign, left, right) if sign in _COMPARED else _reckoned(sign, left, right)


def unary(sign: str, value: Any) -> Any:
    """Apply `!` or `-`."""
    if sign == "!":
        return not truth(value)
    if not is_number(value):
        raise Undecided(f"{type(value).__name__} is no number")
    return -value


def same(left: Any, right: Any) -> bool:
    """True if the values are equal. Different types are unequal without an error; 1 is 1.0, and true is not 1."""
    if isinstance(left, Promised) or isinstance(right, Promised):
        raise Undecided("the whole of a map is not known of a list")
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def contains(of: Any, value: Any) -> bool:
    """True if a list has such an element, or a map such a key."""
    if isinstance(of, list):
        return any(same(value, element) for element in of)
    if isinstance(of, Promised) and value not in of:
        raise Undecided(f"whether there is a {value} is not known of a list")
    if isinstance(of, Mapping):
        return value in of
    raise Undecided("`in` looks into lists and maps")


def map_get(of: Any, key: Any, default: Any) -> Any:
    """The map's value under the key, or the default."""
    if not isinstance(of, Mapping) or not isinstance(key, str):
        raise Undecided("only a map has get(), by a text")
    if key in of:
        return of[key]
    if isinstance(of, Promised):
        raise Undecided(f"whether there is a {key} is not known of a list")
    return default


def duration(count: Any, unit: Any) -> timedelta:
    """A duration of `count` units, as duration.value(1, 'h') makes it."""
    if unit not in UNITS:
        raise RulesNotUnderstood(f"durations in {unit}")
    return timedelta(**{UNITS[unit]: whole(count)})


def is_a(value: Any, kind: str) -> bool:
    """Apply the operator `is`."""
    return _KINDS[kind](value)


def truth(value: Any) -> bool:
    """The value itself, if it is true or false. Raises Undecided."""
    if not isinstance(value, bool):
        raise Undecided(f"{type(value).__name__} is neither true nor false")
    return value


def whole(value: Any) -> int:
    """The value itself, if it is a whole number. Raises Undecided."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Undecided(f"{type(value).__name__} is no whole number")
    return value


def text(value: Any) -> str:
    """The value itself, if it is a text. Raises Undecided."""
    if not isinstance(value, str):
        raise Undecided(f"{type(value).__name__} is no text")
    return value


def is_number(value: Any) -> bool:
    """True if the value is a number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: is_number(value) and isinstance(value, int),
    "float": lambda value: isinstance(value, float),
    "number": is_number,
    "string": lambda value: isinstance(value, str),
    "list": lambda value: isinstance(value, list),
    "map": lambda value: isinstance(value, Mapping),
    "timestamp": lambda value: isinstance(value, datetime),
    "duration": lambda value: isinstance(value, timedelta),
}
_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
}


def _compared(sign: str, left: Any, right: Any) -> bool:
    if not any(is_a(left, kind) and is_a(right, kind) for kind in ("number", "string", "timestamp", "duration")):
        raise Undecided(f"{type(left).__name__} and {type(right).__name__} are not compared")
    return _COMPARED[sign](left, right)


def _reckoned(sign: str, left: Any, right: Any) -> Any:
    """Add or subtract numbers, times and durations; join texts."""
    numbers = is_number(left) and is_number(right)
    texts = sign == "+" and isinstance(left, str) and isinstance(right, str)
    later = sign in "+-" and isinstance(left, datetime) and isinstance(right, timedelta)
    apart = sign == "-" and isinstance(left, datetime) and isinstance(right, datetime)
    if not (numbers or texts or later or apart):
        raise Undecided(f"{sign} between {type(left).__name__} and {type(right).__name__}")
    if sign == "*":
        return left * right
    return left + right if sign == "+" else left - right
