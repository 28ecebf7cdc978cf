"""Keyset pages: a cursor names the last item that was shown, so every page costs the same, however deep it is."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar
from uuid import UUID

from shared.values.problems import NotValid

Item = TypeVar("Item")
FIGURE_MAX = 2**63 - 1  # of Postgres


class Position(NamedTuple):
    """The sort key of lists that show the newest first."""

    at: datetime
    id: UUID

    def text(self) -> str:
        """The text that a cursor is made of."""
        return f"{self.at.astimezone(UTC).isoformat()}|{self.id}"


class Rank(NamedTuple):
    """The sort key of lists that show the largest figure first; `order` names the figure."""

    order: str
    figure: int
    id: UUID

    def text(self) -> str:
        """The text that a cursor is made of."""
        return f"{self.order}:{self.figure}|{self.id}"


def after(cursor: str | None) -> Position | None:
    """The position that a cursor names, None for the first page. Raises NotValid for a cursor that we did not make."""
    if cursor is None:
        return None
    try:
        at, identity = _parts(cursor)
        position = Position(datetime.fromisoformat(at), UUID(identity))
    except (ValueError, binascii.Error):
        position = None
    if position is None or position.at.utcoffset() != timedelta(0):
        raise not_ours()
    return position


def after_rank(cursor: str | None, order: str) -> Rank | None:
    """The rank that a cursor of this order names, None for the first page. Raises NotValid for a cursor that we did
    not make, or made for another order.
    """
    if cursor is None:
        return None
    try:
        key, identity = _parts(cursor)
        rank = Rank(order, int(key.removeprefix(f"{order}:")), UUID(identity))
    except (ValueError, binascii.Error):
        rank = None
    if rank is None or abs(rank.figure) > FIGURE_MAX or _cursor(rank) != cursor:
        raise not_ours()
    return rank


def page(
    rows: Sequence[Item], limit: int, position: Callable[[Item], Position | Rank]
) -> tuple[Sequence[Item], str | None]:
    """The rows to show, and the cursor if there are more. `rows` is the result of a query for `limit + 1` rows."""
    assert len(rows) <= limit + 1, "no more rows are read than are needed"
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], _cursor(position(rows[limit - 1]))


def _cursor(position: Position | Rank) -> str:
    return base64.urlsafe_b64encode(position.text().encode("ascii")).decode("ascii").rstrip("=")


def _parts(cursor: str) -> tuple[str, str]:
    """The key and the id that a cursor says. Raises ValueError, binascii.Error."""
    key, _, identity = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii").partition("|")
    return key, identity


def not_ours() -> NotValid:
    """The refusal of a cursor that we did not make."""
    return NotValid(errors=[{"field": "/cursor", "message": "is not a cursor of this list"}])
