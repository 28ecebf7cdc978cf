"""UUIDs: the one that no row has, and those that begin with a time."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

NIL = UUID(int=0)  # it is less than every other one: where a walk in the order of ids begins
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMED = 7  # the version of UUIDs that begin with their time (RFC 9562, section 5.7)
MILLISECOND, MICROSECOND = timedelta(milliseconds=1), timedelta(microseconds=1)


def timed(at: datetime) -> UUID:
    """A new UUID of version 7, which begins with the time in milliseconds."""
    milliseconds = (at - EPOCH) // MILLISECOND
    random = uuid4().int  # its first and last bits are random
    return UUID(int=milliseconds << 80 | TIMED << 76 | (random >> 116) << 64 | 0b10 << 62 | random & (1 << 62) - 1)


def time_of(identity: UUID) -> datetime | None:
    """The time with which a UUID of version 7 begins; None for other versions, and beyond the year 9999."""
    if identity.version != TIMED:
        return None
    try:
        return EPOCH + (identity.int >> 80) * MILLISECOND
    except OverflowError:
        return None
