"""A manufacturer's file is read the same however its bytes arrive and from whichever record on."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from shared import code_files
from shared.code_files import NotReadable, Record

fields = st.text(st.sampled_from('aé",\n\r€ =7'), max_size=6)
rows = st.lists(st.lists(fields, min_size=1, max_size=3), min_size=1, max_size=8)
ends = st.sampled_from(["\n", "\r\n", "\r"])


def written(table: list[list[str]], end: str, mark: bool) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(table)
    return ("\ufeff" if mark else "").encode() + stream.getvalue().encode()


def pieces(raw: bytes, size: int) -> list[bytes]:
    return [raw[start : start + size] for start in range(0, len(raw), size)]


@given(rows, ends, st.booleans(), st.integers(1, 40))
def test_pieces_of_any_size_are_one_file(table: list[list[str]], end: str, mark: bool, size: int) -> None:
    raw = written(table, end, mark)
    read = list(code_files.records(pieces(raw, size)))
    assert [list(record.fields) for record in read] == table
    assert read[-1].end.bytes == len(raw)


@given(rows, ends, st.booleans(), st.data())
def test_reading_goes_on_where_it_stopped(table: list[list[str]], end: str, mark: bool, data: st.DataObject) -> None:
    raw = written(table, end, mark)
    whole = list(code_files.records([raw]))
    stopped = data.draw(st.integers(0, len(whole)))
    place = whole[stopped - 1].end if stopped else code_files.START
    assert list(code_files.records([raw[place.bytes :]], place)) == whole[stopped:]


@given(st.binary(max_size=300))
def test_whatever_arrives_is_read_or_refused_with_a_line(raw: bytes) -> None:
    read, fault = tried(raw)
    assert fault is None or (fault.reason and fault.line >= 1)
    ends = [record.end for record in read]
    assert ends == sorted(ends)


def tried(raw: bytes) -> tuple[list[Record], NotReadable | None]:
    """What can be read, and what is wrong with the next record."""
    read: list[Record] = []
    try:
        read.extend(code_files.records([raw]))
    except NotReadable as fault:
        return read, fault
    return read, None
