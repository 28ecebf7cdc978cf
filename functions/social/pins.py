"""Members read what is pinned in a channel that they see, as it was when an admin pinned it."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from functions.social import media, message_store, pin_store, reading
from functions.social.message_store import Person
from functions.social.models import ChatAuthor, ChatPin, ChatPins
from functions.social.pin_store import Pin
from shared.auth import Member
from shared.db import Tx


def pins(tx: Tx, member: Member, channel_id: UUID, now: datetime) -> ChatPins:
    """Return the pins of a channel that the member sees. Raises BannedFromChat, NotFound."""
    channel = reading.visible(tx, member, channel_id)
    found = pin_store.pins(tx, channel.id, now)
    people = message_store.people(tx, {pin.member_id for pin in found if pin.member_id})
    return ChatPins(pins=[_shown(pin, people) for pin in found], pins_revision=pin_store.revision(tx, channel.id))


def _shown(pin: Pin, people: Mapping[UUID, Person]) -> ChatPin:
    author = None
    if pin.member_id and pin.tier:
        person = people[pin.member_id]
        author = ChatAuthor(member_id=person.id, username=person.username, avatar_url=person.avatar_url, tier=pin.tier)
    return ChatPin(
        message_id=pin.message_id,
        number=pin.number,
        author=author,
        text=pin.text,
        language=pin.language,
        media=media.shown(pin.media_type, pin.media_id),
        posted_at=pin.posted_at,
        pinned_at=pin.pinned_at,
        expires_at=pin.expires_at,
    )
