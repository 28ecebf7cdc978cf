"""Has those told who were reminded of a live event that it was moved, cancelled or given up."""

from datetime import datetime
from uuid import UUID

from shared import events
from shared.db import Tx
from shared.social.events import TellEventChanged


def tell(tx: Tx, stream_id: UUID, now: datetime) -> None:
    """Order it, if anybody may have been reminded, of whichever plan. The stream is locked: no reminder begins."""
    is_reminded = tx.scalar(
        bool, "SELECT EXISTS (SELECT FROM live_stream_reminders WHERE stream_id = :id) AS begun", id=stream_id
    )
    if is_reminded:
        events.enqueue(tx, now, TellEventChanged(stream_id=stream_id))
