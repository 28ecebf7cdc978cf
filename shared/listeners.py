"""Who may listen to Firestore: what a member's older realtime tokens say is taken back here.

A realtime token carries the member's tier and lives for an hour (`firestore.rules` counts from its sign-in). Whoever
lowers a tier, ends all sessions or closes an account says so here, and the rules refuse every token made before.
"""

from datetime import datetime
from uuid import UUID

from shared import events
from shared.db import Tx
from shared.events import ListenerRevoked


def revoke(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Listeners who signed in before are shown nothing until they ask for a new token. Harmless twice."""
    tx.run_later(
        """
        INSERT INTO listener_revocations AS earlier (member_id, before) VALUES (:member_id, :now)
        ON CONFLICT (member_id) DO UPDATE SET before = greatest(earlier.before, EXCLUDED.before)
        """,
        member_id=member_id,
        now=now,
    )
    events.emit(tx, now, ListenerRevoked(member_id=member_id))
