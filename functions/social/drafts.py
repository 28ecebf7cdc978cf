"""Reads what a member wants to write: the text as it is stored, its mark, and whom it names."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from functions.social import rules
from functions.social.models import MediaChoice
from shared.social import images
from shared.social import mentions as named_members
from shared.social import text as texts
from shared.social.media import NotMedia
from shared.values.problems import NotValid

NAMES_MAX = 20  # names that are looked up for one message


@dataclass(frozen=True)
class Named:
    """A name in a text, in small letters, and where it is, in code points."""

    name: str
    start: int
    length: int


@dataclass(frozen=True)
class Draft:
    """A text as it is stored. `mark` is equal for like messages, in hexadecimal."""

    text: str
    names: tuple[Named, ...]
    mark: str
    is_allowed: bool


def read(text: str, media: MediaChoice | None) -> Draft | NotValid:
    """The draft; the refusal of what is no picture, and of a text that is too long, or empty without a picture."""
    if media is not None:
        try:
            images.address(media.type, media.id)
        except NotMedia as wrong:
            return _not_valid("/media/id", str(wrong))
    cleaned = texts.clean(text)
    if len(cleaned) > rules.TEXT_MAX:
        return _not_valid("/text", f"must have at most {rules.TEXT_MAX} characters")
    if not cleaned and media is None:
        return _not_valid("/text", "must not be empty")
    names = tuple(
        Named(found.username.lower(), found.start, found.end - found.start)
        for found in named_members.mentions(cleaned, NAMES_MAX)
    )
    return Draft(cleaned, names, _mark(cleaned, media), texts.is_allowed(texts.skeleton(cleaned)))


def mentions(names: Collection[Named], known: Mapping[str, UUID]) -> list[dict[str, object]]:
    """The members whom a text names, five at most, at each place where they are named."""
    told: list[UUID] = []
    found: list[dict[str, object]] = []
    for named in names:
        member_id = known.get(named.name)
        if member_id is None or (member_id not in told and len(told) == rules.MENTIONS_MAX):
            continue
        told += [member_id] if member_id not in told else []
        found.append({"member_id": str(member_id), "start": named.start, "length": named.length})
    return found


def no_such_reply() -> NotValid:
    """The refusal of a reply to what is not there."""
    return _not_valid("/reply_to", "must be the number of a message of this channel that was not removed")


def no_such_image() -> NotValid:
    """The refusal of an image that is not the member's, not live, or shown before."""
    return _not_valid("/media/id", "must be an image of yours that is live and was not posted yet")


def _mark(cleaned: str, media: MediaChoice | None) -> str:
    """Like texts beside the same picture have one mark."""
    shown = f"{media.type} {media.id}" if media else ""
    return hashlib.sha256(texts.fingerprint(cleaned) + shown.encode()).hexdigest()


def _not_valid(name: str, message: str) -> NotValid:
    return NotValid(errors=[{"field": name, "message": message}])
