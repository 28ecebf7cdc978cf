"""The audit log: what an admin did, in the transaction that did it. It is never changed and kept for seven years."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.auth import Admin
from shared.db import Tx
from shared.web.http import Client


@dataclass(frozen=True)
class Action:
    """One act of an admin. `name` is noun.verb; `changes` holds the old and new values, without secrets."""

    name: str
    resource_type: str
    resource_id: UUID | str
    changes: Mapping[str, object]


def record(tx: Tx, admin: Admin, client: Client, action: Action, now: datetime) -> None:
    """Write one line to the audit log."""
    tx.run_later(
        """
        INSERT INTO audit_logs (actor_id, action, resource_type, resource_id, changes, ip_address, user_agent,
                                created_at)
        VALUES (:actor_id, :action, :resource_type, :resource_id, :changes, :ip_address, :user_agent, :now)
        """,
        actor_id=admin.id,
        action=action.name,
        resource_type=action.resource_type,
        resource_id=str(action.resource_id),
        changes=dict(action.changes),
        ip_address=client.ip_address,
        user_agent=client.user_agent,
        now=now,
    )
