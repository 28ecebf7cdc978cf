"""Reads the manufacturer's file: CSV with a column named code, as a stream from the start of any record.

Spreadsheets write CSV in several forms: in UTF-8 or (with a byte order mark) UTF-16, with commas, semicolons, tabs or
bars between the fields, with a first line `sep=;`, and with cells marked as text (`="K7QM"`, `'K7QM`). Memory stays at
one record and one piece of the file, whatever its length and content.
"""

import codecs
import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from shared.codes import codes
from shared.values import typed

FILE_BYTES_MAX = 1024 * 1024 * 1024  # of a file to be imported
REFUSED_SHOWN_MAX = 1_000  # lines that a report tells of

COLUMN = "code"
DELIMITERS = (",", ";", "\t", "|")
SEPARATOR_LINE = "sep="  # spreadsheets take what follows it as the delimiter of the file
RECORD_BYTES_MAX = 1024 * 1024
HEAD_BYTES_MAX = 2 * RECORD_BYTES_MAX  # the lines up to and including the header
NOT_A_CODE = "not a code"
_BYTE_ORDER_MARK = "\ufeff"
_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class NotReadable(Exception):
    """Raised when the file is not CSV with a column named code; `line` is the line where that shows."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class Form(NamedTuple):
    """How a file is written: its encoding (`utf-8`, `utf-16-le` or `utf-16-be`) and its delimiter."""

    encoding: str
    delimiter: str


class Place(NamedTuple):
    """Where a record starts: the number of bytes and lines before it."""

    bytes: int
    lines: int


class Record(NamedTuple):
    """One record: its fields, its first line (counted from 1 with the header), and the place after it."""

    line: int
    fields: Sequence[str]
    end: Place


class Opened(NamedTuple):
    """A file whose header was read: its form, the index of the code column, the first record's place, the records."""

    form: Form
    column: int
    start: Place
    records: Iterator[Record]


@dataclass(frozen=True)
class UnusableLine:
    """A line that was refused, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class Listed:
    """The well-formed codes with their lines, the refused lines, and the place after the last one; no empty lines."""

    codes: Sequence[tuple[int, str]]
    refused: Sequence[UnusableLine]
    end: Place


PLAIN = Form("utf-8", ",")
START = Place(0, 0)


def opened(pieces: Iterable[bytes]) -> Opened:
    """Detect how the file is written. Raises NotReadable, also later while the records are read."""
    source = iter(pieces)
    head = _head(source)
    encoding = _UTF_16.get(head[:2], "utf-8")
    form, column, start = _of_header(head[:HEAD_BYTES_MAX], encoding)
    return Opened(form, column, start, records(chain([head[start.bytes :]], source), form, start))


def records(pieces: Iterable[bytes], form: Form = PLAIN, start: Place = START) -> Iterator[Record]:
    """The records from `start` on, which is where `pieces` start. Raises NotReadable."""
    lines = _Lines(pieces, form.encoding, start)
    reader = csv.reader(lines, strict=True, delimiter=form.delimiter)
    while True:
        line = lines.begin_record()
        try:
            fields = next(reader, None)
        except csv.Error:
            raise NotReadable("It is not CSV: quotation marks do not match, or a field is too long.", line) from None
        if fields is None:
            return
        yield Record(line, fields, Place(lines.bytes, lines.count))


def sort_out(found: Iterable[Record], column: int, start: Place = START) -> Listed:
    """Separate well-formed codes from refused lines. Raises NotReadable."""
    good: list[tuple[int, str]] = []
    refused: list[UnusableLine] = []
    end = start
    for line, fields, end in found:  # noqa: B007 - the last one counts
        code = codes.normalized(typed.cell(fields[column])) if len(fields) > column else None
        if code:
            good.append((line, code))
        elif any(field.strip() for field in fields):
            refused.append(UnusableLine(line, NOT_A_CODE))
    return Listed(good, refused, end)


def _head(source: Iterator[bytes]) -> bytes:
    """The first pieces of the file, enough to contain its header."""
    head = b""
    for piece in source:
        head += piece
        if len(head) >= HEAD_BYTES_MAX:
            break
    return head


def _of_header(head: bytes, encoding: str) -> tuple[Form, int, Place]:
    """The form, code column and start of the records, by the delimiter that the file names or the first one that fits.

    A delimiter fits if a column of the header is named code.
    """
    named = _separator(head, encoding)
    tried = [Form(encoding, named[0])] if named else [Form(encoding, delimiter) for delimiter in DELIMITERS]
    start = named[1] if named else START
    faults: list[NotReadable] = []
    for form in tried:
        try:
            header = next(records([head[start.bytes :]], form, start), None)
        except NotReadable as fault:
            faults.append(fault)
            continue
        names = [typed.line(typed.cell(name)).lower() for name in header.fields] if header else []
        if header and COLUMN in names:
            return form, names.index(COLUMN), header.end
    raise faults[0] if len(faults) == len(tried) else NotReadable(f"Its header has no column named {COLUMN}.", 1)


def _separator(head: bytes, encoding: str) -> tuple[str, Place] | None:
    """The delimiter named by a line before the header, and where the header starts; None without such a line."""
    lines = _Lines([head], encoding, START)
    first = next(lines, "").strip("\r\n").strip('"')
    if first[:-1].lower() != SEPARATOR_LINE or first[-1] not in DELIMITERS:
        return None
    return first[-1], Place(lines.bytes, lines.count)


class _Lines:
    """Lines of text for the CSV reader. It takes as many as a record has, so its position is the end of the record."""

    def __init__(self, pieces: Iterable[bytes], encoding: str, start: Place) -> None:
        self._encoding = encoding
        self._source = _split(pieces if encoding == "utf-8" else _in_utf_8(pieces, encoding))
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
        self.count += 1
        self._check_length(self.bytes + len(line))
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise NotReadable("It is not text in UTF-8, nor in UTF-16 with a byte order mark.", self.count) from None
        self.bytes += len(line) if self._encoding == "utf-8" else len(text.encode(self._encoding))
        self._check_length(self.bytes)
        return text.removeprefix(_BYTE_ORDER_MARK) if first else text

    def _check_length(self, end: int) -> None:
        if end - self._record_start > RECORD_BYTES_MAX:
            raise NotReadable(f"A record is longer than {RECORD_BYTES_MAX} bytes.", self.count)


def _in_utf_8(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """UTF-16 converted to UTF-8. Half a surrogate pair becomes invalid UTF-8, which is reported at its line."""
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    for piece in pieces:
        yield decoder.decode(piece).encode(errors="surrogatepass")
    if decoder.getstate()[0]:
        yield b"\xff"  # the file ends within a character


def _split(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Lines with their ends: LF, CR or CRLF, even where a piece ends within one. Too long a line comes cut off."""
    left = b""
    for piece in pieces:
        lines = (left + piece).splitlines(keepends=True)
        left = lines.pop() if lines else b""
        yield from lines
        if len(left) > RECORD_BYTES_MAX:
            break
    if left:
        yield left
