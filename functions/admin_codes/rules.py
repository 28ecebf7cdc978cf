"""Reading the manufacturer's file, and what may be done with a batch."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from shared import codes
from shared.problems import Problem

CODES_PER_REQUEST_MAX = 5_000_000
REFUSED_SHOWN_MAX = 1_000
COLUMN = "code"


class ProductUnknown(Problem):
    """No product has this SKU."""

    status, title = 422, "There is no such product."


class BatchUnknown(Problem):
    """There is no batch of this id."""

    status, title = 422, "There is no such batch."


class BatchNotReady(Problem):
    """It is still being generated; its progress is shown with the batch."""

    status, title = 409, "This batch is still being generated."


class FileNotReadable(Problem):
    """Not CSV in UTF-8 with a column named code."""

    status, title = 422, "This file cannot be read."


@dataclass(frozen=True)
class Refused:
    """A line of an uploaded file that changed nothing, counted from 1 with the header."""

    line: int
    reason: str


@dataclass(frozen=True)
class Listed:
    """The well-formed codes of a file with their lines, and the lines that are none."""

    codes: Sequence[tuple[int, str]]
    refused: Sequence[Refused]


def read_codes(data: bytes) -> Listed:
    """The column `code` of a CSV file, with or without a byte order mark. Raises FileNotReadable."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileNotReadable("It is not UTF-8 text.") from None
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise FileNotReadable(f"It is not CSV: {error}.") from None
    header = [name.strip().lower() for name in rows[0]] if rows else []
    if COLUMN not in header:
        raise FileNotReadable(f"Its first line has no column named {COLUMN}.")
    return _sorted_out(rows[1:], header.index(COLUMN))


def _sorted_out(rows: Sequence[Sequence[str]], column: int) -> Listed:
    good: list[tuple[int, str]] = []
    refused: list[Refused] = []
    for line, row in enumerate(rows, start=2):
        code = codes.normalized(row[column]) if len(row) > column else None
        if code:
            good.append((line, code))
        elif row:
            refused.append(Refused(line, "not a code"))
    return Listed(good, refused)
