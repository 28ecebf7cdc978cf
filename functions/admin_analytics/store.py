"""Reports that admins have asked for, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.reports.filters import ReportKind
from shared.values.states import ReportState


@dataclass(frozen=True)
class Report:
    """A report that was asked for; `sha256` in hexadecimal digits."""

    id: UUID
    kind: ReportKind
    state: ReportState
    asked_at: datetime
    run_id: UUID | None
    read_from: datetime | None
    read_until: datetime | None
    rows: int | None
    bytes: int | None
    sha256: str | None
    expires_at: datetime | None
    fault: str | None


def insert(
    tx: Tx, export_id: UUID, kind: ReportKind, filters: dict[str, object], *, reason: str, admin_id: UUID, now: datetime
) -> None:
    """Insert a report that is to be made."""
    tx.run(
        """
        INSERT INTO report_exports (id, kind, filters, reason, asked_by, asked_at)
        VALUES (:id, :kind, :filters, :reason, :admin_id, :now)
        """,
        id=export_id,
        kind=kind,
        filters=filters,
        reason=reason,
        admin_id=admin_id,
        now=now,
    )


def find(tx: Tx, export_id: UUID, kind: ReportKind, admin_id: UUID) -> Report | None:
    """The report of that kind that the admin has asked for; None if there is none."""
    return tx.first(
        Report,
        """
        SELECT id, kind, state, asked_at, run_id, read_from, read_until, rows, bytes, encode(sha256, 'hex') AS sha256,
               expires_at, fault
        FROM report_exports WHERE id = :id AND kind = :kind AND asked_by = :admin_id
        """,
        id=export_id,
        kind=kind,
        admin_id=admin_id,
    )
