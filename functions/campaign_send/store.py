"""Campaigns on their way through the members, as rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from functions.campaign_send.rules import PauseReason
from shared.db import Tx
from shared.values.states import CampaignState

NUMBERS_AT_ONCE = 500


@dataclass(frozen=True)
class Campaign:
    """A campaign that was started; `is_of_this_database` is false after a restore, until people resume it."""

    id: UUID
    version_id: UUID
    language: str
    segment: dict[str, Any]
    state: CampaignState
    starts_at: datetime
    last_number: int
    done_number: int
    queued: int
    is_approved: bool
    is_of_this_database: bool


@dataclass(frozen=True)
class Asked:
    """A campaign whose task was lost, and where it goes on."""

    id: UUID
    done_number: int


def lock(tx: Tx, campaign_id: UUID) -> Campaign | None:
    """The campaign, locked, so that one task at a time takes it further; None if it was never started."""
    return tx.first(
        Campaign,
        """
        SELECT c.id, c.version_id, t.language, c.segment, c.state, c.starts_at, c.last_number, c.done_number, c.queued,
               c.approved_by IS NOT NULL AS is_approved, c.lineage = database_lineage() AS is_of_this_database
        FROM campaigns c
        JOIN mail_template_versions v ON v.id = c.version_id
        JOIN mail_templates t ON t.id = v.template_id
        WHERE c.id = :id AND c.starts_at IS NOT NULL FOR UPDATE OF c
        """,
        id=campaign_id,
    )


def pause(tx: Tx, campaign_id: UUID, reason: PauseReason, now: datetime) -> None:
    """Have the campaign wait for a person."""
    tx.run(
        "UPDATE campaigns SET state = 'paused', pause_reason = :reason, state_at = :now WHERE id = :id",
        id=campaign_id,
        reason=reason,
        now=now,
    )


def advance(
    tx: Tx, campaign_id: UUID, done_number: int, *, queued: int, unsubscribed: int, suppressed: int, now: datetime
) -> None:
    """Record a window of members; with the last number the campaign is done."""
    tx.run_later(
        """
        UPDATE campaigns SET done_number = :done_number, queued = queued + :queued, asked_at = :now,
               skipped_unsubscribed = skipped_unsubscribed + :unsubscribed,
               skipped_suppressed = skipped_suppressed + :suppressed,
               state = CASE WHEN :done_number = last_number THEN 'done' ELSE state END,
               state_at = CASE WHEN :done_number = last_number THEN :now ELSE state_at END
        WHERE id = :id
        """,
        id=campaign_id,
        done_number=done_number,
        queued=queued,
        unsubscribed=unsubscribed,
        suppressed=suppressed,
        now=now,
    )


def ask_again(tx: Tx, now: datetime, before: datetime, limit: int) -> list[Asked]:
    """Campaigns that have not moved since `before`, longest first. None is returned again until as long has passed."""
    return tx.all(
        Asked,
        """
        UPDATE campaigns SET asked_at = :now WHERE id IN (
            SELECT id FROM campaigns WHERE state = 'sending' AND asked_at <= :before
            ORDER BY asked_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        RETURNING id, done_number
        """,
        now=now,
        before=before,
        limit=limit,
    )
