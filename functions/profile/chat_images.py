"""Images for the chat: taken as profile pictures are, and shown once, in a message of their member's."""

from datetime import datetime
from uuid import UUID, uuid4

from functions.profile import chat_image_store, images, rules, store
from functions.profile.images import Rendition
from shared import events
from shared.auth import Claims
from shared.db import Tx
from shared.social import images as places
from shared.social import standings
from shared.social.events import PublishChatImage
from shared.social.refusals import BannedFromChat
from shared.values import retry_after
from shared.values.fields import Reply
from shared.values.problems import NotFound
from shared.values.states import ImageStatus
from shared.web import forms
from shared.web.http import Upload
from shared.web.quotas import Limit, Quota

REFUSALS = (BannedFromChat, rules.TooManyImages)


class ChatImage(Reply):
    """An image for a message: it can be posted once while it is `live`. `url` is null until then, and after it went."""

    id: UUID
    status: ImageStatus
    url: str | None


def limit(claims: Claims) -> Limit:
    """Limit uploads, as those of profile pictures."""
    return Limit([Quota(f"images of {claims.member_id}", rules.PICTURES_TRIED_PER_HOUR)], rules.TooManyImages)


def decode(upload: Upload) -> Rendition:
    """Decode the image before the transaction, so that none is open meanwhile."""
    return images.rendition(forms.file_of(upload, "picture", images.FILE_BYTES_MAX))


def take(tx: Tx, member_id: UUID, image: Rendition, now: datetime) -> ChatImage:
    """Take an image, which waits to be checked. Raises BannedFromChat, TooManyImages."""
    if standings.is_banned(tx, member_id):
        raise BannedFromChat
    store.lock(tx, member_id)
    recent = chat_image_store.uploads_since(tx, member_id, now - retry_after.HOUR)
    if len(recent) >= rules.UPLOADS_PER_HOUR:
        free_at = recent[-rules.UPLOADS_PER_HOUR] + retry_after.HOUR
        raise rules.TooManyImages(headers=retry_after.until(free_at, now))
    identity = uuid4()
    chat_image_store.insert(tx, identity, member_id, image, now)
    events.enqueue(tx, now, PublishChatImage(image_id=identity), name=f"chat-image-{identity}")
    return _shown(identity, ImageStatus.WAITING)


def show(tx: Tx, member_id: UUID, image_id: UUID) -> ChatImage:
    """An image of the member's. Raises NotFound."""
    status = chat_image_store.status(tx, member_id, image_id)
    if status is None:
        raise NotFound
    return _shown(image_id, ImageStatus(status))


def _shown(image_id: UUID, status: ImageStatus) -> ChatImage:
    url = places.address(places.IMAGE, str(image_id)) if status is ImageStatus.LIVE else None
    return ChatImage(id=image_id, status=status, url=url)
