"""Streams that Live Stream has something for, and channels that it runs for nobody, as rows."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.states import RecordingState, StreamStatus


@dataclass(frozen=True)
class Held:
    """A stream that a worker looks at, as it is when it is read."""

    stream_id: UUID
    playback_id: str
    status: StreamStatus
    vod_state: RecordingState
    scheduled_at: datetime
    started_at: datetime | None
    interrupted_at: datetime | None
    ended_at: datetime | None
    begun_at: datetime
    generation: int
    generation_gone: int
    key_hash: bytes | None
    operation: str | None
    operation_at: datetime | None
    observed: str | None
    observed_since: datetime | None
    failures: int
    ending_at: datetime | None
    clip_until: datetime | None
    clip_at: datetime | None
    clips: int
    held_until: datetime | None
    waits: bool


@dataclass(frozen=True)
class Audience:
    """How many of a live stream's sample are there."""

    stream_id: UUID
    sample_shift: int
    seen: int


def lock(tx: Tx, stream_id: UUID) -> Held | None:
    """The stream and its input, both locked until the commit: what another worker or an admin has stored meanwhile is
    seen. None if the stream was never started.
    """
    return tx.first(
        Held,
        """
        SELECT s.id AS stream_id, s.playback_id, s.status, s.vod_state, s.scheduled_at, s.started_at, s.interrupted_at,
               s.ended_at, i.begun_at, i.generation, i.generation_gone, i.key_hash, i.operation, i.operation_at,
               i.observed, i.observed_since, i.failures, i.ending_at, i.clip_until, i.clip_at, i.clips, i.held_until,
               i.look_at IS NOT NULL AS waits
        FROM live_streams s JOIN live_stream_inputs i ON i.stream_id = s.id
        WHERE s.id = :id FOR NO KEY UPDATE
        """,
        id=stream_id,
    )


def hold(tx: Tx, stream_id: UUID, until: datetime) -> None:
    """Have no other worker look at the stream until then; what this one stores names the same moment."""
    tx.run(
        "UPDATE live_stream_inputs SET held_until = :until, look_at = :until WHERE stream_id = :id",
        id=stream_id,
        until=until,
    )


def record_operation(tx: Tx, stream_id: UUID, held_until: datetime, operation: str, now: datetime) -> bool:
    """Record what the service has begun, before it is waited for; False if another worker has the stream by now."""
    return bool(
        tx.run(
            """
            UPDATE live_stream_inputs SET operation = :operation, operation_at = :now
            WHERE stream_id = :id AND held_until = :held_until
            """,
            id=stream_id,
            held_until=held_until,
            operation=operation,
            now=now,
        )
    )


def operation_ended(tx: Tx, stream_id: UUID, held_until: datetime, error: str | None) -> None:
    """Note that the recorded operation is over, and why it has failed."""
    tx.run(
        """
        UPDATE live_stream_inputs SET operation = NULL, operation_at = NULL, last_error = CAST(:error AS text),
               failures = CASE WHEN CAST(:error AS text) IS NULL THEN 0 ELSE failures + 1 END
        WHERE stream_id = :id AND held_until = :held_until
        """,
        id=stream_id,
        held_until=held_until,
        error=error,
    )


def failed(tx: Tx, stream_id: UUID, held_until: datetime, reason: str, *, counted: bool, before: datetime) -> None:
    """Note why a call has failed, and count it, if it counts. An operation from before then is waited for no more."""
    tx.run(
        """
        UPDATE live_stream_inputs SET last_error = :reason,
               failures = CASE WHEN CAST(:counted AS boolean) THEN failures + 1 ELSE failures END,
               operation = CASE WHEN operation_at > :before THEN operation END,
               operation_at = CASE WHEN operation_at > :before THEN operation_at END
        WHERE stream_id = :id AND held_until = :held_until
        """,
        id=stream_id,
        held_until=held_until,
        reason=reason,
        counted=counted,
        before=before,
    )


def observe(tx: Tx, stream_id: UUID, held_until: datetime, observed: str, *, is_prepared: bool, now: datetime) -> None:
    """Note what the channel was seen doing. What is prepared has left its failures behind."""
    tx.run(
        """
        UPDATE live_stream_inputs SET observed = :observed, observed_at = :now,
               observed_since = CASE WHEN observed = :observed THEN observed_since ELSE :now END,
               failures = CASE WHEN CAST(:is_prepared AS boolean) THEN 0 ELSE failures END
        WHERE stream_id = :id AND held_until = :held_until
        """,
        id=stream_id,
        held_until=held_until,
        observed=observed,
        is_prepared=is_prepared,
        now=now,
    )


def keep_key(tx: Tx, stream_id: UUID, generation: int, *, address: str, sealed: bytes, key_hash: bytes) -> None:
    """Keep where the encoder sends its picture, unless a newer key is wanted by now."""
    tx.run(
        """
        UPDATE live_stream_inputs SET address = :address, sealed_key = :sealed, key_hash = :key_hash
        WHERE stream_id = :id AND generation = :generation
        """,
        id=stream_id,
        generation=generation,
        address=address,
        sealed=sealed,
        key_hash=key_hash,
    )


def become(tx: Tx, stream_id: UUID, status: StreamStatus, now: datetime) -> None:
    """Take the stream to a state. It is locked, and in the one that it was seen in."""
    tx.run(
        """
        UPDATE live_streams
        SET status = :status, revision = revision + 1,
            started_at = CASE WHEN :status = 'live' THEN :now ELSE started_at END,
            ended_at = CASE WHEN :status IN ('ended', 'failed') THEN :now ELSE ended_at END,
            interrupted_at = CASE WHEN :status = 'live' THEN interrupted_at END,
            vod_state = CASE WHEN :status = 'ended' THEN 'making' ELSE vod_state END
        WHERE id = :id
        """,
        id=stream_id,
        status=status,
        now=now,
    )


def interrupted(tx: Tx, stream_id: UUID, since: datetime | None) -> None:
    """Note since when a live stream has no picture; None once it has one."""
    tx.run(
        """
        UPDATE live_streams SET interrupted_at = CAST(:since AS timestamptz), revision = revision + 1
        WHERE id = :id AND status = 'live'
        """,
        id=stream_id,
        since=since,
    )


def recorded(tx: Tx, stream_id: UUID, state: RecordingState) -> None:
    """Note what has become of the recording."""
    tx.run(
        "UPDATE live_streams SET vod_state = :state, revision = revision + 1 WHERE id = :id AND vod_state = 'making'",
        id=stream_id,
        state=state,
    )


def begin_end(tx: Tx, stream_id: UUID, until: datetime, now: datetime) -> None:
    """Note that the event ends now, and fix the end of the recording."""
    tx.run(
        """
        UPDATE live_stream_inputs SET ending_at = coalesce(ending_at, :now), clip_until = coalesce(clip_until, :until)
        WHERE stream_id = :id
        """,
        id=stream_id,
        until=until,
        now=now,
    )


def ask_for_clip(tx: Tx, stream_id: UUID, now: datetime) -> None:
    """Note that a clip is asked for now."""
    tx.run("UPDATE live_stream_inputs SET clip_at = :now WHERE stream_id = :id", id=stream_id, now=now)


def count_clip(tx: Tx, stream_id: UUID, number: int) -> None:
    """Note that the service has the clip of this number. Until then it is asked for under the same one again."""
    tx.run(
        "UPDATE live_stream_inputs SET clips = greatest(clips, :number) WHERE stream_id = :id",
        id=stream_id,
        number=number,
    )


def generation_gone(tx: Tx, stream_id: UUID, generation: int) -> None:
    """Note that the service has nothing of this generation any more."""
    tx.run(
        "UPDATE live_stream_inputs SET generation_gone = :generation WHERE stream_id = :id",
        id=stream_id,
        generation=generation,
    )


def release(tx: Tx, stream_id: UUID, held_until: datetime, look_at: datetime | None) -> None:
    """Let others look at the stream, at that time, or never again."""
    tx.run(
        """
        UPDATE live_stream_inputs SET held_until = NULL, look_at = CAST(:look_at AS timestamptz)
        WHERE stream_id = :id AND held_until = :held_until
        """,
        id=stream_id,
        held_until=held_until,
        look_at=look_at,
    )


def due(tx: Tx, now: datetime, look_at: datetime, limit: int) -> list[UUID]:
    """Streams that should have been looked at by now, longest waiting first; they are due again at `look_at`."""
    return tx.column(
        UUID,
        """
        WITH due AS (
            SELECT stream_id FROM live_stream_inputs WHERE look_at <= :now
            ORDER BY look_at, stream_id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE live_stream_inputs i SET look_at = :look_at FROM due WHERE i.stream_id = due.stream_id
        RETURNING i.stream_id
        """,
        now=now,
        look_at=look_at,
        limit=limit,
    )


def wanted(tx: Tx) -> list[UUID]:
    """The streams for which the service may have something."""
    return tx.column(UUID, "SELECT stream_id FROM live_stream_inputs WHERE look_at IS NOT NULL")


def strays(tx: Tx, channels: Collection[str], now: datetime, before: datetime) -> list[str]:
    """Remember the channels that run for nobody, and forget all others; those that do so since before that time."""
    tx.run("DELETE FROM live_stream_strays WHERE NOT channel = ANY(CAST(:channels AS text[]))", channels=list(channels))
    tx.run(
        """
        INSERT INTO live_stream_strays (channel, since)
        SELECT channel, :now FROM unnest(CAST(:channels AS text[])) AS channel ORDER BY channel ON CONFLICT DO NOTHING
        """,
        channels=list(channels),
        now=now,
    )
    return tx.column(
        str, "SELECT channel FROM live_stream_strays WHERE since <= :before ORDER BY channel", before=before
    )


def audiences(tx: Tx, since: datetime) -> list[Audience]:
    """The live streams, with how many of those who are sampled were seen since then."""
    return tx.all(
        Audience,
        """
        SELECT s.id AS stream_id, s.sample_shift,
               (SELECT count(*) FROM live_stream_presence p
                WHERE p.stream_id = s.id AND p.seen_at > :since
                  AND p.mark % (CAST(1 AS bigint) << s.sample_shift) = 0) AS seen
        FROM live_streams s WHERE s.status = 'live' ORDER BY s.id
        """,
        since=since,
    )


def count_viewers(tx: Tx, stream_id: UUID, viewers: int, *, is_estimate: bool, sample_shift: int) -> None:
    """Store how many watch, and which of them are counted from now on."""
    tx.run(
        """
        UPDATE live_streams SET viewers = :viewers, is_estimate = :is_estimate, sample_shift = :sample_shift,
               peak_viewers = greatest(peak_viewers, :viewers)
        WHERE id = :id AND status = 'live'
        """,
        id=stream_id,
        viewers=viewers,
        is_estimate=is_estimate,
        sample_shift=sample_shift,
    )


def clear_viewers(tx: Tx) -> None:
    """Store that nobody watches a stream that is not live."""
    tx.run(
        """
        UPDATE live_streams SET viewers = 0, is_estimate = false, sample_shift = 0
        WHERE status <> 'live' AND (viewers > 0 OR sample_shift > 0)
        """
    )


def forget_seen(tx: Tx, before: datetime) -> None:
    """Forget who was seen last before then."""
    tx.run("DELETE FROM live_stream_presence WHERE seen_at < :before", before=before)
