"""Reads and writes JSON: strict and bounded when reading, with exact decimals when writing."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from uuid import UUID

import simplejson

from shared.values.money import Usdt

DEPTH_MAX = 32
STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
INEXACT = "a number has more digits than a double holds"
DEEPER = {"[": 1, "{": 1, "]": -1, "}": -1}


class NotJson(ValueError):
    """Raised when the text is not JSON that every parser reads alike; the message says where."""


def parse(raw: bytes) -> object:
    """Parse interoperable JSON (RFC 7493): UTF-8, no repeated names, no number that a double would change, no NUL.

    Raises NotJson.
    """
    return _parsed(raw, _integer, _number)


def parse_estimates(raw: bytes) -> object:
    """Parse JSON whose numbers are estimates: they may have more digits than a double holds. Raises NotJson."""
    return _parsed(raw, int, float)


def _parsed(raw: bytes, integer: Callable[[str], int], number: Callable[[str], float]) -> object:
    try:
        text = raw.decode("utf-8")
        _check_depth(text)
        value: object = json.loads(
            text, object_pairs_hook=_object, parse_int=integer, parse_float=number, parse_constant=_refuse_constant
        )
    except NotJson:
        raise
    except UnicodeDecodeError as error:
        raise NotJson(f"byte {error.start + 1} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"it breaks the rules at line {error.lineno}, column {error.colno}") from None
    except (ValueError, ArithmeticError):  # a number with more digits than Python reads
        raise NotJson(INEXACT) from None
    check_text(value)
    return value


def check_text(value: object) -> None:
    """Raises NotJson for text that Postgres or UTF-8 cannot store: NUL characters and lone surrogates."""
    if isinstance(value, str):
        if "\x00" in value:
            raise NotJson("contains a NUL character")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise NotJson("contains half a surrogate pair")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            check_text(name)
            check_text(item)
    elif isinstance(value, list):
        for item in value:
            check_text(item)


def dump(value: object) -> bytes:
    """The value as JSON: money as a number with exact decimals, times as ISO 8601 with Z, ids as strings."""
    text: str = simplejson.dumps(
        value, default=_plain, use_decimal=True, namedtuple_as_object=False, ensure_ascii=False, separators=(",", ":")
    )
    return text.encode()


def moment(value: datetime) -> str:
    """The moment in ISO 8601, in UTC with Z."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: object) -> object:
    if isinstance(value, Usdt):
        return value.decimal
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _check_depth(text: str) -> None:
    """Check the depth before parsing, because the parser's own limit is the process's stack."""
    depth = 0
    for found in STRING_OR_BRACKET.finditer(text):
        depth += DEEPER.get(found[0], 0)
        if depth > DEPTH_MAX:
            raise NotJson("nested too deeply")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise NotJson("a name is repeated in an object")
    return made


def _integer(literal: str) -> int:
    value = int(literal)
    if float(value) != value:
        raise NotJson(INEXACT)
    return value


def _number(literal: str) -> float:
    value = float(literal)
    if Decimal(literal) != Decimal(repr(value)):
        raise NotJson(INEXACT)
    return value


def _refuse_constant(literal: str) -> object:
    raise NotJson(f"{literal} is not JSON")
