"""When a payment's provider is asked, and again. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum

from shared.values.states import OperationKind, OperationStatus
from shared.values.vendor_times import UNKNOWN_AFTER

UNDECIDED_PAUSE = timedelta(seconds=10)
KEY_LIFE = timedelta(hours=23)  # the provider remembers a key for 24 hours: later it would do it a second time
LOST_PAUSE = timedelta(hours=1)


class Move(StrEnum):
    """The next thing that is done for an operation."""

    SEND = "send"  # for the first time: it is marked as sent before
    FIND = "find"  # look up what has become of it
    NEVER = "never"  # it is not needed any more, and was not sent
    NOTHING = "nothing"  # it has ended


def move(status: OperationStatus, kind: OperationKind, *, order_is_leaving: bool) -> Move:
    """The next move. Money is neither held nor taken for an order that is to be cancelled."""
    if status is OperationStatus.RECORDED:
        return Move.NEVER if order_is_leaving and kind in ("authorize", "capture") else Move.SEND
    return Move.FIND if status is OperationStatus.SENT else Move.NOTHING


class Unknown(StrEnum):
    """The consequence when the provider has never heard of an operation that was sent."""

    WAIT = "wait"  # it may still be on its way
    REPEAT = "repeat"  # under the same key
    PEOPLE = "people"  # the provider may have done it, and forgotten the key


def unknown(sent_at: datetime, now: datetime) -> Unknown:
    """Return the consequence, by how long ago the operation was sent."""
    age = now - sent_at
    if age < UNKNOWN_AFTER:
        return Unknown.WAIT
    return Unknown.REPEAT if age < KEY_LIFE else Unknown.PEOPLE
