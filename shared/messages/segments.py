"""Segments: which members a campaign is for. A segment is a list of conditions of known kinds, of which all must hold.

It is stored as JSON and read by `segment_members` of the schema, whose SQL is the same for every segment: what a person
has typed is a value of a statement and never a part of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from shared.db import Tx
from shared.messages.wording import Language
from shared.values.fields import Body, Day, Moment, Shape
from shared.values.tiers import Tier, quarter_of

TierKey = Literal["standard", "vip", "high_roller", "whale"]
State = Annotated[str, Shape(r"^[A-Z]{2}$", "a state in two capital letters")]
NUMBER_MAX = 1_000_000_000_000
COUNT_MAX = 1_000_000_000
NUMBERS_MAX = 1_000
COUNT_SECONDS_MAX = 25
STATES_MAX = 60

Count = Annotated[int, Field(ge=0, le=COUNT_MAX)]
MemberNumber = Annotated[int, Field(ge=1, le=NUMBER_MAX)]


class Segment(Body):
    """The members to whom every given condition applies; without any condition all of them.

    `numbers` are single members. `tiers` are effective tiers. `states` are those of profiles. Members have joined from
    `joined_from` on and before `joined_before`. Their newest scan or paid order was on the UTC day `active_from` or
    later; or before `not_active_since`, or never. Scans are those of the present quarter.
    """

    numbers: Annotated[list[MemberNumber], Field(min_length=1, max_length=NUMBERS_MAX)] | None = None
    tiers: Annotated[list[TierKey], Field(min_length=1, max_length=len(Tier))] | None = None
    permanent_tiers: Annotated[list[TierKey], Field(min_length=1, max_length=len(Tier))] | None = None
    states: Annotated[list[State], Field(min_length=1, max_length=STATES_MAX)] | None = None
    languages: Annotated[list[Language], Field(min_length=1, max_length=3)] | None = None
    joined_from: Moment | None = None
    joined_before: Moment | None = None
    active_from: Day | None = None
    not_active_since: Day | None = None
    scans_min: Count | None = None
    scans_max: Count | None = None
    has_wallet: bool | None = None
    downline_min: Count | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        """Refuse bounds that nobody can be between."""
        if self.joined_from and self.joined_before and self.joined_from >= self.joined_before:
            raise ValueError("joined_from must be before joined_before")
        if self.scans_min is not None and self.scans_max is not None and self.scans_min > self.scans_max:
            raise ValueError("scans_min must be scans_max or less")
        return self

    def document(self) -> dict[str, object]:
        """The segment as it is stored: only the conditions that it has."""
        return self.model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True)
class SegmentMember:
    """A member of a segment, with the values of the variables that mails may have."""

    id: UUID
    email: str
    full_name: str
    username: str
    tier: Tier
    scans: int
    wants_mail: bool


@dataclass(frozen=True)
class SegmentSize:
    """How many members belong to a segment, and how many of these have unsubscribed."""

    members: int
    unsubscribed: int


def count(tx: Tx, segment: Mapping[str, object], now: datetime) -> SegmentSize:
    """Count the members who belong to the segment now. It reads all members, once."""
    tx.allow(COUNT_SECONDS_MAX)
    return tx.one(
        SegmentSize,
        """
        SELECT count(*) AS members, count(*) FILTER (WHERE NOT wants_mail) AS unsubscribed
        FROM segment_members(:segment, :quarter, 0, 9223372036854775807)
        """,
        segment=dict(segment),
        quarter=quarter_of(now),
    )


def count_up_to(tx: Tx, segment: Mapping[str, object], most: int, now: datetime) -> int:
    """How many members would get a campaign, counted until `most` at the most."""
    return tx.scalar(
        int,
        """
        SELECT count(*) FROM (SELECT FROM segment_members(:segment, :quarter, 0, 9223372036854775807)
                              WHERE wants_mail LIMIT :most) found
        """,
        segment=dict(segment),
        quarter=quarter_of(now),
        most=most,
    )


def window(tx: Tx, segment: Mapping[str, object], after: int, until: int, now: datetime) -> list[SegmentMember]:
    """The segment's members with numbers above `after`, up to `until`, in the order of their numbers."""
    return tx.all(
        SegmentMember,
        """
        SELECT id, email, full_name, username, tier, scans, wants_mail
        FROM segment_members(:segment, :quarter, :after_number, :until_number) ORDER BY number
        """,
        segment=dict(segment),
        quarter=quarter_of(now),
        after_number=after,
        until_number=until,
    )


def member(tx: Tx, number: int, now: datetime) -> SegmentMember | None:
    """The active member with this number."""
    return next(iter(window(tx, {}, number - 1, number, now)), None)
