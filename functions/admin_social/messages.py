"""Operations on messages of the chat: removing them."""

from datetime import datetime
from uuid import UUID, uuid4

from functions.admin_social import message_store
from functions.admin_social.common import Support, api
from functions.admin_social.message_store import Message
from functions.admin_social.models import RemovalQuery
from shared.db import Tx
from shared.messages import notifications
from shared.social import heads, sanctions
from shared.social.sanctions import Sanction, SanctionKind
from shared.values.problems import NotFound
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client


@api.delete("/v1/admin/social/messages/{message_id}", status=204)
def delete_chat_message(
    tx: Tx, admin: Support, message_id: UUID, query: RemovalQuery, client: Client, now: datetime
) -> None:
    """Remove a message. Its author is told why, and how to appeal. Harmless twice."""
    message = message_store.locked(tx, message_id)
    if message is None:
        raise NotFound
    if message.removed_at:
        return
    take_down(tx, message, now)
    if message.member_id:
        given = Sanction(
            uuid4(), message.member_id, SanctionKind.REMOVAL, query.reason, given_by=admin.id, message_id=message.id
        )
        sanctions.give(tx, given, now)
    action = Action("chat_message.remove", "chat_message", message.id, {"reason": query.reason})
    audit.record(tx, admin, client, action, now)
    heads.note_one(tx, "removed", message, now)


def take_down(tx: Tx, message: Message, now: datetime) -> None:
    """Remove a message that is locked, and take back what members were told of it. The caller notes it in the channel,
    as the last thing that it does.
    """
    message_store.remove(tx, message, now)
    notifications.retract(tx, heads.notification_key(message.id), now)
