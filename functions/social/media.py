"""Pictures of messages, shown by the ids that members choose (shared/social/media.py). Pure."""

from functions.social.models import ChatMedia
from shared.social import media
from shared.social.media import Media

NONE = "none"


def shown(kind: str, identity: str | None) -> ChatMedia | None:
    """A message's picture; None if it has none."""
    if identity is None:
        return None
    return ChatMedia(type=kind, id=identity, url=media.address(Media(kind), identity))
