"""Which scans of a group count: one after another, as if each had come alone. Pure: fed with what was read under lock.

A code that an earlier scan of the group has spent is spent, a member's tenth scan follows the ninth, wrong codes add
up; so the grouping never shows in an answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from functions.scans import fraud, rules
from functions.scans.fraud import Evidence, Flag, Place
from functions.scans.records import Tally
from functions.scans.store import Code, Standing
from shared import tiers
from shared.problems import NotValid, Problem
from shared.settings import Settings
from shared.tiers import Tier

DEVICE_AHEAD_MAX = timedelta(days=1)  # clocks of phones are set to other zones by hand
DEVICE_BEHIND_MAX = timedelta(days=30)  # scanned without a network and sent later
RETRY_AFTER = {"Retry-After": "60"}


@dataclass(frozen=True)
class Attempt:
    """Somebody sends a code. `subjects` are held to account when it is wrong."""

    member_id: UUID
    permanent_tier: Tier
    mac: bytes
    method: str
    device_id: str | None
    device_time: datetime | None
    ip_address: str | None
    latitude: float | None
    longitude: float | None
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class Accepted:
    """A scan that counts. `rose`: to a higher quarter tier; `effective_rose`: and that makes a difference."""

    id: UUID
    attempt: Attempt
    code: Code
    quarter_scans: int
    tier: Tier
    earned: Tier
    rose: bool
    effective_rose: bool
    flags: Mapping[Flag, Mapping[str, object]]


@dataclass(frozen=True)
class Refused:
    """A scan that does not."""

    problem: Problem


@dataclass(frozen=True)
class OwnEarlier:
    """The member has spent this code; `scan_id` when that was in this very group, else it must be looked up."""

    code: Code
    scan_id: UUID | None


@dataclass
class _Member:
    """A member's standing while the group goes on."""

    last_hour: int
    last_minute: int
    quarter_scans: int
    quarter_tier: Tier
    place: Place | None
    tried_honey: bool
    scans: int = 0


@dataclass
class Judge:
    """Holds what the group has changed so far."""

    codes: Mapping[bytes, Code]
    standings: Mapping[UUID, Standing]
    wrong_before: Mapping[str, int]
    settings: Settings
    now: datetime
    wrong: dict[str, int] = field(default_factory=dict)
    spent: dict[bytes, tuple[UUID, UUID]] = field(default_factory=dict)
    _members: dict[UUID, _Member] = field(default_factory=dict)

    def judge(self, attempt: Attempt) -> Accepted | Refused | OwnEarlier:
        """What becomes of the next one."""
        if (
            attempt.device_time
            and not self.now - DEVICE_BEHIND_MAX <= attempt.device_time <= self.now + DEVICE_AHEAD_MAX
        ):
            return Refused(NotValid(errors=[{"field": "/timestamp", "message": "is not within the last 30 days"}]))
        if self._wrong_codes(attempt) >= self.settings.guesses_per_hour_max:
            return Refused(rules.TooManyWrongCodes(headers=RETRY_AFTER))
        code = self.codes.get(attempt.mac)
        if code is None or not code.spendable or code.mac in self.spent:
            return self._refused(attempt, code)
        member = self._member(attempt.member_id)
        if member.last_hour >= self.settings.scans_per_hour_max:
            return Refused(rules.TooManyScans(headers=RETRY_AFTER))
        return self._accepted(attempt, code, member)

    def tallies(self) -> list[Tally]:
        """What the group adds to each of its members."""
        return [
            Tally(
                member_id=member_id,
                scans=member.scans,
                tier=member.quarter_tier,
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
        evidence = Evidence(
            last_minute=member.last_minute,
            wrong_codes=self._wrong_codes(attempt),
            tried_honey=member.tried_honey,
            before=before,
            here=self._place(attempt),
        )
        earlier = member.quarter_tier
        earned = tiers.quarter_tier(member.quarter_scans, self.settings.tier_thresholds)
        member.quarter_tier = tiers.effective(earned, earlier)
        tier = tiers.effective(member.quarter_tier, attempt.permanent_tier)
        return Accepted(
            id=identity,
            attempt=attempt,
            code=code,
            quarter_scans=member.quarter_scans,
            tier=tier,
            earned=member.quarter_tier,
            rose=member.quarter_tier is not earlier,
            effective_rose=tier is not tiers.effective(earlier, attempt.permanent_tier),
            flags=fraud.flags(evidence),
        )

    def _refused(self, attempt: Attempt, code: Code | None) -> Refused | OwnEarlier:
        """One answer for every kind of wrong code, except to the member who scanned it before; guesses are counted."""
        if code:
            member_id, scan_id = self.spent.get(code.mac, (code.scanned_by, None))
            if member_id == attempt.member_id:
                return OwnEarlier(code, scan_id)
        for subject in attempt.subjects:
            self.wrong[subject] = self.wrong.get(subject, 0) + 1
        return Refused(rules.CodeNotValid())

    def _wrong_codes(self, attempt: Attempt) -> int:
        return max(self.wrong_before.get(subject, 0) + self.wrong.get(subject, 0) for subject in attempt.subjects)

    def _place(self, attempt: Attempt) -> Place | None:
        if attempt.latitude is None or attempt.longitude is None:
            return None
        return Place(self.now, attempt.latitude, attempt.longitude)

    def _member(self, member_id: UUID) -> _Member:
        if member_id not in self._members:
            standing = self.standings[member_id]
            place = None
            if standing.located_at and standing.latitude is not None and standing.longitude is not None:
                place = Place(standing.located_at, standing.latitude, standing.longitude)
            self._members[member_id] = _Member(
                last_hour=standing.last_hour,
                last_minute=standing.last_minute,
                quarter_scans=standing.quarter_scans,
                quarter_tier=standing.quarter_tier,
                place=place,
                tried_honey=standing.tried_honey,
            )
        return self._members[member_id]
