"""Pure: GIFs and emotes are named by their id at the service that shows them; the address is made here.

A member never names an address, so nothing that a member names is ever fetched. An id has the letters and digits of its
service and nothing else: no sign that means something in an address.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Media(StrEnum):
    """Kinds of pictures that others keep and a message may show. Our own images have ids of ours."""

    GIF = "gif"
    EMOTE = "emote"


class NotMedia(ValueError):
    """Raised for what is no id of this service; the message never quotes it."""


@dataclass(frozen=True)
class _Service:
    ids: re.Pattern[str]
    address: str


SERVICES: Mapping[Media, _Service] = {
    # Giphy's ids are letters and digits, such as 3oEjI6SIIHBdRxXI40.
    Media.GIF: _Service(re.compile(r"[0-9A-Za-z]{8,32}"), "https://media.giphy.com/media/{}/giphy.gif"),
    # 7TV's are ULIDs; emotes from before 2024 kept their former ids, which are 24 hexadecimal digits.
    Media.EMOTE: _Service(
        re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}|[0-9a-f]{24}"), "https://cdn.7tv.app/emote/{}/2x.webp"
    ),
}


def address(media: Media, media_id: str) -> str:
    """The address where clients find it. Raises NotMedia for what is no id."""
    service = SERVICES[media]
    if not service.ids.fullmatch(media_id):
        raise NotMedia(f"must be the id of {'a GIF at Giphy' if media is Media.GIF else 'an emote at 7TV'}")
    return service.address.format(media_id)
