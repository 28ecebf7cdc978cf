"""Operations on channels: making, changing and archiving them."""

from datetime import datetime
from uuid import UUID, uuid4

from functions.admin_social import channel_store, rules
from functions.admin_social.common import Operations, api
from functions.admin_social.models import AdminChatChannel, AdminChatChannels, ChatChannelDraft, ChatChannelEdit
from shared import events
from shared.db import Tx
from shared.social.events import ChannelChanged
from shared.values.problems import NotFound
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client, IfMatch


@api.get("/v1/admin/social/channels")
def list_admin_chat_channels(tx: Tx, admin: Operations) -> AdminChatChannels:
    """Return all channels, archived ones too, in the order to be shown."""
    return AdminChatChannels(channels=channel_store.channels(tx, rules.CHANNELS_MAX))


@api.post("/v1/admin/social/channels", status=201, problems=(rules.ChannelExists, rules.TooManyChannels))
def create_chat_channel(
    tx: Tx, admin: Operations, body: ChatChannelDraft, client: Client, now: datetime
) -> AdminChatChannel:
    """Make a channel. A higher tier may never do less in it than a lower one."""
    rules.check_access(body.access)
    if channel_store.count(tx) >= rules.CHANNELS_MAX:
        raise rules.TooManyChannels
    identity = uuid4()
    if not channel_store.insert(tx, identity, body, now):
        raise rules.ChannelExists
    changes = body.model_dump(mode="json")
    audit.record(tx, admin, client, Action("chat_channel.create", "chat_channel", identity, changes), now)
    events.emit(tx, now, ChannelChanged(channel_id=identity))
    return _channel(tx, identity)


@api.put("/v1/admin/social/channels/{channel_id}")
def change_chat_channel(
    tx: Tx, admin: Operations, channel_id: UUID, body: ChatChannelEdit, version: IfMatch, client: Client, now: datetime
) -> AdminChatChannel:
    """Change the version of a channel that was read, archive it, or bring it back. Listeners of a tier that sees it no
    more get none of its later pages.
    """
    rules.check_access(body.access)
    channel_store.lock(tx, channel_id)
    before = _channel(tx, channel_id)
    version.check(before.revision)
    channel_store.change(tx, channel_id, body, now)
    after = _channel(tx, channel_id)
    changes = {"before": before.model_dump(mode="json"), "after": after.model_dump(mode="json")}
    audit.record(tx, admin, client, Action("chat_channel.change", "chat_channel", channel_id, changes), now)
    events.emit(tx, now, ChannelChanged(channel_id=channel_id))
    return after


def _channel(tx: Tx, channel_id: UUID) -> AdminChatChannel:
    """The channel. Raises NotFound."""
    found = channel_store.channel(tx, channel_id)
    if found is None:
        raise NotFound
    return found
