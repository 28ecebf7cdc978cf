"""A manufacturer's file is read the same however its bytes arrive and from whichever record on."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from shared.codes import files
from shared.codes.files import Form, NotReadable, Record

fields = st.text(st.sampled_from('aé",\n\r€ =7'), max_size=6)
rows = st.lists(st.lists(fields, min_size=1, max_size=3), min_size=1, max_size=8)
ends = st.sampled_from(["\n", "\r\n", "\r"])
forms = st.builds(Form, st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]), st.sampled_from(files.DELIMITERS))


def written(table: list[list[str]], end: str, mark: bool, form: Form = files.PLAIN) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=end, quoting=csv.QUOTE_ALL, delimiter=form.delimiter).writerows(table)
    return (("\ufeff" if mark else "") + stream.getvalue()).encode(form.encoding)


def pieces(raw: bytes, size: int) -> list[bytes]:
    return [raw[start : start + size] for start in range(0, len(raw), size)]


@given(rows, ends, st.booleans(), forms, st.integers(1, 40))
def test_pieces_of_any_size_are_one_file(table: list[list[str]], end: str, mark: bool, form: Form, size: int) -> None:
    raw = written(table, end, mark, form)
    read = list(files.records(pieces(raw, size), form))
    assert [list(record.fields) for record in read] == table
    assert read[-1].end.bytes == len(raw)


@given(rows, ends, st.booleans(), forms, st.data())
def test_reading_goes_on_where_it_stopped(
    table: list[list[str]], end: str, mark: bool, form: Form, data: st.DataObject
) -> None:
    raw = written(table, end, mark, form)
    whole = list(files.records([raw], form))
    stopped = data.draw(st.integers(0, len(whole)))
    place = whole[stopped - 1].end if stopped else files.START
    assert list(files.records([raw[place.bytes :]], form, place)) == whole[stopped:]


@given(rows, ends, forms, st.booleans(), st.integers(0, 2), st.integers(1, 40))
def test_how_a_file_is_written_is_found_out(
    table: list[list[str]], end: str, form: Form, named: bool, column: int, size: int
) -> None:
    header = ["x"] * column + ["code", "y"]
    first = f"sep={form.delimiter}{end}".encode(form.encoding) if named else b""
    mark = "" if form.encoding == "utf-8" else "\ufeff"
    raw = mark.encode(form.encoding) + first + written([header, *table], end, mark=False, form=form)
    opened = files.opened(pieces(raw, size))
    assert (opened.form, opened.column) == (form, column)
    read = list(opened.records)
    assert [list(record.fields) for record in read] == table
    assert read[-1].end.bytes == len(raw)
    assert list(files.records([raw[opened.start.bytes :]], form, opened.start)) == read


@given(
    st.builds(bytes.__add__, st.sampled_from([b"", b"code\n", b"\xff\xfec\0o\0d\0e\0\n\0"]), st.binary(max_size=300))
)
def test_whatever_arrives_is_read_or_refused_with_a_line(raw: bytes) -> None:
    read, fault = tried(raw)
    assert fault is None or (fault.reason and fault.line >= 1)
    ends = [record.end for record in read]
    assert ends == sorted(ends)


def tried(raw: bytes) -> tuple[list[Record], NotReadable | None]:
    """The records that can be read, and the fault of the next one."""
    read: list[Record] = []
    try:
        read.extend(files.opened([raw]).records)
    except NotReadable as fault:
        return read, fault
    return read, None
