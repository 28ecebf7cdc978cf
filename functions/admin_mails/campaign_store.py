"""Campaigns as admins see and change them, as rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Reply
from shared.values.states import CampaignState
from shared.web.paging import Position


class Campaign(Reply):
    """A campaign. `progress` goes from 0 to 1 through the members; `queued` counts the mails so far, `skipped_…` the
    members who get none because they have unsubscribed, or because their address is suppressed. `pause_reason` is
    people, restored, late or approval. `is_of_this_database` is false once the database was restored.
    """

    id: UUID
    name: str
    version_id: UUID
    segment: dict[str, Any]
    state: str
    state_at: datetime
    pause_reason: str | None
    created_by: UUID
    created_at: datetime
    approved_by: UUID | None
    approved_at: datetime | None
    starts_at: datetime | None
    done_number: int
    last_number: int | None
    progress: float
    queued: int
    skipped_unsubscribed: int
    skipped_suppressed: int
    is_of_this_database: bool


@dataclass(frozen=True)
class Held:
    """A campaign that is about to be changed, locked."""

    id: UUID
    state: CampaignState
    pause_reason: str | None
    segment: dict[str, Any]
    created_by: UUID
    is_approved: bool
    is_of_this_database: bool
    done_number: int
    last_number: int | None


def insert(
    tx: Tx, campaign_id: UUID, name: str, version_id: UUID, segment: dict[str, object], *, admin_id: UUID, now: datetime
) -> None:
    """Make a draft. Raises ConstraintViolated (campaigns_version_id_fkey) when there is no such version."""
    tx.run(
        """
        INSERT INTO campaigns (id, name, version_id, segment, state_at, created_by, created_at)
        VALUES (:id, :name, :version_id, :segment, :now, :admin_id, :now)
        """,
        id=campaign_id,
        name=name,
        version_id=version_id,
        segment=segment,
        admin_id=admin_id,
        now=now,
    )


def replaces_a_mail(tx: Tx, version_id: UUID) -> bool:
    """True if the version is made to replace a mail of the code."""
    return tx.scalar(
        bool,
        """
        SELECT EXISTS (SELECT FROM mail_template_versions v JOIN mail_templates t ON t.id = v.template_id
                       WHERE v.id = :version_id AND t.kind = 'transactional') AS replaces
        """,
        version_id=version_id,
    )


def find(tx: Tx, campaign_id: UUID) -> Campaign | None:
    """The campaign with this id, if there is one."""
    return tx.first(
        Campaign,
        """
        SELECT id, name, version_id, segment, state, state_at, pause_reason, created_by, created_at, approved_by,
               approved_at, starts_at, done_number, last_number,
               CAST(done_number AS double precision) / coalesce(last_number, 1) AS progress, queued,
               skipped_unsubscribed, skipped_suppressed,
               coalesce(lineage = database_lineage(), true) AS is_of_this_database
        FROM campaigns WHERE id = :id
        """,
        id=campaign_id,
    )


def page(tx: Tx, after: Position | None, limit: int) -> list[Campaign]:
    """Campaigns after a position, newest first."""
    return tx.all(
        Campaign,
        """
        SELECT id, name, version_id, segment, state, state_at, pause_reason, created_by, created_at, approved_by,
               approved_at, starts_at, done_number, last_number,
               CAST(done_number AS double precision) / coalesce(last_number, 1) AS progress, queued,
               skipped_unsubscribed, skipped_suppressed,
               coalesce(lineage = database_lineage(), true) AS is_of_this_database
        FROM campaigns
        WHERE CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:id AS uuid))
        ORDER BY created_at DESC, id DESC LIMIT :limit
        """,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def lock(tx: Tx, campaign_id: UUID) -> Held | None:
    """The campaign, locked: no task of it and no other admin changes it meanwhile."""
    return tx.first(
        Held,
        """
        SELECT id, state, pause_reason, segment, created_by, approved_by IS NOT NULL AS is_approved,
               coalesce(lineage = database_lineage(), true) AS is_of_this_database, done_number, last_number
        FROM campaigns WHERE id = :id FOR UPDATE
        """,
        id=campaign_id,
    )


def approve(tx: Tx, campaign_id: UUID, admin_id: UUID, now: datetime) -> None:
    """Record the approval. A draft becomes approved; a campaign that waits for it stays paused."""
    tx.run(
        """
        UPDATE campaigns SET approved_by = :admin_id, approved_at = :now,
               state = CASE WHEN state = 'draft' THEN 'approved' ELSE state END,
               state_at = CASE WHEN state = 'draft' THEN :now ELSE state_at END
        WHERE id = :id
        """,
        id=campaign_id,
        admin_id=admin_id,
        now=now,
    )


def start(tx: Tx, campaign_id: UUID, starts_at: datetime, now: datetime) -> None:
    """Have the campaign begin then, for all members up to the newest one."""
    tx.run(
        """
        UPDATE campaigns SET state = 'sending', state_at = :now, starts_at = :starts_at, asked_at = :starts_at,
               last_number = (SELECT max(number) FROM members), lineage = database_lineage()
        WHERE id = :id
        """,
        id=campaign_id,
        starts_at=starts_at,
        now=now,
    )


def resume(tx: Tx, campaign_id: UUID, done_number: int, now: datetime) -> None:
    """Have the campaign go on after a member's number, in this database."""
    tx.run(
        """
        UPDATE campaigns SET state = 'sending', pause_reason = NULL, state_at = :now, starts_at = :now, asked_at = :now,
               done_number = :done_number, lineage = database_lineage()
        WHERE id = :id
        """,
        id=campaign_id,
        done_number=done_number,
        now=now,
    )


def pause(tx: Tx, campaign_id: UUID, now: datetime) -> None:
    """Have the campaign wait until people resume it."""
    tx.run(
        "UPDATE campaigns SET state = 'paused', pause_reason = 'people', state_at = :now WHERE id = :id",
        id=campaign_id,
        now=now,
    )


def cancel(tx: Tx, campaign_id: UUID, now: datetime) -> None:
    """End the campaign; mails that are not sent yet are not sent (functions/email_send)."""
    tx.run(
        "UPDATE campaigns SET state = 'cancelled', pause_reason = NULL, state_at = :now WHERE id = :id",
        id=campaign_id,
        now=now,
    )
