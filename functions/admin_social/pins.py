"""Operations on pins: what stays at the top of a channel, until a time or until somebody takes it down."""

from datetime import datetime, timedelta
from uuid import UUID

from functions.admin_social import message_store, pin_store, rules
from functions.admin_social.common import Support, api
from functions.admin_social.models import AdminChatPin, ChatPinDraft
from shared.db import Tx
from shared.social import heads
from shared.values.encoding import moment
from shared.values.problems import NotFound, NotValid
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client

LIFE_MAX = timedelta(days=366)


@api.post("/v1/admin/social/messages/{message_id}/pin", problems=(rules.TooManyPins,))
def pin_chat_message(
    tx: Tx, admin: Support, message_id: UUID, body: ChatPinDraft, client: Client, now: datetime
) -> AdminChatPin:
    """Pin a message as it is now, until a time or until it is unpinned. A pinned one gets another end."""
    if body.until and not now < body.until <= now + LIFE_MAX:
        raise NotValid(errors=[{"field": "/until", "message": "must be within the next year"}])
    message = message_store.locked(tx, message_id)
    if message is None or message.removed_at:
        raise NotFound
    was_pinned = pin_store.set_end(tx, message_id, body.until)
    first_number = pin_store.lock_channel(tx, message.channel_id)
    if first_number is None or message.number < first_number:
        raise NotFound
    if not was_pinned:
        if pin_store.count(tx, message.channel_id) >= rules.PINS_MAX:
            raise rules.TooManyPins
        pin_store.insert(tx, message, body.until, admin_id=admin.id, now=now)
    changes = {"channel_id": str(message.channel_id), "until": moment(body.until) if body.until else None}
    audit.record(tx, admin, client, Action("chat_message.pin", "chat_message", message_id, changes), now)
    heads.note_one(tx, "pinned", message, now)
    return pin_store.shown(tx, message_id)


@api.delete("/v1/admin/social/messages/{message_id}/pin", status=204)
def unpin_chat_message(tx: Tx, admin: Support, message_id: UUID, client: Client, now: datetime) -> None:
    """Take a pin down."""
    pin = pin_store.remove(tx, message_id)
    if pin is None:
        raise NotFound
    changes = {"channel_id": str(pin.channel_id)}
    audit.record(tx, admin, client, Action("chat_message.unpin", "chat_message", message_id, changes), now)
    heads.note_one(tx, "unpinned", pin, now)
