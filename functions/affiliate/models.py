"""The chips of members as requests and replies."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from functions.affiliate.chip_rules import CHIPS_MAX
from shared.values.fields import Body, Reply


class ChipCount(Body):
    """How many chips are to be moved."""

    chips: Annotated[int, Field(ge=1, le=CHIPS_MAX)]


class VaultLot(Reply):
    """Chips that were vaulted at one moment, by hand or because they were beyond the most that count in a week."""

    kind: Literal["manual", "overflow"]
    chips: int
    vaulted_at: datetime
    expires_at: datetime


class Chips(Reply):
    """`active` chips are counted on the Sunday `week_on`, `counted_max` of them at most; the rest is vaulted then.
    `vaultable` may be vaulted now, and `room` more may be withdrawn. `waiting` are chips of scans that people look at.
    Of the lots those that expire first are shown, 100 at most. While `moves_open` is false, no chips move.
    """

    week_on: date
    active: int
    counted_max: int
    vaultable: int
    room: int
    waiting: int
    vaulted: int
    next_expiry_at: datetime | None
    lots: list[VaultLot]
    moves_open: bool
    as_of: datetime


class ChipEntry(Reply):
    """An event in the history of chips. `earn` sums a day's scans up, at its beginning; `count` is what a week has
    counted, and `overflow` what it vaulted, at its end. `vault`, `overflow`, `withdraw` and `expire` are of one lot
    each, whose end is `expires_at`; so is `return`, of a chip whose scan was doubted after it was vaulted. `bonus`,
    `grant`, `cleared` (a scan that people have cleared) and `carried` (of a week without a pool) came to the week
    `week_on`.
    """

    id: UUID
    kind: Literal[
        "earn", "vault", "overflow", "withdraw", "expire", "bonus", "grant", "cleared", "carried", "count", "return"
    ]
    chips: int
    at: datetime
    week_on: date | None
    expires_at: datetime | None
