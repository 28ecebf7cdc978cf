"""Time zones of the IANA database, by name, and the moments that the clocks on their walls show."""

from datetime import UTC, date, datetime, time
from functools import cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, StringConstraints

NAME_MAX = 64


@cache
def names() -> frozenset[str]:
    """The names of zones that people use: a region and a place, such as America/New_York, and UTC."""
    return frozenset(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")) | {"UTC"}


def known(name: str) -> str:
    """The name, if there is a zone of this name. Raises ValueError."""
    if name not in names():
        raise ValueError("must be a time zone, such as America/New_York")
    return name


def moment(wall: datetime, name: str) -> datetime:
    """The moment at which clocks of the zone show `wall`, in UTC: the first one, when clocks are put back.

    Raises ValueError for a time that the zone's clocks skip, and for one before or after all calendars.
    """
    zone = ZoneInfo(name)
    try:
        at = wall.replace(tzinfo=zone).astimezone(UTC)
        shown = at.astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        raise ValueError("must be a time of these years") from None
    if shown != wall:
        raise ValueError("must be a time that the clocks of this time zone show: they skip it")
    return at


def midnight(day: date, name: str) -> datetime:
    """The moment at which a day begins in the zone, in UTC; if its clocks skip midnight, the one after the skip."""
    return datetime.combine(day, time(), ZoneInfo(name)).astimezone(UTC)


def today(now: datetime, name: str) -> date:
    """The day that a calendar in the zone shows now."""
    return now.astimezone(ZoneInfo(name)).date()


TimeZone = Annotated[str, StringConstraints(max_length=NAME_MAX), AfterValidator(known)]
