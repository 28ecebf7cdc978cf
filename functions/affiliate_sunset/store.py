"""The program of affiliates, the volume, and locked shares as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.affiliate_sunset.rules import Days
from shared.db import Tx
from shared.values.programs import Program


@dataclass(frozen=True)
class Watcher:
    """An admin who is told how near the end of the program is."""

    id: UUID
    email: str
    full_name: str


def lock(tx: Tx) -> Program | None:
    """The program, locked; None if another run has it."""
    return tx.first(
        Program,
        """
        SELECT state, step, full_on, full_days, sunset_at, weights FROM affiliate_program WHERE only_row
        FOR NO KEY UPDATE SKIP LOCKED
        """,
    )


def note_steps(tx: Tx, step: int, volume: int, now: datetime) -> list[int]:
    """Note the steps up to this one that nobody was told of yet, and are above all that were; returns them in order."""
    noted = tx.column(
        int,
        """
        INSERT INTO sunset_notices (step, volume, told_at)
        SELECT step, :volume, :now
        FROM generate_series((SELECT coalesce(max(step), 0) + 1 FROM sunset_notices), CAST(:step AS integer)) AS step
        RETURNING step
        """,
        step=step,
        volume=volume,
        now=now,
    )
    return sorted(noted)


def note_check(tx: Tx, step: int, days: Days, now: datetime) -> None:
    """Note the step that was judged, and the days."""
    tx.run(
        """
        UPDATE affiliate_program SET step = :step, full_on = :full_on, full_days = :full_days, checked_at = :now
        WHERE only_row
        """,
        step=step,
        full_on=days.full_on,
        full_days=days.full_days,
        now=now,
    )


def lock_shares(tx: Tx, now: datetime) -> int:
    """Lock the shares of all affiliates: the chips that each has had in all. Returns their sum."""
    return tx.scalar(
        int,
        """
        WITH locked AS (
            INSERT INTO locked_shares (affiliate_id, weight)
            SELECT affiliate_id, chips FROM lifetime_chips(:now) JOIN members ON members.id = affiliate_id
            WHERE members.status <> 'deleted'
            RETURNING weight
        )
        SELECT CAST(coalesce(sum(weight), 0) AS bigint) AS weights FROM locked
        """,
        now=now,
    )


def close(tx: Tx, weights: int, now: datetime) -> None:
    """Close the program; its shares are locked."""
    tx.run(
        "UPDATE affiliate_program SET state = 'sunset', sunset_at = :now, weights = :weights WHERE only_row",
        weights=weights,
        now=now,
    )


def watchers(tx: Tx) -> list[Watcher]:
    """The owners and treasury admins, by number."""
    return tx.all(
        Watcher,
        """
        SELECT id, email, full_name FROM members WHERE role IN ('owner', 'treasury') AND status = 'active'
        ORDER BY number
        """,
    )
