"""Rows of banks that owners have connected."""

from datetime import datetime
from uuid import uuid4

from pg8000.dbapi import Connection

from tests.fakes.plain_rows import put, unchecked


def bank(sql: Connection, at: datetime, state: str = "active") -> None:
    """A bank that was connected, came into this state and was synced last at this moment."""
    made = uuid4()
    moments = dict.fromkeys(("state_at", "connected_at", "last_synced_at", "told_at"), at)
    with unchecked(sql):
        put(
            sql,
            "teller_enrollments",
            id=made,
            teller_enrollment_id=f"enr_{made.hex}",
            institution="A bank",
            sealed_token=b"sealed",
            state=state,
            **moments,
        )
