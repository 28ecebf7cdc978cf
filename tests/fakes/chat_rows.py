"""Rows of the lists about the chat."""

from datetime import datetime
from uuid import UUID, uuid4

from shared import db
from tests import factories
from tests.factories import Somebody
from tests.fakes import list_rows


def case(owner: Somebody, at: datetime, number: int) -> str:
    """A case about a member, equally urgent each time; every second one is decided."""
    made = uuid4()
    decided = (
        {"decision": "keep", "decision_reason": "x", "decided_at": at, "decided_by": owner.id} if number % 2 else {}
    )
    list_rows.insert(
        "social_cases", id=made, message_id=uuid4(), revision=1, channel_id=channel(), number=1, member_id=owner.id,
        text="x", reports=1, opened_at=at, **decided,
    )  # fmt: skip
    return str(made)


def block(owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - as all of them
    """Somebody whom the owner blocked then."""
    other = factories.member()
    list_rows.insert("social_blocks", member_id=owner.id, blocked_id=other.id, blocked_at=at)
    return str(other.id)


def channel() -> UUID:
    return db.atomically(lambda tx: tx.scalar(UUID, "SELECT id FROM social_channels WHERE slug = 'general'"))
