"""The audit log: what an admin did, in the transaction that did it; never changed, kept seven years."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.auth import Admin
from shared.db import Tx
from shared.http import Client


@dataclass(frozen=True)
class Action:
    """`name` is noun.verb; `changes` holds what was and what is, without secrets."""

    name: str
    resource_type: str
    resource_id: UUID | str
    changes: Mapping[str, object]


def record(tx: Tx, admin: Admin, client: Client, action: Action, now: datetime) -> None:
    """Write a line."""
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
