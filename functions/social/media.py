"""Addresses of pictures, made of the ids that members choose. Nothing that a member names is fetched. Pure."""

from collections.abc import Mapping

from functions.social.models import ChatMedia

NONE = "none"
ADDRESSES: Mapping[str, str] = {
    "gif": "https://media.giphy.com/media/{id}/giphy.gif",
    "emote": "https://cdn.7tv.app/emote/{id}/2x.webp",
}


def shown(kind: str, identity: str | None) -> ChatMedia | None:
    """A message's picture; None if it has none."""
    if identity is None:
        return None
    return ChatMedia(type=kind, id=identity, url=ADDRESSES[kind].format(id=identity))
