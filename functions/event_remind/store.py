"""Events, their reminders, and the members who get these next, as rows."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.states import StreamStatus
from shared.values.tiers import Tier

REMINDED_AT_ONCE = 250


@dataclass(frozen=True)
class Event:
    """A stream that is planned."""

    id: UUID
    title: str
    tier_min: Tier
    status: StreamStatus
    plan: int
    scheduled_at: datetime
    planned_at: datetime


@dataclass(frozen=True)
class Reminder:
    """How far the reminder of a plan is: the number of the last member who was looked at."""

    last_number: int
    done_number: int
    finished_at: datetime | None


@dataclass(frozen=True)
class Member:
    """A member by number; `is_reminded` says whether the event is for them."""

    id: UUID
    number: int
    is_reminded: bool


@dataclass(frozen=True)
class Informed:
    """A member who was told something of an event; `is_told` says whether the event is for them now."""

    id: UUID
    is_told: bool


@dataclass(frozen=True)
class Plan:
    """An event whose reminder has not begun."""

    id: UUID
    plan: int
    scheduled_at: datetime


def lock(tx: Tx, stream_id: UUID) -> Event | None:
    """The event, locked: it is not moved or cancelled between a reminder's members."""
    return tx.first(
        Event,
        """
        SELECT id, title, tier_min, status, plan, scheduled_at, planned_at FROM live_streams
        WHERE id = :id FOR NO KEY UPDATE
        """,
        id=stream_id,
    )


def reminder(tx: Tx, stream_id: UUID, plan: int) -> Reminder | None:
    """The reminder of a plan; None if it has not begun. The event is locked."""
    return tx.first(
        Reminder,
        """
        SELECT last_number, done_number, finished_at FROM live_stream_reminders
        WHERE stream_id = :id AND plan = :plan
        """,
        id=stream_id,
        plan=plan,
    )


def begin(tx: Tx, stream_id: UUID, plan: int, now: datetime) -> None:
    """Begin a reminder, for all members up to the newest one."""
    tx.run(
        """
        INSERT INTO live_stream_reminders (stream_id, plan, last_number, begun_at)
        SELECT :id, :plan, coalesce(max(number), 0), :now FROM members
        """,
        id=stream_id,
        plan=plan,
        now=now,
    )


def members_after(tx: Tx, number: int, last_number: int, tier_min: Tier, quarter: str) -> list[Member]:
    """The next members in the order of their numbers; a suspended, deleted or unproved one is not reminded."""
    return tx.all(
        Member,
        """
        SELECT m.id, m.number, m.status = 'active' AND m.email_verified_at IS NOT NULL
               AND greatest(coalesce(q.tier, 'standard'), m.permanent_tier) >= CAST(:tier_min AS tier) AS is_reminded
        FROM members m LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = :quarter
        WHERE m.number > :number AND m.number <= :last_number ORDER BY m.number LIMIT :limit
        """,
        number=number,
        last_number=last_number,
        tier_min=tier_min,
        quarter=quarter,
        limit=REMINDED_AT_ONCE,
    )


def advance(tx: Tx, stream_id: UUID, plan: int, *, done_number: int, told: int, now: datetime) -> None:
    """Record the progress; with the last number the reminder is finished."""
    tx.run_later(
        """
        UPDATE live_stream_reminders SET done_number = :done_number, told = told + :told,
               finished_at = CASE WHEN :done_number = last_number THEN CAST(:now AS timestamptz) END
        WHERE stream_id = :id AND plan = :plan
        """,
        id=stream_id,
        plan=plan,
        done_number=done_number,
        told=told,
        now=now,
    )


def first_in_use(tx: Tx, keys: Collection[str]) -> str | None:
    """One of these keys under which somebody still has a notification; None when nobody has."""
    return tx.scalar_or_none(
        str,
        """
        SELECT dedupe_key FROM notifications WHERE dedupe_key = ANY(CAST(:keys AS text[])) AND type = 'social' LIMIT 1
        """,
        keys=list(keys),
    )


def informed(tx: Tx, key: str, tier_min: Tier, quarter: str) -> list[Informed]:
    """Members who have the notification with this key, in the order in which `notifications.retract` takes them."""
    return tx.all(
        Informed,
        """
        SELECT m.id, m.status = 'active'
               AND greatest(coalesce(q.tier, 'standard'), m.permanent_tier) >= CAST(:tier_min AS tier) AS is_told
        FROM (SELECT id, member_id FROM notifications WHERE dedupe_key = :key AND type = 'social'
              ORDER BY id LIMIT :limit) n
        JOIN members m ON m.id = n.member_id
        LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = :quarter
        """,
        key=key,
        tier_min=tier_min,
        quarter=quarter,
        limit=REMINDED_AT_ONCE,
    )


def not_begun(tx: Tx, now: datetime, until: datetime) -> list[Plan]:
    """Events until that time whose reminder has not begun."""
    return tx.all(
        Plan,
        """
        SELECT s.id, s.plan, s.scheduled_at FROM live_streams s
        WHERE s.scheduled_at > :now AND s.scheduled_at <= :until AND s.status IN ('scheduled', 'preparing', 'ready')
          AND NOT EXISTS (SELECT FROM live_stream_reminders r WHERE r.stream_id = s.id AND r.plan = s.plan)
        ORDER BY s.scheduled_at, s.id
        """,
        now=now,
        until=until,
    )
