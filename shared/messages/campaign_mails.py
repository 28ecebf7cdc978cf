"""Queues mails of a version, for members: those of a campaign, or a test mail for its author. email_send sends them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from shared import events
from shared.db import Tx
from shared.events import MailQueued
from shared.messages.segments import SegmentMember

TEMPLATE = "written"  # the name under which email_send finds the text in the mail's version


@dataclass(frozen=True)
class WrittenVersion:
    """The version to send, the campaign that it belongs to, and its language."""

    id: UUID
    language: str
    campaign_id: UUID | None = None


def parameters(member: SegmentMember) -> dict[str, str | int]:
    """The values of the variables for a member, as they are stored with the mail until it is sent."""
    return {
        "name": member.full_name,
        "username": member.username,
        "tier": member.tier.value,
        "scans": member.scans,
    }


def queue(
    tx: Tx,
    version: WrittenVersion,
    members: Sequence[SegmentMember],
    occasion: UUID,
    now: datetime,
    *,
    values: Mapping[str, str | int] | None = None,
) -> int:
    """Queue a mail for each member; returns how many are new. A member gets one mail of an occasion: the campaign's id,
    or the test's. Its id follows from both, so that the provider too takes it for one mail. `values` are shown instead
    of each member's own.
    """
    made = tx.column(
        UUID,
        """
        INSERT INTO mails (id, dedupe_key, member_id, to_email, to_name, template, parameters, language, queued_at,
                           version_id, campaign_id, lineage)
        SELECT given.id, key, member_id, email, name, :template, parameters, :language, :now, :version_id,
               :campaign_id, database_lineage()
        FROM unnest(CAST(:ids AS uuid[]), CAST(:keys AS text[]), CAST(:member_ids AS uuid[]), CAST(:emails AS text[]),
                    CAST(:names AS text[]), CAST(:parameters AS jsonb[]))
             AS given (id, key, member_id, email, name, parameters)
        ON CONFLICT (dedupe_key) DO NOTHING
        RETURNING id
        """,
        ids=[uuid5(occasion, str(member.id)) for member in members],
        keys=[f"written:{occasion}:{member.id}" for member in members],
        member_ids=[member.id for member in members],
        emails=[member.email for member in members],
        names=[member.full_name for member in members],
        parameters=[json.dumps(dict(values or parameters(member))) for member in members],
        template=TEMPLATE,
        language=version.language,
        version_id=version.id,
        campaign_id=version.campaign_id,
        now=now,
    )
    events.emit(tx, now, *(MailQueued(mail_id=identity) for identity in made))
    return len(made)
