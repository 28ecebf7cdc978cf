"""Mails to be sent: recorded in the transaction that causes them, sent by email_send after the commit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from shared import events
from shared.db import Tx
from shared.events import MailQueued

# Mail templates that members can switch off, by the notification type of that switch; all others are always sent.
OPTIONAL: Mapping[str, str] = {
    "comp_awarded": "comp",
    "comp_paid": "comp",
    "affiliate_paid": "comp",
    "withdrawal_confirmed": "comp",
    "withdrawal_reverted": "comp",
    "withdrawal_replaced": "comp",
    "withdrawal_lapsed": "comp",
    "order_shipped": "order",
    "order_delivered": "order",
}


@dataclass(frozen=True)
class Letter:
    """A mail by template, in the member's language. Two letters of one `dedupe_key` are sent once.

    `parameters` are values as `wording` stores them (amounts as text with exact decimals, times as ISO 8601);
    they are erased once it is sent.
    """

    to_email: str
    to_name: str
    template: str
    parameters: Mapping[str, str]
    dedupe_key: str
    member_id: UUID | None = None


def queue(tx: Tx, letter: Letter, now: datetime) -> None:
    """Have the mail sent; does nothing if its key was queued before, or the member has switched such mails off."""
    identity = uuid4()
    if tx.run(
        """
        INSERT INTO mails (id, dedupe_key, member_id, to_email, to_name, template, parameters, language, queued_at)
        SELECT :id, :dedupe_key, :member_id, :to_email, :to_name, :template, :parameters,
               coalesce((SELECT language FROM members WHERE id = :member_id), 'en'), :now
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
