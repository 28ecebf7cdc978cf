"""What of a notification goes to a device: whether anything, which words, which data, and when after a delay."""

import json
from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

AGE_MAX = timedelta(days=1)  # later it is no news; the app shows it anyway
DELAY_MAX = timedelta(seconds=60)  # a vendor may ask for more, but the deliveries of an event are numbered
TITLE_BYTES_MAX = 200
BODY_BYTES_MAX = 1000
DATA_BYTES_MAX = 2000  # together well below the 4096 bytes that the vendors take
ELLIPSIS = "…"


@dataclass(frozen=True)
class Message:
    """What a device shows, and what the app gets when it is tapped."""

    title: str
    body: str
    data: Mapping[str, str]


def is_news(*, wanted: bool, read: bool, made_at: datetime, now: datetime) -> bool:
    """The member wants to be told, does not know it yet, and it has just happened."""
    return wanted and not read and now - made_at <= AGE_MAX


def message(notification_id: UUID, kind: str, title: str, body: str, data: Mapping[str, object]) -> Message:
    """Values of `data` that are no text come as JSON. If there is too much, the app asks for it by the id."""
    own = {"notification_id": str(notification_id), "notification_type": kind}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in data.items()} | own
    return Message(
        title=shortened(title, TITLE_BYTES_MAX),
        body=shortened(body, BODY_BYTES_MAX),
        data=texts if _size(texts) <= DATA_BYTES_MAX else own,
    )


def push_id(notification_id: UUID, device_id: UUID) -> UUID:
    """Always the same for the same two: a device shows a repetition in the place of the first."""
    return uuid5(notification_id, str(device_id))


def shortened(text: str, bytes_max: int) -> str:
    """The text, or as much of its beginning as fits with an ellipsis into so many bytes of JSON."""
    if _size(text) <= bytes_max:
        return text
    fitting = bisect(range(len(text)), bytes_max, key=lambda length: _size(text[:length] + ELLIPSIS))
    return text[: fitting - 1] + ELLIPSIS


def free_again_at(now: datetime, retry_after: timedelta | None) -> datetime:
    """When a delayed push may be tried again."""
    return now + min(retry_after or timedelta(), DELAY_MAX)


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
