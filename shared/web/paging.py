"""Keyset pages: a cursor names the last item that was shown, so every page costs the same, however deep it is."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar
from uuid import UUID

from shared.values.problems import NotValid

Item = TypeVar("Item")


class Position(NamedTuple):
    """The sort key of lists that show the newest first."""

    at: datetime
    id: UUID


def after(cursor: str | None) -> Position | None:
    """The position that a cursor names, None for the first page. Raises NotValid for a cursor that we did not make."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        at, _, identity = text.partition("|")
        position = Position(datetime.fromisoformat(at), UUID(identity))
    except (ValueError, binascii.Error):
        position = None
    if position is None or position.at.utcoffset() != timedelta(0):
        raise NotValid(errors=[{"field": "/cursor", "message": "is not a cursor of this list"}])
    return position


def page(rows: Sequence[Item], limit: int, position: Callable[[Item], Position]) -> tuple[Sequence[Item], str | None]:
    """The rows to show, and the cursor if there are more. `rows` is the result of a query for `limit + 1` rows."""
    assert len(rows) <= limit + 1, "no more rows are read than are needed"
    if len(rows) <= limit:
        return rows, None
    last = position(rows[limit - 1])
    text = f"{last.at.astimezone(UTC).isoformat()}|{last.id}"
    return rows[:limit], base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii").rstrip("=")
