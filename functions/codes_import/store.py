"""How far an import is, and the refused lines of each chunk."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.codes_import.rules import Chunk
from shared.code_files import Place, Refused
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


@dataclass(frozen=True)
class _Text:
    refused: str


def get(tx: Tx, import_id: UUID, *, lock: bool) -> Import | None:
    """The import; locked, so that one chunk is recorded at a time."""
    if lock:
        tx.run("SELECT 1 FROM code_imports WHERE id = :id FOR UPDATE", id=import_id)
    return tx.first(
        Import,
        """
        SELECT id, status, object_name, generation, size_bytes, code_column, bytes_done, lines_done, chunks_done,
               refused_count, started_by
        FROM code_imports WHERE id = :id AND status <> 'waiting'
        """,
        id=import_id,
    )


def begin(tx: Tx, import_id: UUID, version: Stored, column: int, start: Place) -> bool:
    """The file can be read; False when somebody else has found that out before."""
    return (
        tx.run(
            """
        UPDATE code_imports SET status = 'importing', generation = :generation, size_bytes = :size_bytes,
               code_column = :column, bytes_done = :bytes_done, lines_done = :lines_done
        WHERE id = :id AND status = 'checking'
        """,
            id=import_id,
            generation=version.generation,
            size_bytes=version.size_bytes,
            column=column,
            bytes_done=start.bytes,
            lines_done=start.lines,
        )
        > 0
    )


def insert_chunk(tx: Tx, import_id: UUID, chunk: int, refused: str, now: datetime) -> None:
    """The chunk's part of the report."""
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


def advance(tx: Tx, import_id: UUID, chunk: Chunk, shown: Sequence[Refused]) -> None:
    """Count the chunk and go on behind it."""
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
    """A chunk's part of the report."""
    row = tx.one(
        _Text,
        "SELECT refused FROM code_import_chunks WHERE import_id = :import_id AND chunk = :chunk",
        import_id=import_id,
        chunk=chunk,
    )
    return row.refused


def finish(tx: Tx, import_id: UUID, report: str | None, now: datetime) -> None:
    """All lines are done."""
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
    """The file cannot be imported, or not further."""
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
