"""Controls who may listen to Firestore: records when a realtime token was issued, and revokes earlier ones.

A realtime token holds the member's tier and the time of its issue. `firestore.rules` accept it for an hour from that
time, whenever it was exchanged, and not at all if it was issued before the member's last revocation. Code that lowers a
tier, ends a session or closes an account calls `revoke`.

Both functions wait for the member's row: `issue` sees earlier revocations, and `revoke` sees earlier issues. Each
records a moment after the other's, so that clocks that differ neither admit a revoked token nor refuse a valid one.
"""

from datetime import datetime
from uuid import UUID

from shared import events
from shared.db import Tx
from shared.events import ListenerRevoked


def issue(tx: Tx, member_id: UUID, now: datetime) -> datetime:
    """The time at which the token counts as issued: now, or just after the last revocation.

    Read the member's session and tier after this call: a revocation that was under way has then changed them.
    """
    return tx.scalar(
        datetime,
        """
        INSERT INTO listener_revocations AS earlier (member_id, issued_at) VALUES (:member_id, :now)
        ON CONFLICT (member_id) DO UPDATE
        SET issued_at = greatest(earlier.issued_at, EXCLUDED.issued_at, earlier.before + interval '1 millisecond')
        RETURNING issued_at
        """,
        member_id=member_id,
        now=now,
    )


def revoke(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Revoke the tokens issued so far: they show nothing, whenever they are exchanged. Harmless twice."""
    tx.run_later(
        """
        INSERT INTO listener_revocations AS earlier (member_id, before) VALUES (:member_id, :now)
        ON CONFLICT (member_id) DO UPDATE
        SET before = greatest(earlier.before, EXCLUDED.before, earlier.issued_at)
        """,
        member_id=member_id,
        now=now,
    )
    events.emit(tx, now, ListenerRevoked(member_id=member_id))
