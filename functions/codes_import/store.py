"""Imports, their progress, and the refused lines of each chunk, as rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.codes_import.rules import Chunk
from shared.codes.files import Form, Opened, UnusableLine
from shared.db import Tx
from shared.ports.files import Stored


@dataclass(frozen=True)
class Import:
    """An import that was started."""

    id: UUID
    status: str
    object_name: str
    generation: int | None
    size_bytes: int | None
    code_column: int | None
    encoding: str
    delimiter: str
    bytes_done: int
    lines_done: int
    chunks_done: int
    refused_count: int
    started_by: UUID

    def version(self) -> Stored:
        """The version of the file that was checked."""
        assert self.generation is not None
        assert self.size_bytes is not None
        return Stored(self.generation, self.size_bytes)

    def form(self) -> Form:
        """The encoding and the delimiter of the file."""
        return Form(self.encoding, self.delimiter)


def get(tx: Tx, import_id: UUID, *, lock: bool) -> Import | None:
    """The started import; with `lock` one chunk is recorded at a time."""
    if lock:
        tx.run("SELECT 1 FROM code_imports WHERE id = :id FOR UPDATE", id=import_id)
    return tx.first(
        Import,
        """
        SELECT id, status, object_name, generation, size_bytes, code_column, encoding, delimiter, bytes_done,
               lines_done, chunks_done, refused_count, started_by
        FROM code_imports WHERE id = :id AND status <> 'waiting'
        """,
        id=import_id,
    )


def begin(tx: Tx, import_id: UUID, version: Stored, file: Opened) -> bool:
    """Record that the file can be read; False if another task has recorded it before."""
    return (
        tx.run(
            """
        UPDATE code_imports SET status = 'importing', generation = :generation, size_bytes = :size_bytes,
               code_column = :column, encoding = :encoding, delimiter = :delimiter, bytes_done = :bytes_done,
               lines_done = :lines_done
        WHERE id = :id AND status = 'checking'
        """,
            id=import_id,
            generation=version.generation,
            size_bytes=version.size_bytes,
            column=file.column,
            encoding=file.form.encoding,
            delimiter=file.form.delimiter,
            bytes_done=file.start.bytes,
            lines_done=file.start.lines,
        )
        > 0
    )


def insert_chunk(tx: Tx, import_id: UUID, chunk: int, refused: str, now: datetime) -> None:
    """Insert the chunk's part of the report."""
    tx.run_later(
        """
        INSERT INTO code_import_chunks (import_id, chunk, refused, created_at)
        VALUES (:import_id, :chunk, :refused, :now)
        """,
        import_id=import_id,
        chunk=chunk,
        refused=refused,
        now=now,
    )


def advance(tx: Tx, import_id: UUID, chunk: Chunk, shown: Sequence[UnusableLine]) -> None:
    """Add the chunk to the counts and move the position behind it."""
    tx.run_later(
        """
        UPDATE code_imports SET bytes_done = :bytes_done, lines_done = :lines_done, chunks_done = chunks_done + 1,
               manufactured = manufactured + :manufactured, unchanged = unchanged + :unchanged,
               refused_count = refused_count + :refused_count, refused = refused || CAST(:shown AS jsonb)
        WHERE id = :id
        """,
        id=import_id,
        bytes_done=chunk.end.bytes,
        lines_done=chunk.end.lines,
        manufactured=chunk.manufactured,
        unchanged=chunk.unchanged,
        refused_count=len(chunk.refused),
        shown=json.dumps([vars(line) for line in shown]),
    )


def refused(tx: Tx, import_id: UUID, chunk: int) -> str:
    """The chunk's part of the report."""
    return tx.scalar(
        str,
        "SELECT refused FROM code_import_chunks WHERE import_id = :import_id AND chunk = :chunk",
        import_id=import_id,
        chunk=chunk,
    )


def finish(tx: Tx, import_id: UUID, report: str | None, now: datetime) -> None:
    """Mark the import as finished: all lines are done."""
    tx.run_later(
        """
        UPDATE code_imports SET status = 'imported', report_object = :report, finished_at = :now
        WHERE id = :id AND status = 'importing'
        """,
        id=import_id,
        report=report,
        now=now,
    )


def refuse(tx: Tx, import_id: UUID, fault: str, line: int | None, now: datetime) -> None:
    """Mark the import as refused: the file cannot be imported at all, or no further."""
    tx.run_later(
        """
        UPDATE code_imports SET status = 'refused', fault = :fault, fault_line = :line, finished_at = :now
        WHERE id = :id AND status IN ('checking', 'importing')
        """,
        id=import_id,
        fault=fault,
        line=line,
        now=now,
    )
