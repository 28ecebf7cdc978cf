"""Tells members who are named in a message, or whom it answers, after its check: no phone rings for what is removed."""

from datetime import datetime
from uuid import UUID

from functions.social_check import recipient_store
from functions.social_check.store import Waiting
from shared.db import Tx
from shared.messages import notifications
from shared.social import heads
from shared.values import tiers


def tell(tx: Tx, message: Waiting, now: datetime) -> None:
    """Notify those who see the channel and have not blocked the author; after an edit only those whom it names anew."""
    answered = recipient_store.author(tx, message.channel_id, message.reply_to) if message.reply_to else None
    wanted = {UUID(mention["member_id"]) for mention in message.mentions} | ({answered} if answered else set())
    wanted.discard(message.member_id)
    if not wanted:
        return
    data = {"message_id": str(message.id), "channel_id": str(message.channel_id), "number": message.number}
    notes = [
        notifications.note(
            recipient.id,
            "chat_replied" if recipient.id == answered else "chat_mentioned",
            data,
            heads.notification_key(message.id),
            channel=recipient.channel,
        )
        for recipient in recipient_store.recipients(tx, message, wanted, tiers.quarter_of(now))
    ]
    notifications.notify_many(tx, notes, now)
