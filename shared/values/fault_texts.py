"""The messages for wrong fields: our own sentences, by the kind of fault that pydantic finds.

pydantic's texts are for Python engineers ("Input should be a valid string", "is_instance_of"). Our readers have sent
JSON or a query, in whatever language they program.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

SHAPE = "shape"  # the error type of shared.values.fields.Shape, which has its own message
OTHERWISE = "is not valid"
TEXT = "must be text"
WHOLE_NUMBER = "must be a whole number"
NUMBER = "must be a number"
LOGICAL = "must be true or false"
LIST = "must be a list"
OBJECT = "must be an object"
ID = "must be an id (a UUID)"
DAY = "must be a day, YYYY-MM-DD"
MOMENT = "must be a time, YYYY-MM-DDTHH:MM:SS with Z or an offset"

_SAME: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "string_type": TEXT,
    "string_pattern_mismatch": "is not written in the form that is wanted here",
    "string_unicode": "must be text in UTF-8",
    "int_type": WHOLE_NUMBER,
    "int_parsing": WHOLE_NUMBER,
    "int_parsing_size": WHOLE_NUMBER,
    "int_from_float": WHOLE_NUMBER,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "finite_number": NUMBER,
    "decimal_type": NUMBER,
    "decimal_parsing": NUMBER,
    "bool_type": LOGICAL,
    "bool_parsing": LOGICAL,
    "list_type": LIST,
    "dict_type": OBJECT,
    "model_type": OBJECT,
    "model_attributes_type": OBJECT,
    "uuid_type": ID,
    "uuid_parsing": ID,
    "date_type": DAY,
    "date_parsing": DAY,
    "date_from_datetime_parsing": DAY,
    "date_from_datetime_inexact": DAY,
    "datetime_type": MOMENT,
    "datetime_parsing": MOMENT,
    "datetime_object_invalid": MOMENT,
    "datetime_from_date_parsing": MOMENT,
    "timezone_naive": MOMENT,
}
_WITH_BOUND: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "string_too_short": lambda bound: f"must have {_counted(bound['min_length'], 'character')} or more",
    "string_too_long": lambda bound: f"must have {_counted(bound['max_length'], 'character')} or fewer",
    "too_short": lambda bound: f"must have {_counted(bound['min_length'], 'entry')} or more",
    "too_long": lambda bound: f"must have {_counted(bound['max_length'], 'entry')} or fewer",
    "greater_than": lambda bound: f"must be more than {bound['gt']}",
    "greater_than_equal": lambda bound: f"must be {bound['ge']} or more",
    "less_than": lambda bound: f"must be less than {bound['lt']}",
    "less_than_equal": lambda bound: f"must be {bound['le']} or less",
    "literal_error": lambda bound: f"must be {_plain(bound['expected'])}",
    "enum": lambda bound: f"must be {_plain(bound['expected'])}",
    # Our own validators write messages for this reader.
    "value_error": lambda bound: str(bound.get("error", OTHERWISE)),
}
_PLURALS = {"character": "characters", "entry": "entries"}


def message(fault: ErrorDetails) -> str:
    """A phrase that follows the field's name: "must be a whole number"."""
    kind = fault["type"]
    if kind == SHAPE:
        return fault["msg"]
    if kind in _WITH_BOUND:
        return _WITH_BOUND[kind](fault.get("ctx", {}))
    return _SAME.get(kind, OTHERWISE)


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing if number == 1 else _PLURALS[thing]}"


def _plain(expected: str) -> str:
    """The list of values as pydantic writes it (`'ios' or 'android'`), without quotation marks."""
    return expected.replace("'", "")
