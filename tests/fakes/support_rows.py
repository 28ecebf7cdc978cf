"""Sanctions of the chat, which admins will give, and appeals of them."""

from datetime import datetime
from uuid import UUID, uuid4

from tests.factories import NOW, Somebody
from tests.fakes import list_rows


def case(of: Somebody, kind: str = "mute", at: datetime = NOW) -> UUID:
    """A sanction of the member's, or the lift of one; returns the case's id."""
    made = uuid4()
    list_rows.insert("social_sanctions", id=made, member_id=of.id, kind=kind, reason="five like messages", given_at=at)
    return made


def sanction(owner: Somebody, at: datetime, number: int) -> str:
    """A sanction for a list; every second one was appealed."""
    made = case(owner, ("mute", "timeout", "ban")[number % 3], at)
    if number % 2:
        list_rows.insert("support_appeals", sanction_id=made, member_id=owner.id, message="Why?", made_at=at)
    return str(made)


def lift(owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - as all rows of lists
    return str(case(owner, "lift", at))
