"""Mails to be sent: recorded with what causes them, sent by email_send after commit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from shared import events
from shared.db import Tx
from shared.events import MailQueued

# What members may do without, by the type of notification that they have said so of; everything else is always sent.
OPTIONAL: Mapping[str, str] = {
    "comp_awarded": "comp",
    "comp_paid": "comp",
    "payout_paid": "comp",
    "withdrawal_ended": "comp",
    "order_confirmed": "order",
    "order_shipped": "order",
}


@dataclass(frozen=True)
class Letter:
    """A mail by template. Two of one `dedupe_key` are one; `parameters` are erased once it is sent."""

    to_email: str
    to_name: str
    template: str
    parameters: Mapping[str, str]
    dedupe_key: str
    member_id: UUID | None = None


def queue(tx: Tx, letter: Letter, now: datetime) -> None:
    """Have the mail sent; nothing when one of its key was queued before, or the member does not want such mails."""
    identity = uuid4()
    if tx.run(
        """
        INSERT INTO mails (id, dedupe_key, member_id, to_email, to_name, template, parameters, queued_at)
        SELECT :id, :dedupe_key, :member_id, :to_email, :to_name, :template, :parameters, :now
        WHERE NOT EXISTS (SELECT FROM notification_preferences
                          WHERE member_id = :member_id AND type = :optional AND NOT email)
        ON CONFLICT (dedupe_key) DO NOTHING
        """,
        id=identity,
        dedupe_key=letter.dedupe_key,
        member_id=letter.member_id,
        to_email=letter.to_email,
        to_name=letter.to_name,
        template=letter.template,
        parameters=dict(letter.parameters),
        optional=OPTIONAL.get(letter.template),
        now=now,
    ):
        events.emit(tx, now, MailQueued(mail_id=identity))
