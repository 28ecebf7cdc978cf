"""Rows of the lists of votes and proposals."""

from datetime import datetime
from uuid import UUID, uuid4

from tests.factories import Somebody
from tests.fakes.list_rows import insert, run


def draft(owner: Somebody, at: datetime, number: int) -> str:
    """A draft, or one that was discarded."""
    made = _draft(owner, at)
    if number % 2:
        run("UPDATE governance_votes SET status = 'discarded' WHERE id = :id", id=made)
    return str(made)


def opened(owner: Somebody, at: datetime, number: int) -> str:
    """A vote that was opened at this moment, and may take no more ballots."""
    made = _draft(owner, at)
    run("UPDATE governance_votes SET status = 'opening' WHERE id = :id", id=made)
    run(
        """
        UPDATE governance_votes
        SET status = 'active', opened_at = :at, closes_at = CAST(:at AS timestamptz) + interval '1 hour', electors = 0,
            digest = sha256('')
        WHERE id = :id
        """,
        id=made, at=at,
    )  # fmt: skip
    if number % 2:
        run("UPDATE governance_votes SET status = 'closing' WHERE id = :id", id=made)
    return str(made)


def proposal(owner: Somebody, at: datetime, number: int) -> str:
    """A proposal that is open, or withdrawn."""
    made = uuid4()
    ended = {"status": "withdrawn", "decided_at": at} if number % 2 else {}
    insert(
        "governance_proposals", id=made, member_id=owner.id, slot=number % 3 + 1, type="flavor", title="A mango tin",
        body="Mango would be worth a try.", created_at=at, **ended,
    )  # fmt: skip
    return str(made)


def _draft(owner: Somebody, at: datetime) -> UUID:
    made = uuid4()
    insert(
        "governance_votes", id=made, type="flavor", tier_min="vip", title="The next flavor", description="Which one?",
        seconds=3600, quorum_percent=0, created_by=owner.id, created_at=at,
    )  # fmt: skip
    for option, label in ((1, "Mango"), (2, "Peach")):
        insert("governance_options", vote_id=made, option=option, label=label)
    return made
