"""Reports that are to be made, and the files that runs have begun."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.reports.filters import ReportKind


@dataclass(frozen=True)
class Report:
    """A report with what was asked for, as JSON; `run_id` is the run that has it now."""

    kind: ReportKind
    state: str
    filters_text: str
    run_id: UUID | None


@dataclass(frozen=True)
class Contents:
    """The contents of a file: its rows without the header, its size, and its SHA-256."""

    rows: int
    size_bytes: int
    sha256: bytes


@dataclass(frozen=True)
class BegunFile:
    """A file that a run has begun."""

    run_id: UUID
    export_id: UUID


def begin(tx: Tx, export_id: UUID, run_id: UUID, now: datetime, until: datetime) -> Report | None:
    """Have this run make the report, unless another run holds it, or it is not to be made; None if there is none."""
    tx.run(
        """
        UPDATE report_exports SET run_id = :run_id, held_until = :until, read_from = :now
        WHERE id = :id AND state = 'making' AND (held_until IS NULL OR held_until <= :now)
        """,
        id=export_id,
        run_id=run_id,
        now=now,
        until=until,
    )
    found = tx.first(
        Report,
        "SELECT kind, state, CAST(filters AS text) AS filters_text, run_id FROM report_exports WHERE id = :id",
        id=export_id,
    )
    if found is not None and found.run_id == run_id:
        tx.run(
            "INSERT INTO report_files (run_id, export_id, begun_at) VALUES (:run_id, :export_id, :now)",
            run_id=run_id,
            export_id=export_id,
            now=now,
        )
    return found


def hold(tx: Tx, export_id: UUID, run_id: UUID, until: datetime) -> bool:
    """Prolong the run's hold; False if the report is another run's by now, or is to be made anew."""
    return bool(
        tx.run(
            """
            UPDATE report_exports SET held_until = :until WHERE id = :id AND state = 'making' AND run_id = :run_id
            """,
            id=export_id,
            run_id=run_id,
            until=until,
        )
    )


def finish(tx: Tx, export_id: UUID, run_id: UUID, contents: Contents, now: datetime, until: datetime) -> bool:
    """Show the run's file until a time; False if the report is another run's by now, or is to be made anew."""
    return bool(
        tx.run(
            """
            UPDATE report_exports SET state = 'ready', held_until = NULL, read_until = :now, rows = :rows,
                   bytes = :bytes, sha256 = :sha256, expires_at = :until
            WHERE id = :id AND state = 'making' AND run_id = :run_id
            """,
            id=export_id,
            run_id=run_id,
            rows=contents.rows,
            bytes=contents.size_bytes,
            sha256=contents.sha256,
            now=now,
            until=until,
        )
    )


def fail(tx: Tx, export_id: UUID, fault: str, now: datetime) -> None:
    """Give the report up, and say why."""
    tx.run(
        """
        UPDATE report_exports SET state = 'failed', fault = :fault, run_id = NULL, held_until = NULL, expires_at = :now
        WHERE id = :id AND state = 'making'
        """,
        id=export_id,
        fault=fault,
        now=now,
    )


def fail_old(tx: Tx, before: datetime, fault: str, now: datetime) -> int:
    """Give up reports that were asked for before a time and are not made yet; returns how many."""
    return tx.run(
        """
        UPDATE report_exports SET state = 'failed', fault = :fault, run_id = NULL, held_until = NULL, expires_at = :now
        WHERE state = 'making' AND asked_at < :before
        """,
        before=before,
        fault=fault,
        now=now,
    )


def expire(tx: Tx, now: datetime) -> int:
    """Show the files no more whose time is over; returns how many."""
    return tx.run(
        "UPDATE report_exports SET state = 'expired', run_id = NULL WHERE state = 'ready' AND expires_at <= :now",
        now=now,
    )


def unused_files(tx: Tx, before: datetime, limit: int) -> list[BegunFile]:
    """Files that were begun before a time and are not shown, the oldest first."""
    return tx.all(
        BegunFile,
        """
        SELECT f.run_id, f.export_id FROM report_files f JOIN report_exports e ON e.id = f.export_id
        WHERE f.begun_at < :before AND (e.state <> 'ready' OR e.run_id <> f.run_id)
        ORDER BY f.begun_at LIMIT :limit
        """,
        before=before,
        limit=limit,
    )


def forget_file(tx: Tx, run_id: UUID) -> None:
    """Forget a file that is deleted."""
    tx.run("DELETE FROM report_files WHERE run_id = :run_id", run_id=run_id)
