"""When the warehouse is asked, and again, and what of its word is new. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.values.states import FULFILMENT_ENDS, FulfilmentStatus, ParcelStatus
from shared.values.vendor_times import REST_AWAITED, UNKNOWN_AFTER

CANCEL_PAUSE = timedelta(minutes=1)
PACKING_PAUSE = timedelta(minutes=15)  # the warehouse tells each change; this is for what it has not told
JOURNEY_PAUSE = timedelta(hours=6)
NEWS_AWAITED = timedelta(days=14)
DISPUTED_PAUSE = timedelta(hours=1)
HEARD_LATELY = timedelta(days=1)

SENT_NO_MORE = frozenset({FulfilmentStatus.CANCELLED, FulfilmentStatus.REFUSED})
_FORWARD = (FulfilmentStatus.RECORDED, FulfilmentStatus.SENT, FulfilmentStatus.ACCEPTED, FulfilmentStatus.PACKED)


class Move(StrEnum):
    """The next thing that is done for a fulfilment."""

    SUBMIT = "submit"  # for the first time: it is marked as sent before
    FIND = "find"  # look up how far it is
    CANCEL = "cancel"  # ask the warehouse not to send it


@dataclass(frozen=True)
class Told:
    """The warehouse's word about a fulfilment; `reference` is its own name for it."""

    status: FulfilmentStatus
    reference: str | None
    reason: str | None


def move(status: FulfilmentStatus, *, is_cancel_wanted: bool) -> Move:
    """The next move. What has ended is looked up: its parcels go on."""
    if status is FulfilmentStatus.RECORDED:
        return Move.SUBMIT
    return Move.CANCEL if is_cancel_wanted and status not in FULFILMENT_ENDS else Move.FIND


def is_news(before: FulfilmentStatus, told: FulfilmentStatus) -> bool:
    """True if a status follows the other one. Answers may be read late: none takes a step back."""
    if before in FULFILMENT_ENDS:
        return False
    return told in FULFILMENT_ENDS or _FORWARD.index(told) > _FORWARD.index(before)


def next_look(status: FulfilmentStatus, *, is_cancel_wanted: bool, parcels: Iterable[ParcelStatus]) -> timedelta | None:
    """After how long to ask again; None once nothing of it is under way."""
    if status not in FULFILMENT_ENDS:
        return CANCEL_PAUSE if is_cancel_wanted else PACKING_PAUSE
    under_way = (ParcelStatus.SHIPPED, ParcelStatus.IN_TRANSIT)
    return JOURNEY_PAUSE if any(each in under_way for each in parcels) else None


def is_unheard_of(sent_at: datetime, now: datetime) -> bool:
    """True if a fulfilment that the warehouse does not know is to be submitted again, under the same id."""
    return now - sent_at >= UNKNOWN_AFTER


def is_given_up(begun_at: datetime, now: datetime) -> bool:
    """True if nobody waits any more for the rest of what people have begun to send by hand."""
    return now - begun_at >= REST_AWAITED


def fitting(lines: Mapping[str, int], open_tins: Mapping[str, int]) -> dict[str, int]:
    """The tins of a parcel that the order waits for. What was sent beyond them is nobody's order."""
    found = {sku: min(tins, open_tins.get(sku, 0)) for sku, tins in lines.items()}
    return {sku: tins for sku, tins in found.items() if tins > 0}
