"""Decides which scans of a group are accepted, one after another, as if each had come alone. Pure: its input was read
under lock.

A code that an earlier scan of the group has spent counts as spent, a member's tenth scan follows the ninth, and wrong
codes add up; so the grouping never shows in an answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from functions.scans import fraud, rules
from functions.scans.fraud import Flag, FraudEvidence, Location
from functions.scans.values import Code, MemberScans, Tally
from shared.values import retry_after
from shared.values.ids import EPOCH
from shared.values.problems import Problem
from shared.values.settings import Settings


@dataclass(frozen=True)
class Attempt:
    """A member's try to scan a code. Wrong codes are counted under `subject` and `network_subject`."""

    member_id: UUID
    mac: bytes
    method: str
    device_id: str | None
    device_time: datetime | None
    ip_address: str | None
    latitude: float | None
    longitude: float | None
    subject: str
    network_subject: str


@dataclass(frozen=True)
class Accepted:
    """An accepted scan; `quarter_scans` are the member's scans in the quarter, including this one."""

    id: UUID
    attempt: Attempt
    code: Code
    quarter_scans: int
    flags: Mapping[Flag, Mapping[str, object]]


@dataclass(frozen=True)
class Refused:
    """A refused scan, with its problem."""

    problem: Problem


@dataclass(frozen=True)
class OwnEarlier:
    """The member has spent this code before; `scan_id` is set if that was in this very group, else it must be looked
    up.
    """

    code: Code
    scan_id: UUID | None


@dataclass
class _Member:
    """A member's counts while the group is processed."""

    last_hour: int
    last_minute: int
    moments: str
    quarter_scans: int
    place: Location | None
    tried_honey: bool
    scans: int = 0


@dataclass
class Group:
    """Decides about the scans of a group, and holds what the group has changed so far."""

    codes: Mapping[bytes, Code]
    standings: Mapping[UUID, MemberScans]
    wrong_before: Mapping[str, int]
    settings: Settings
    now: datetime
    wrong: dict[str, int] = field(default_factory=dict)
    spent: dict[bytes, tuple[UUID, UUID]] = field(default_factory=dict)
    _members: dict[UUID, _Member] = field(default_factory=dict)

    def judge(self, attempt: Attempt) -> Accepted | Refused | OwnEarlier:
        """Decide about the next scan."""
        if self._wrong_codes(attempt.subject) >= self.settings.guesses_per_hour_max:
            return Refused(rules.TooManyWrongCodes(headers=retry_after.until_next_hour(self.now)))
        code = self.codes.get(attempt.mac)
        if code is None or not code.spendable or code.mac in self.spent:
            return self._refused(attempt, code)
        member = self._member(attempt.member_id)
        if member.last_hour >= self.settings.scans_per_hour_max:
            free_at = self._moments(member)[-self.settings.scans_per_hour_max] + retry_after.HOUR
            return Refused(rules.TooManyScans(headers=retry_after.until(free_at, self.now)))
        return self._accepted(attempt, code, member)

    def _moments(self, member: _Member) -> list[datetime]:
        """When the member scanned within the hour, including scans of this group; oldest first."""
        before = [EPOCH + timedelta(microseconds=int(moment)) for moment in member.moments.split()]
        return before + [self.now] * member.scans

    def tallies(self) -> list[Tally]:
        """The counts that the group adds to each of its members."""
        return [
            Tally(
                member_id=member_id,
                scans=member.scans,
                latitude=member.place.latitude if member.place and member.place.at == self.now else None,
                longitude=member.place.longitude if member.place and member.place.at == self.now else None,
            )
            for member_id, member in self._members.items()
            if member.scans
        ]

    def _accepted(self, attempt: Attempt, code: Code, member: _Member) -> Accepted:
        identity = uuid4()
        self.spent[code.mac] = attempt.member_id, identity
        member.scans += 1
        member.quarter_scans += 1
        member.last_hour += 1
        member.last_minute += 1
        before, member.place = member.place, self._place(attempt) or member.place
        evidence = FraudEvidence(
            last_minute=member.last_minute,
            wrong_codes=self._wrong_codes(attempt.subject),
            network_wrong_codes=self._wrong_codes(attempt.network_subject),
            tried_honey=member.tried_honey,
            before=before,
            here=self._place(attempt),
        )
        return Accepted(
            id=identity,
            attempt=attempt,
            code=code,
            quarter_scans=member.quarter_scans,
            flags=fraud.flags(evidence),
        )

    def _refused(self, attempt: Attempt, code: Code | None) -> Refused | OwnEarlier:
        """The answer for a wrong code, the same for every kind, except to the member who scanned it before; counts the
        guess.
        """
        if code:
            member_id, scan_id = self.spent.get(code.mac, (code.scanned_by, None))
            if member_id == attempt.member_id:
                return OwnEarlier(code, scan_id)
        for subject in (attempt.subject, attempt.network_subject):
            self.wrong[subject] = self.wrong.get(subject, 0) + 1
        return Refused(rules.CodeNotValid())

    def _wrong_codes(self, subject: str) -> int:
        return self.wrong_before.get(subject, 0) + self.wrong.get(subject, 0)

    def _place(self, attempt: Attempt) -> Location | None:
        if attempt.latitude is None or attempt.longitude is None:
            return None
        return Location(self.now, attempt.latitude, attempt.longitude)

    def _member(self, member_id: UUID) -> _Member:
        if member_id not in self._members:
            standing = self.standings[member_id]
            place = None
            if standing.located_at and standing.latitude is not None and standing.longitude is not None:
                place = Location(standing.located_at, standing.latitude, standing.longitude)
            self._members[member_id] = _Member(
                last_hour=standing.last_hour,
                last_minute=standing.last_minute,
                moments=standing.moments,
                quarter_scans=standing.quarter_scans,
                place=place,
                tried_honey=standing.tried_honey,
            )
        return self._members[member_id]
