"""The shapes of what comes in and goes out: base models and the field types that several functions use."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
)
from pydantic_core import CoreSchema, core_schema

from shared.money import NotAnAmount, Usdt

Item = TypeVar("Item")


class Body(BaseModel):
    """A JSON request body: unknown fields are refused, nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True, hide_input_in_errors=True)


class Query(BaseModel):
    """The query string: unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, hide_input_in_errors=True)


class Reply(BaseModel):
    """A JSON response."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True, hide_input_in_errors=True
    )


class Versioned(Reply):
    """A JSON response about something that is changed with `If-Match`: its revision is also the ETag."""

    revision: int


def _digits(value: object) -> object:
    """Python reads " 1_0 " as ten; nobody else does."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("must be a whole number, in digits")
    return value


def _written(form: str, parse: Callable[[str], date], name: str) -> BeforeValidator:
    """Text of one form only: pydantic takes "7200" for a day and a moment of 1970."""

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


class Page(Query):
    """Which part of a list: `limit` items after `cursor`, the `next_cursor` of the page before."""

    limit: Annotated[int, BeforeValidator(_digits), Field(ge=1, le=100)] = 20
    cursor: Annotated[str, StringConstraints(max_length=200)] | None = None


class _UsdtSchema:
    """A JSON number; refused when it has more than six decimals or is out of range."""

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
Text = Annotated[str, StringConstraints(min_length=1, max_length=255, strip_whitespace=True)]
Day = Annotated[date, _written(r"\d{4}-\d\d-\d\d", date.fromisoformat, "a day, YYYY-MM-DD")]
RFC_3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)"
Moment = Annotated[AwareDatetime, _written(RFC_3339, _utc, "a time, YYYY-MM-DDTHH:MM:SS with Z or an offset")]
EvmAddress = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$")]


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


EmailAddress = Annotated[
    str,
    BeforeValidator(_lower),
    StringConstraints(
        max_length=254,
        pattern=r"^[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$",
    ),
]


class Listing(Reply, Generic[Item]):
    """A page of items; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None
