"""The inputs of streams at Live Stream, as admins start, stop and renew them, as rows."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class Input:
    """The stream's input; `sealed_key` and `address` are None until the service has made it."""

    start_id: UUID
    address: str | None
    sealed_key: bytes | None = field(repr=False)


def find(tx: Tx, stream_id: UUID) -> Input | None:
    """The stream's input; None if the stream was never started. The stream's own row is locked."""
    return tx.first(
        Input, "SELECT start_id, address, sealed_key FROM live_stream_inputs WHERE stream_id = :id", id=stream_id
    )


def begin(tx: Tx, stream_id: UUID, start_id: UUID, now: datetime) -> None:
    """Have a scheduled stream prepared."""
    tx.run("UPDATE live_streams SET status = 'preparing', revision = revision + 1 WHERE id = :id", id=stream_id)
    tx.run(
        """
        INSERT INTO live_stream_inputs (stream_id, start_id, begun_at, look_at) VALUES (:id, :start_id, :now, :now)
        """,
        id=stream_id,
        start_id=start_id,
        now=now,
    )


def end(tx: Tx, stream_id: UUID, now: datetime) -> None:
    """End a live stream; the recording ends now."""
    tx.run(
        "UPDATE live_streams SET status = 'ending', interrupted_at = NULL, revision = revision + 1 WHERE id = :id",
        id=stream_id,
    )
    tx.run(
        """
        UPDATE live_stream_inputs SET ending_at = coalesce(ending_at, :now), clip_until = coalesce(clip_until, :now),
               look_at = :now
        WHERE stream_id = :id
        """,
        id=stream_id,
        now=now,
    )


def look(tx: Tx, stream_id: UUID, now: datetime) -> None:
    """Have what the service has for the stream looked at now, if there is something."""
    tx.run(
        "UPDATE live_stream_inputs SET look_at = :now WHERE stream_id = :id AND look_at IS NOT NULL",
        id=stream_id,
        now=now,
    )


def rotate(tx: Tx, stream_id: UUID, now: datetime) -> None:
    """Forget the key, and have the stream prepared anew with another one; what the old key opened is deleted first."""
    tx.run("UPDATE live_streams SET status = 'preparing', revision = revision + 1 WHERE id = :id", id=stream_id)
    tx.run(
        """
        UPDATE live_stream_inputs SET generation = generation + 1, address = NULL, sealed_key = NULL, key_hash = NULL,
               failures = 0, look_at = :now
        WHERE stream_id = :id
        """,
        id=stream_id,
        now=now,
    )


def overlay(tx: Tx, stream_id: UUID, text: str | None) -> None:
    """Show a text over the picture, or none."""
    tx.run(
        "UPDATE live_streams SET overlay = CAST(:text AS text), revision = revision + 1 WHERE id = :id",
        id=stream_id,
        text=text,
    )
