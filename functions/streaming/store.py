"""Streams as members see them, as rows. Each query leaves out what the member's tier may not watch."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.streaming.models import LiveStream
from shared.db import Tx
from shared.values.states import StreamStatus
from shared.values.tiers import Tier
from shared.web.paging import Position

STREAMS_MAX = 100  # on a page of the calendar, or live at once


@dataclass(frozen=True)
class Watched:
    """A stream that somebody watches, and which of its viewers beat."""

    status: StreamStatus
    sample_shift: int


def live(tx: Tx, tier: Tier) -> list[LiveStream]:
    """The streams that are live now, the newest first."""
    return tx.all(
        LiveStream,
        """
        SELECT id, title, description, host_name, tier_min, channel_id, status, scheduled_at,
               to_char(starts, 'YYYY-MM-DD"T"HH24:MI') AS starts, time_zone, started_at, interrupted_at, ended_at,
               overlay, viewers, is_estimate, peak_viewers, sample_shift,
               vod_state = 'ready' AS has_recording
        FROM live_streams WHERE status IN ('live', 'ending') AND started_at IS NOT NULL
          AND tier_min <= CAST(:tier AS tier)
        ORDER BY started_at DESC, id DESC LIMIT :limit
        """,
        tier=tier,
        limit=STREAMS_MAX,
    )


def planned(tx: Tx, tier: Tier, first: datetime, after: datetime) -> list[LiveStream]:
    """The streams that are planned from `first` until before `after`, also cancelled ones; earliest first."""
    return tx.all(
        LiveStream,
        """
        SELECT id, title, description, host_name, tier_min, channel_id, status, scheduled_at,
               to_char(starts, 'YYYY-MM-DD"T"HH24:MI') AS starts, time_zone, started_at, interrupted_at, ended_at,
               overlay, viewers, is_estimate, peak_viewers, sample_shift,
               vod_state = 'ready' AS has_recording
        FROM live_streams WHERE scheduled_at >= :first AND scheduled_at < :after
          AND status NOT IN ('ended', 'failed') AND tier_min <= CAST(:tier AS tier)
        ORDER BY scheduled_at, id LIMIT :limit
        """,
        tier=tier,
        first=first,
        after=after,
        limit=STREAMS_MAX,
    )


def archive(tx: Tx, tier: Tier, after: Position | None, limit: int) -> list[LiveStream]:
    """The streams that have ended, after a position, the newest first."""
    return tx.all(
        LiveStream,
        """
        SELECT id, title, description, host_name, tier_min, channel_id, status, scheduled_at,
               to_char(starts, 'YYYY-MM-DD"T"HH24:MI') AS starts, time_zone, started_at, interrupted_at, ended_at,
               overlay, viewers, is_estimate, peak_viewers, sample_shift,
               vod_state = 'ready' AS has_recording
        FROM live_streams WHERE status = 'ended' AND tier_min <= CAST(:tier AS tier)
          AND (CAST(:at AS timestamptz) IS NULL OR (ended_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY ended_at DESC, id DESC LIMIT :limit
        """,
        tier=tier,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def find(tx: Tx, tier: Tier, stream_id: UUID) -> LiveStream | None:
    """The stream with this id; None if there is none that the tier may watch."""
    return tx.first(
        LiveStream,
        """
        SELECT id, title, description, host_name, tier_min, channel_id, status, scheduled_at,
               to_char(starts, 'YYYY-MM-DD"T"HH24:MI') AS starts, time_zone, started_at, interrupted_at, ended_at,
               overlay, viewers, is_estimate, peak_viewers, sample_shift,
               vod_state = 'ready' AS has_recording
        FROM live_streams WHERE id = :id AND tier_min <= CAST(:tier AS tier)
        """,
        id=stream_id,
        tier=tier,
    )


def watched(tx: Tx, tier: Tier, stream_id: UUID) -> Watched | None:
    """The state and sample of a stream; None if there is none that the tier may watch."""
    return tx.first(
        Watched,
        "SELECT status, sample_shift FROM live_streams WHERE id = :id AND tier_min <= CAST(:tier AS tier)",
        id=stream_id,
        tier=tier,
    )


def see(tx: Tx, stream_id: UUID, mark: int, now: datetime) -> None:
    """Note that somebody watches."""
    tx.run_later(
        """
        INSERT INTO live_stream_presence AS known (stream_id, mark, seen_at) VALUES (:stream_id, :mark, :now)
        ON CONFLICT (stream_id, mark) DO UPDATE SET seen_at = greatest(known.seen_at, EXCLUDED.seen_at)
        """,
        stream_id=stream_id,
        mark=mark,
        now=now,
    )
