"""Flagged scans and their comps, as rows."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from functions.admin_scans.rules import Flagged
from shared.db import Tx
from shared.values.money import Usdt
from shared.values.tiers import Tier
from shared.web.paging import Position


@dataclass(frozen=True)
class Row:
    """A flagged scan as admins see it."""

    scan_id: UUID
    scan_number: int
    scanned_at: datetime
    member_uuid: UUID
    member_number: int
    username: str
    permanent_tier: Tier
    quarter_tier: Tier
    product_name: str
    method: str
    latitude: float | None
    longitude: float | None
    device_id: str | None
    ip_address: str | None
    flags: list[str]
    details: dict[str, Any]
    status: str
    flagged_at: datetime
    decided_at: datetime | None
    decided_by: UUID | None
    note: str | None
    usdt_earned: Usdt


@dataclass(frozen=True)
class Comp:
    """A comp that the scan won."""

    id: UUID
    scan_id: UUID
    type: str
    amount: Usdt
    status: str


@dataclass(frozen=True)
class Filter:
    """Conditions for flagged scans; None means no condition."""

    status: str | None
    flag: str | None
    member_id: UUID | None
    scan_id: UUID | None = None


def flagged(tx: Tx, wanted: Filter, quarter: str, after: Position | None, limit: int) -> list[Row]:
    """Flagged scans after a position, newest first."""
    return tx.all(
        Row,
        """
        SELECT f.scan_id, f.scan_number, f.scanned_at, m.id AS member_uuid, m.number AS member_number, m.username,
               m.permanent_tier, coalesce(q.tier, 'standard') AS quarter_tier, p.name AS product_name, s.method,
               s.latitude, s.longitude, s.device_id, host(s.ip_address) AS ip_address, f.flags, f.details, f.status,
               f.flagged_at, f.decided_at, f.decided_by, f.note, s.usdt_earned
        FROM flagged_scans f
        JOIN scans s ON s.scanned_at = f.scanned_at AND s.id = f.scan_id
        JOIN members m ON m.id = f.member_id
        JOIN products p ON p.sku = s.product_sku
        LEFT JOIN member_quarters q ON q.member_id = f.member_id AND q.quarter = :quarter
        WHERE (CAST(:status AS text) IS NULL OR f.status = :status)
          AND (CAST(:flag AS text) IS NULL OR :flag = ANY(f.flags))
          AND (CAST(:member_id AS uuid) IS NULL OR f.member_id = :member_id)
          AND (CAST(:scan_id AS uuid) IS NULL OR f.scan_id = :scan_id)
          AND (CAST(:at AS timestamptz) IS NULL OR (f.flagged_at, f.scan_id) < (:at, CAST(:id AS uuid)))
        ORDER BY f.flagged_at DESC, f.scan_id DESC LIMIT :limit
        """,
        **vars(wanted),
        quarter=quarter,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def comps(tx: Tx, scans: Collection[UUID]) -> dict[UUID, list[Comp]]:
    """The comps that these scans won, by scan."""
    rows = tx.all(
        Comp,
        """
        SELECT id, scan_id, type, amount, status FROM comps
        WHERE scan_number IN (SELECT scan_number FROM flagged_scans WHERE scan_id = ANY(CAST(:scans AS uuid[])))
        ORDER BY scan_number, type
        """,
        scans=list(scans),
    )
    found: dict[UUID, list[Comp]] = {}
    for row in rows:
        found.setdefault(row.scan_id, []).append(row)
    return found


def lock(tx: Tx, scans: Collection[UUID], admin_id: UUID) -> list[Flagged]:
    """Lock those of the scans that are flagged and return them."""
    return tx.all(
        Flagged,
        """
        SELECT f.scan_id, f.member_id, profits_from_member(:admin_id, f.member_id) AS is_own, f.status
        FROM flagged_scans f
        WHERE f.scan_id = ANY(CAST(:scans AS uuid[])) ORDER BY f.scan_id FOR NO KEY UPDATE OF f
        """,
        scans=list(scans),
        admin_id=admin_id,
    )


def decide(tx: Tx, scan_id: UUID, status: str, admin_id: UUID, note: str, now: datetime) -> None:
    """Store the decision, which is final."""
    tx.run_later(
        """
        UPDATE flagged_scans SET status = :status, decided_by = :admin_id, decided_at = :now, note = :note
        WHERE scan_id = :scan_id
        """,
        scan_id=scan_id,
        status=status,
        admin_id=admin_id,
        note=note,
        now=now,
    )
