"""Lines of CSV (RFC 4180) whose texts a spreadsheet shows and does not run. Pure."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from shared.values import encoding
from shared.values.money import Usdt

FORMULA_STARTS = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"  # https://owasp.org/www-community/attacks/CSV_Injection
BYTE_ORDER_MARK = "\ufeff"  # without it at the beginning of a file, some spreadsheets take UTF-8 for something else

Field = str | int | Decimal | Usdt | date | datetime | UUID | None


def quoted(text: str) -> str:
    """The text as a quoted field (RFC 4180). One that a spreadsheet would take for a formula begins with an apostrophe,
    also when blanks or invisible characters come before it.
    """
    if not text:
        return ""
    seen = next((letter for letter in text if letter.isprintable() and not letter.isspace()), text[0])
    safe = f"'{text}" if text[0] in FORMULA_STARTS or seen in FORMULA_STARTS else text
    return '"' + safe.replace('"', '""') + '"'


def line(fields: Iterable[Field]) -> str:
    """The fields as a line with its end. Numbers, ids, days and times (UTC, with Z) are written as they are, texts
    quoted, None as nothing.
    """
    return ",".join(map(_field, fields)) + "\r\n"


def _field(value: Field) -> str:
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return encoding.moment(value)
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
