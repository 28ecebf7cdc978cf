"""Shows the pictures of messages by the ids that members choose (shared/social/images.py)."""

from functions.social.models import ChatMedia
from shared.social import images

NONE = "none"


def shown(kind: str, identity: str | None) -> ChatMedia | None:
    """A message's picture; None if it has none."""
    if identity is None:
        return None
    return ChatMedia(type=kind, id=identity, url=images.address(kind, identity))
