"""The contents of a push: whether to send it, its words and data, and when to retry a delayed one."""

import json
from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from shared.messages.texts import Words

AGE_MAX = timedelta(days=1)  # older notifications are not pushed; the app shows them anyway
DELAY_MAX = timedelta(seconds=60)  # a vendor may ask for more, but an event is delivered a limited number of times
TITLE_BYTES_MAX = 200
BODY_BYTES_MAX = 1000
DATA_BYTES_MAX = 2000  # together well below the 4096 bytes that the vendors accept
ELLIPSIS = "…"


@dataclass(frozen=True)
class Told:
    """A notification's text code with its parameters, and the data that the app gets."""

    id: UUID
    type: str
    code: str | None
    params: Mapping[str, object]
    data: Mapping[str, object]


@dataclass(frozen=True)
class Message:
    """The words that a device shows, and the data that the app gets when it is tapped."""

    title: str
    body: str
    data: Mapping[str, str]


def is_news(*, wanted: bool, read: bool, made_at: datetime, now: datetime) -> bool:
    """Whether to push: the member wants pushes, has not read the notification, and it is not older than AGE_MAX."""
    return wanted and not read and now - made_at <= AGE_MAX


def message(told: Told, words: Words) -> Message:
    """The push of a notification. Values of `data` that are not text are sent as JSON, as are the text's parameters. If
    it is too long, `data` is left out, then the parameters; the app then fetches them by the id.
    """
    own = {"notification_id": str(told.id), "notification_type": told.type}
    coded = {"code": told.code, "params": json.dumps(dict(told.params), ensure_ascii=False)} if told.code else {}
    said = {name: value if isinstance(value, str) else json.dumps(value) for name, value in told.data.items()}
    return Message(
        title=shortened(words.title, TITLE_BYTES_MAX),
        body=shortened(words.body, BODY_BYTES_MAX),
        data=next((data for data in (said | coded | own, coded | own) if _size(data) <= DATA_BYTES_MAX), own),
    )


def push_id(notification_id: UUID, device_id: UUID) -> UUID:
    """The same id for the same notification and device: a device replaces the first push by a repeated one."""
    return uuid5(notification_id, str(device_id))


def shortened(text: str, bytes_max: int) -> str:
    """The text, or as much of its beginning as fits, with an ellipsis, into `bytes_max` bytes of JSON."""
    if _size(text) <= bytes_max:
        return text
    fitting = bisect(range(len(text)), bytes_max, key=lambda length: _size(text[:length] + ELLIPSIS))
    return text[: fitting - 1] + ELLIPSIS


def free_again_at(now: datetime, retry_after: timedelta | None) -> datetime:
    """The time from which a delayed push may be tried again."""
    return now + min(retry_after or timedelta(), DELAY_MAX)


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
