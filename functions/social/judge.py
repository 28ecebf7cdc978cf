"""Decides which messages of a group are accepted, one after another, as if each had come alone. Pure: standings were
read under their locks.

A message passes the gate (channel, ban, timeout, mute), the word list, the cooldown of its author, and the count of
like texts. Whoever writes too early gets a strike, which doubles the cooldown; strikes fade, one each half minute.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from functions.social import rules
from shared.social import strikes
from shared.social.refusals import BannedFromChat
from shared.values.ids import EPOCH
from shared.values.problems import NotFound, Problem
from shared.values.tiers import Tier

COOLDOWN_SECONDS: Mapping[Tier, float] = {Tier.STANDARD: 1.0, Tier.VIP: 0.5, Tier.HIGH_ROLLER: 0.0, Tier.WHALE: 0.0}
COOLDOWN_MAX = timedelta(seconds=60)
STRUCK_SECONDS = 0.5  # the cooldown that is doubled for members of a tier that has none
EARLY_ALLOWED = timedelta(milliseconds=250)  # clocks and networks: so early is refused, and is no strike
RUSH = timedelta(seconds=10)  # without a cooldown, so many messages within this time are a strike
RECENT_MAX = 20  # messages that are remembered, and that a rush has
ALIKE_MAX = 4  # messages of one mark; the next one mutes
ALIKE_WITHIN = timedelta(minutes=5)
MUTE = timedelta(hours=1)


class Access(StrEnum):
    """The right of a tier in a channel."""

    HIDDEN = "hidden"
    VIEW = "view"
    FULL = "full"


@dataclass(frozen=True)
class Sent:
    """An accepted message that is remembered: when it was posted, and the mark of its text in hexadecimal."""

    at: datetime
    mark: str


@dataclass(frozen=True)
class Standing:
    """A member's strikes, sanctions and last messages (`recent`, oldest first)."""

    member_id: UUID
    last_at: datetime | None = None
    strikes: int = 0
    struck_at: datetime | None = None
    recent: tuple[Sent, ...] = ()
    muted_until: datetime | None = None
    timeout_until: datetime | None = None
    banned_at: datetime | None = None


@dataclass(frozen=True)
class Gate:
    """A channel as a member of some tier meets it; `slow_seconds` is the shortest cooldown in it."""

    access: Access
    slow_seconds: int = 0


@dataclass(frozen=True)
class Attempt:
    """A member's try to write. `mark` is equal for like messages; `is_allowed` says what the word list says."""

    member_id: UUID
    tier: Tier
    gate: Gate | None
    mark: str
    is_allowed: bool = True


@dataclass
class Judge:
    """Decides about the messages of a group at one moment, and holds the standings as the group changes them."""

    standings: Mapping[UUID, Standing]
    now: datetime
    changed: dict[UUID, Standing] = field(default_factory=dict)
    muted: list[UUID] = field(default_factory=list)

    def judge(self, attempt: Attempt) -> Problem | None:
        """The refusal of the next message; None if it is accepted."""
        standing = self.standing(attempt.member_id)
        if refusal := refused_at_the_gate(standing, attempt.gate, self.now):
            return refusal
        if not attempt.is_allowed:
            return rules.MessageNotAllowed()
        if retry_at := self._too_early(standing, attempt):
            return rules.too_fast(retry_at, self.now)
        if self._repeats(standing, attempt.mark):
            until = self.now + MUTE
            self.changed[attempt.member_id] = replace(standing, muted_until=until)
            self.muted.append(attempt.member_id)
            return rules.muted(until, self.now)
        recent = (*standing.recent, Sent(self.now, attempt.mark))[-RECENT_MAX:]
        self.changed[attempt.member_id] = replace(
            standing, last_at=max(standing.last_at or EPOCH, self.now), recent=recent
        )
        return None

    def standing(self, member_id: UUID) -> Standing:
        """The member's standing after the messages that were judged so far."""
        return self.changed.get(member_id) or self.standings[member_id]

    def _too_early(self, standing: Standing, attempt: Attempt) -> datetime | None:
        """When the member may write again; None if that is now. A message that is far too early is a strike."""
        assert attempt.gate, "it has passed"
        free_at = may_write_at(standing, attempt.tier, attempt.gate.slow_seconds, self.now)
        if free_at <= self.now:
            return None
        if free_at - self.now > EARLY_ALLOWED and not _is_struck(standing):
            count = strikes.one_more(standing.strikes, standing.struck_at, self.now)
            standing = replace(standing, strikes=count, struck_at=self.now)
            self.changed[attempt.member_id] = standing
            free_at = may_write_at(standing, attempt.tier, attempt.gate.slow_seconds, self.now)
        return free_at

    def _repeats(self, standing: Standing, mark: str) -> bool:
        like = [sent for sent in standing.recent if sent.mark == mark and sent.at > self.now - ALIKE_WITHIN]
        return len(like) >= ALIKE_MAX


def refused_at_the_gate(standing: Standing, gate: Gate | None, now: datetime) -> Problem | None:
    """The refusal of a member who may not write in the channel at all now; None if they may."""
    if standing.banned_at:
        return BannedFromChat()
    if gate is None or gate.access is Access.HIDDEN:
        return NotFound()
    if gate.access is not Access.FULL:
        return rules.ChannelIsReadOnly()
    if standing.timeout_until and standing.timeout_until > now:
        return rules.timed_out(standing.timeout_until, now)
    if standing.muted_until and standing.muted_until > now:
        return rules.muted(standing.muted_until, now)
    return None


def may_write_at(standing: Standing, tier: Tier, slow_seconds: int, now: datetime) -> datetime:
    """When the member's cooldown is over; in the past if it is."""
    free_at, wait = EPOCH, cooldown(tier, slow_seconds, strikes_left(standing, now))
    if standing.last_at and wait:  # without one, a message may be judged at an earlier moment than the last one was
        free_at = standing.last_at + wait
    if COOLDOWN_SECONDS[tier] or slow_seconds:
        return free_at
    rush = [sent.at for sent in standing.recent if sent.at > now - RUSH]
    return max(free_at, rush[0] + RUSH) if len(rush) >= RECENT_MAX else free_at


def cooldown(tier: Tier, slow_seconds: int, struck: int) -> timedelta:
    """How long a member waits between two messages."""
    base = max(COOLDOWN_SECONDS[tier], float(slow_seconds))
    if not base and struck:
        base = STRUCK_SECONDS
    return max(timedelta(seconds=base), min(timedelta(seconds=base * 2**struck), COOLDOWN_MAX))


def strikes_left(standing: Standing, now: datetime) -> int:
    """The strikes that have not faded yet."""
    return strikes.left(standing.strikes, standing.struck_at, now)


def _is_struck(standing: Standing) -> bool:
    """Whether the present cooldown has brought a strike already."""
    return bool(standing.struck_at and (standing.last_at is None or standing.struck_at >= standing.last_at))
