"""The manufacturer's file: CSV in UTF-8 with a column named code, read as a stream from the beginning of any record.

Memory stays at one record and one piece of the file, however long it is and whatever stands in it.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared import codes

COLUMN = "code"
RECORD_BYTES_MAX = 1024 * 1024
NOT_A_CODE = "not a code"
_BYTE_ORDER_MARK = "\ufeff"


class NotReadable(Exception):
    """Not CSV in UTF-8 with a column named code; `line` is where that shows."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class Place(NamedTuple):
    """Where a record begins: after so many bytes and lines of the file."""

    bytes: int
    lines: int


class Record(NamedTuple):
    """The fields of a record, the line it begins in (counted from 1 with the header), and where the next one begins."""

    line: int
    fields: Sequence[str]
    end: Place


@dataclass(frozen=True)
class Refused:
    """A line that changes nothing."""

    line: int
    reason: str


@dataclass(frozen=True)
class Listed:
    """The well-formed codes with their lines, the lines that are none, and where they end. Empty lines are neither."""

    codes: Sequence[tuple[int, str]]
    refused: Sequence[Refused]
    end: Place


START = Place(0, 0)


def records(pieces: Iterable[bytes], start: Place = START) -> Iterator[Record]:
    """The records from `start` on, where `pieces` begin. Raises NotReadable."""
    lines = _Lines(pieces, start)
    reader = csv.reader(lines, strict=True)
    while True:
        line = lines.begin_record()
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise NotReadable(f"It is not CSV: {error}.", line) from None
        if fields is None:
            return
        yield Record(line, fields, Place(lines.bytes, lines.count))


def column_of(header: Record | None) -> int:
    """Which of the fields is the code. Raises NotReadable."""
    names = [name.strip().lower() for name in header.fields] if header else []
    if COLUMN not in names:
        raise NotReadable(f"Its first line has no column named {COLUMN}.", 1)
    return names.index(COLUMN)


def sort_out(found: Iterable[Record], column: int, start: Place = START) -> Listed:
    """Codes and what is none. Raises NotReadable."""
    good: list[tuple[int, str]] = []
    refused: list[Refused] = []
    end = start
    for line, fields, end in found:  # noqa: B007 - the last one counts
        code = codes.normalized(fields[column]) if len(fields) > column else None
        if code:
            good.append((line, code))
        elif fields:
            refused.append(Refused(line, NOT_A_CODE))
    return Listed(good, refused, end)


class _Lines:
    """Lines as text for the CSV reader, which takes as many as a record has: so their end is the record's."""

    def __init__(self, pieces: Iterable[bytes], start: Place) -> None:
        self._source = _split(pieces)
        self.bytes, self.count = start
        self._record_start = self.bytes

    def begin_record(self) -> int:
        self._record_start = self.bytes
        return self.count + 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._source)
        first = self.bytes == 0
        self.bytes += len(line)
        self.count += 1
        if self.bytes - self._record_start > RECORD_BYTES_MAX:
            raise NotReadable(f"A record is longer than {RECORD_BYTES_MAX} bytes.", self.count)
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise NotReadable("It is not UTF-8 text.", self.count) from None
        return text.removeprefix(_BYTE_ORDER_MARK) if first else text


def _split(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Lines with their ends: LF, CR or CRLF, even where a piece ends within one. Too long a line comes unfinished."""
    left = b""
    for piece in pieces:
        lines = (left + piece).splitlines(keepends=True)
        left = lines.pop() if lines else b""
        yield from lines
        if len(left) > RECORD_BYTES_MAX:
            break
    if left:
        yield left
