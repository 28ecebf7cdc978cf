"""Streams as admins schedule and change them, as rows."""

from datetime import datetime
from uuid import UUID

from functions.admin_streaming.models import AdminStream, NewStream, StreamChange
from shared.db import Tx
from shared.values.states import StreamStatus
from shared.web.paging import Position

When = tuple[datetime, datetime]  # the time on the wall clock, and the moment


def insert(tx: Tx, stream_id: UUID, body: NewStream, *, playback_id: str, when: When, by: UUID, now: datetime) -> None:
    """Schedule a stream. Raises ConstraintViolated (live_streams_channel_id_fkey) when there is no such channel."""
    tx.run(
        """
        INSERT INTO live_streams (id, playback_id, title, description, host_name, tier_min, channel_id, starts,
                                  time_zone, scheduled_at, planned_at, created_by, created_at)
        VALUES (:id, :playback_id, :title, :description, :host_name, :tier_min, :channel_id, :starts,
                :time_zone, :scheduled_at, :now, :by, :now)
        """,
        id=stream_id,
        playback_id=playback_id,
        title=body.title,
        description=body.description,
        host_name=body.host_name,
        tier_min=body.tier_min,
        channel_id=body.channel_id,
        starts=when[0],
        time_zone=body.time_zone,
        scheduled_at=when[1],
        by=by,
        now=now,
    )


def find(tx: Tx, stream_id: UUID) -> AdminStream | None:
    """The stream with this id, if there is one."""
    return tx.first(
        AdminStream,
        """
        SELECT revision, id, playback_id, title, description, host_name, tier_min, channel_id, status,
               to_char(starts, 'YYYY-MM-DD"T"HH24:MI') AS starts, time_zone, scheduled_at, plan, started_at,
               interrupted_at, ended_at, overlay, viewers, is_estimate, peak_viewers, vod_state, created_by, created_at
        FROM live_streams WHERE id = :id
        """,
        id=stream_id,
    )


def lock(tx: Tx, stream_id: UUID) -> AdminStream | None:
    """The stream, locked, so that it changes one version at a time; None if there is none."""
    return tx.first(
        AdminStream,
        """
        SELECT revision, id, playback_id, title, description, host_name, tier_min, channel_id, status,
               to_char(starts, 'YYYY-MM-DD"T"HH24:MI') AS starts, time_zone, scheduled_at, plan, started_at,
               interrupted_at, ended_at, overlay, viewers, is_estimate, peak_viewers, vod_state, created_by, created_at
        FROM live_streams WHERE id = :id FOR NO KEY UPDATE
        """,
        id=stream_id,
    )


def page(tx: Tx, status: StreamStatus | None, after: Position | None, limit: int) -> list[AdminStream]:
    """Streams after a position, the newest first; of one status, if given."""
    return tx.all(
        AdminStream,
        """
        SELECT revision, id, playback_id, title, description, host_name, tier_min, channel_id, status,
               to_char(starts, 'YYYY-MM-DD"T"HH24:MI') AS starts, time_zone, scheduled_at, plan, started_at,
               interrupted_at, ended_at, overlay, viewers, is_estimate, peak_viewers, vod_state, created_by, created_at
        FROM live_streams
        WHERE (CAST(:status AS text) IS NULL OR status = :status)
          AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY created_at DESC, id DESC LIMIT :limit
        """,
        status=status,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def change(tx: Tx, stream_id: UUID, body: StreamChange) -> None:
    """Store the next version of a stream. Raises ConstraintViolated (live_streams_channel_id_fkey)."""
    tx.run(
        """
        UPDATE live_streams SET title = :title, description = :description, host_name = :host_name,
               tier_min = :tier_min, channel_id = :channel_id, revision = revision + 1
        WHERE id = :id
        """,
        id=stream_id,
        title=body.title,
        description=body.description,
        host_name=body.host_name,
        tier_min=body.tier_min,
        channel_id=body.channel_id,
    )


def move(tx: Tx, stream_id: UUID, when: When, time_zone: str, now: datetime) -> None:
    """Plan the stream anew: a reminder of the plan before is not sent any more."""
    tx.run(
        """
        UPDATE live_streams SET starts = :starts, time_zone = :time_zone, scheduled_at = :scheduled_at,
               plan = plan + 1, planned_at = :now, revision = revision + 1
        WHERE id = :id
        """,
        id=stream_id,
        starts=when[0],
        time_zone=time_zone,
        scheduled_at=when[1],
        now=now,
    )


def cancel(tx: Tx, stream_id: UUID, now: datetime) -> None:
    """End a stream that has not begun."""
    tx.run(
        """
        UPDATE live_streams SET status = 'cancelled', ended_at = :now, plan = plan + 1, revision = revision + 1
        WHERE id = :id
        """,
        id=stream_id,
        now=now,
    )
