"""The shapes of requests and replies: base models, and field types that several functions use."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
)
from pydantic_core import CoreSchema, core_schema

from shared.values import fault_texts, free_text, typed
from shared.values.money import NotAnAmount, Usdt

RFC_3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)"
Item = TypeVar("Item")


class Body(BaseModel):
    """A JSON request body: unknown fields are refused, and no value is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True, hide_input_in_errors=True)


class Query(BaseModel):
    """The query string: unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, hide_input_in_errors=True)


class Reply(BaseModel):
    """The JSON body of a response."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True, hide_input_in_errors=True
    )


class Versioned(Reply):
    """A JSON response about something that is changed with `If-Match`: its revision is also the ETag."""

    revision: int


def _digits(value: object) -> object:
    """Accept digits only: Python would read " 1_0 " as ten, which no other language does."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("must be a whole number, in digits")
    return value


DIGITS = BeforeValidator(_digits)  # for numbers of a query


def _written(form: str, parse: Callable[[str], date], name: str) -> BeforeValidator:
    """A validator that accepts text of one form only; pydantic takes "7200" for a day and for a moment in 1970."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        with suppress(ValueError, OverflowError):
            if re.fullmatch(form, value, re.ASCII | re.IGNORECASE):
                return parse(value.upper())
        raise ValueError(f"must be {name}")

    return BeforeValidator(read)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def moment_or_none(text: str | None) -> datetime | None:
    """The time that a device reports (RFC 3339), in UTC; None if it is not a time, which is no reason to refuse."""
    with suppress(ValueError, OverflowError):
        if text and re.fullmatch(RFC_3339, text, re.ASCII | re.IGNORECASE):
            return _utc(text.upper())
    return None


class Page(Query):
    """A part of a list: `limit` items after `cursor`, which is the `next_cursor` of the previous page."""

    limit: Annotated[int, DIGITS, Field(ge=1, le=100)] = 20
    cursor: Annotated[str, StringConstraints(max_length=200)] | None = None


class _UsdtSchema:
    """A JSON number; refused if it has more than six decimals or is out of range."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        as_decimal = core_schema.plain_serializer_function_ser_schema(lambda amount: amount.decimal)
        return core_schema.no_info_plain_validator_function(cls._amount, serialization=as_decimal)

    @staticmethod
    def _amount(value: object) -> Usdt:
        if isinstance(value, Usdt):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise ValueError("must be a number")  # noqa: TRY004 - pydantic reports ValueErrors
        try:
            return Usdt.of(Decimal(repr(value)) if isinstance(value, float) else value)
        except NotAnAmount:
            raise ValueError("must be an amount with at most six decimals") from None


Money = Annotated[Usdt, _UsdtSchema]


def _in_own_words(read: Callable[[str], str]) -> BeforeValidator:
    return BeforeValidator(lambda value: read(value) if isinstance(value, str) else value)


# Free text that people write (shared/values/free_text.py): `format: line` and `format: lines` in openapi.yaml.
LINE, LINES = _in_own_words(free_text.line), _in_own_words(free_text.lines)
Text = Annotated[str, StringConstraints(min_length=1, max_length=255), LINE]
Reason = Annotated[str, StringConstraints(min_length=3, max_length=500), LINES]
Day = Annotated[date, _written(r"\d{4}-\d\d-\d\d", date.fromisoformat, "a day, YYYY-MM-DD")]
Month = Annotated[date, _written(r"20\d\d-\d\d", lambda text: date.fromisoformat(f"{text}-01"), "a month, YYYY-MM")]
Moment = Annotated[AwareDatetime, _written(RFC_3339, _utc, "a time, YYYY-MM-DDTHH:MM:SS with Z or an offset")]
SixDigits = Annotated[str, StringConstraints(max_length=typed.TYPED_MAX), AfterValidator(typed.six_digits)]
Username = Annotated[str, StringConstraints(max_length=typed.TYPED_MAX), AfterValidator(typed.username)]
Sku = Annotated[Text, AfterValidator(typed.written)]
EvmAddress = Annotated[str, StringConstraints(max_length=typed.PASTED_MAX), AfterValidator(typed.evm_address)]


class Shape:
    """Text of one pattern that programs produce: `Annotated[str, Shape(r"^[a-z]+$", "a name of a screen")]`.

    `meaning` is the message for text that does not fit.
    """

    def __init__(self, pattern: str, meaning: str) -> None:
        self.pattern = pattern
        self.meaning = meaning

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.custom_error_schema(
            core_schema.str_schema(pattern=self.pattern),
            custom_error_type=fault_texts.SHAPE,
            custom_error_message=f"must be {self.meaning}",
        )


class Listing(Reply, Generic[Item]):
    """A page of items; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None
