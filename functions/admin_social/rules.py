"""Refusals of those who look after the chat, and what they may do for how long. Pure."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, Protocol

from pydantic import BeforeValidator

from shared.values.problems import NotAllowed, NotValid, Problem


def _no_truth(value: object) -> object:
    """Refuse true and false: to Python they are one and zero."""
    if isinstance(value, bool):
        raise ValueError("must be 1, 24 or 168")  # noqa: TRY004 - pydantic reports ValueErrors
    return value


Hours = Annotated[Literal[1, 24, 168], BeforeValidator(_no_truth)]
TIMED = ("mute", "timeout")
PINS_MAX = 50  # of a channel
CHANNELS_MAX = 200  # archived ones too

AccessLevel = Literal["hidden", "view", "full"]
LEVELS: tuple[AccessLevel, ...] = ("hidden", "view", "full")


class Access(Protocol):
    """The rights of the tiers in a channel."""

    @property
    def standard(self) -> AccessLevel: ...
    @property
    def vip(self) -> AccessLevel: ...
    @property
    def high_roller(self) -> AccessLevel: ...
    @property
    def whale(self) -> AccessLevel: ...


class AdminNotSanctioned(NotAllowed):
    """The member is an admin, or the caller: nobody keeps an admin from writing, and nobody judges themselves."""

    title = "Nobody does this to an admin, or to themselves."


class CaseDecided(Problem):
    """Somebody has decided about this case; `decision` says how."""

    status, title = 409, "This case is decided."


class TooManyPins(Problem):
    """The channel has fifty pins; one must be taken down first."""

    status, title = 409, "This channel has too many pins."


class ChannelExists(Problem):
    """Another channel has this slug, which may be archived."""

    status, title = 409, "There is a channel with this slug."


class TooManyChannels(Problem):
    """There are as many channels as there may be, archived ones too."""

    status, title = 409, "There are too many channels."


class OwnCase(NotAllowed):
    """The case is about the admin who would decide."""

    title = "Nobody decides about their own case."


def check_access(access: Access) -> None:
    """Raises NotValid if a tier may do less than the one below it."""
    levels = {
        "vip": (access.standard, access.vip),
        "high_roller": (access.vip, access.high_roller),
        "whale": (access.high_roller, access.whale),
    }
    for tier, (below, own) in levels.items():
        if LEVELS.index(own) < LEVELS.index(below):
            message = "must not be less than what the tier below may do"
            raise NotValid(errors=[{"field": f"/access/{tier}", "message": message}])


def ends_at(kind: str, hours: int | None, now: datetime) -> datetime | None:
    """When a mute or a timeout is over; None for what has no end. Raises NotValid for hours where they mean nothing, or
    none where they are needed.
    """
    if kind in TIMED and hours is None:
        raise NotValid(errors=[{"field": "/hours", "message": "must be given for a mute or a timeout"}])
    if kind not in TIMED and hours is not None:
        raise NotValid(errors=[{"field": "/hours", "message": "means nothing for this decision"}])
    return now + timedelta(hours=hours) if hours is not None else None
