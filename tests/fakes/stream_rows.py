"""Streams as rows, in any of their states."""

import base64
import hashlib
from datetime import datetime
from uuid import UUID, uuid4

from shared import db
from shared.credentials import vault
from shared.social.live_names import row_of
from tests.factories import Somebody
from tests.fakes.list_rows import insert

STATES = ("scheduled", "ended", "cancelled")


def stream(owner: Somebody, at: datetime, status: str = "scheduled", **other: object) -> UUID:
    """A stream that was planned for this moment."""
    made = uuid4()
    began = status in ("live", "ending", "ended")
    values: dict[str, object] = {
        "id": made,
        "playback_id": base64.b32encode(made.bytes).decode().rstrip("=").lower(),
        "title": "The Friday Table",
        "description": "",
        "host_name": "Jack Spade",
        "tier_min": "standard",
        "status": status,
        "starts": at.replace(tzinfo=None),
        "time_zone": "UTC",
        "scheduled_at": at,
        "planned_at": at,
        "started_at": at if began else None,
        "ended_at": at if status in ("ended", "cancelled", "failed") else None,
        "created_by": owner.id,
        "created_at": at,
    }
    insert("live_streams", **(values | other))
    return made


def started(owner: Somebody, at: datetime, status: str, **other: object) -> UUID:
    """A stream that Live Stream has an input for, and whose key is known."""
    made = stream(owner, at, status, **other)
    key = made.hex.encode()
    insert(
        "live_stream_inputs",
        stream_id=made,
        start_id=uuid4(),
        begun_at=at,
        address="rtmp://127.0.0.1/live",
        sealed_key=db.atomically(vault.seal, key, row_of(made)),
        key_hash=hashlib.sha256(key).digest(),
        look_at=at,
    )
    return made


def of_admin(owner: Somebody, at: datetime, number: int) -> str:
    return str(stream(owner, at, STATES[number % 3]))


def archived(owner: Somebody, at: datetime, number: int) -> str:
    return str(stream(owner, at, "ended", viewers=number))


def not_archived(owner: Somebody, at: datetime, number: int) -> str:
    return str(stream(owner, at, "live" if number % 2 else "cancelled"))
