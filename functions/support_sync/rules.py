"""Decides when Intercom is asked again, and writes what people there read. Pure."""

from datetime import datetime, timedelta
from uuid import UUID

FIRST_PAUSE = timedelta(minutes=1)
PAUSE_MAX = timedelta(hours=1)
REFUSAL_PAUSE = timedelta(hours=24)
LOOKED_UP_AFTER = timedelta(minutes=10)  # Intercom's search finds a new conversation after a few minutes
FORGOTTEN_AGAIN_AFTER = timedelta(minutes=15)  # longer than a token for the messenger is good


def again_after(failures: int, asked_for: timedelta) -> timedelta:
    """The pause after so many failures in a row, the last of which asked for a pause itself."""
    doubled: timedelta = FIRST_PAUSE * 2 ** min(failures, 10)
    return max(min(doubled, PAUSE_MAX), asked_for)


def may_look(sent_at: datetime, now: datetime) -> bool:
    """True once a conversation that was opened then is found by a search."""
    return now >= sent_at + LOOKED_UP_AFTER


def mark(sanction_id: UUID) -> str:
    """The text by which an appeal's conversation is found again."""
    return f"Case {sanction_id}"


def first_message(sanction_id: UUID, kind: str, message: str) -> str:
    """The text that opens the conversation about an appeal."""
    return f"{mark(sanction_id)}: appeal of a {kind} in the chat.\n\n{message}"
