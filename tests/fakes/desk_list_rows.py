"""Rows of the lists at the admins' desk: members, timelines, the audit log, changes of settings."""

import json
from datetime import datetime
from uuid import uuid4

from shared import db
from tests import factories
from tests.factories import Somebody
from tests.fakes import list_rows


def user(owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - as all of them
    """A member who signed up then, with a wallet."""
    made = factories.member(wallet=f"0x{uuid4().hex}{uuid4().hex[:8]}")
    list_rows.run(
        "UPDATE members SET created_at = :at, username = :username WHERE id = :id",
        id=made.id,
        at=at,
        username=f"listed_{uuid4().hex[:12]}",
    )
    return str(made.id)


def audit_line(owner: Somebody, at: datetime, number: int) -> str:
    """A line about what an admin did then: the second and the third of them is somebody else."""
    actor = owner if number % 3 == 0 else factories.member()
    action, kind = (("member.suspend", "member"), ("order.cancel", "order"))[number % 2]
    thing = str(uuid4())
    list_rows.insert(
        "audit_logs", actor_id=actor.id, action=action, resource_type=kind, resource_id=thing, created_at=at
    )
    found = "SELECT id FROM audit_logs WHERE resource_id = :thing"
    return str(db.atomically(lambda tx: tx.scalar(int, found, thing=thing)))


def critical_event(owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - as all of them
    """A node that was behind then; the second and the fourth of them still are."""
    made = uuid4()
    ended_at = None if number % 2 else at
    list_rows.insert("critical_events", id=made, kind="node_behind", subject=str(made), detail="It hangs.",
           runbook="docs/alerts.md#node-behind", begun_at=at, ended_at=ended_at)  # fmt: skip
    return str(made)


def timeline_entry(owner: Somebody, at: datetime, number: int) -> str:
    """A comp, a message or a tier."""
    make = (list_rows.comp, list_rows.notification, list_rows.tier_change)[number % 3]
    return make(owner, at, number)


def setting_change(name: str, owner: Somebody, at: datetime, number: int) -> str:
    made = uuid4()
    list_rows.insert("setting_changes", id=made, name=name, revision=2 + number, before=json.dumps(number),
           after=json.dumps(number + 1), changed_by=owner.id, reason="for Christmas", changed_at=at)  # fmt: skip
    return str(made)
