"""Where images of the chat are stored: in the public bucket, under names that nobody can guess; and what messages show.

A message names a GIF, an emote or an image by its id; the address is made here.
"""

from datetime import timedelta
from uuid import UUID

from shared.members import avatars
from shared.social import media
from shared.social.media import Media, NotMedia

IMAGE = "image"
CACHE_CONTROL = "public, max-age=3600, immutable"  # one that is removed may be seen for an hour more
UNUSED_LIFE = timedelta(days=1)  # for which an image may be posted
LIFE = timedelta(days=97)  # its message is hidden after 90 days, and dropped with its week


def object_name(image_id: UUID) -> str:
    """The image's name in the storage."""
    return f"social/{image_id}"


def image_id(given: str) -> UUID:
    """The id of an image, as a member gives it. Raises NotMedia for what is none."""
    try:
        return UUID(given)
    except ValueError:
        raise NotMedia("must be the id of an image of yours") from None


def address(kind: str, identity: str) -> str:
    """The address where clients find what a message shows. Raises NotMedia for what is no id of this kind."""
    if kind == IMAGE:
        return avatars.url(object_name(image_id(identity)))
    return media.address(Media(kind), identity)
