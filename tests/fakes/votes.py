"""Votes of the members: admins who write and open them, and members who cast ballots."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pg8000.dbapi import Connection

from shared import clock
from shared.auth import Role
from shared.values.tiers import Tier
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.fakes.invoker import FunctionInvoker

VOTES = "/v1/governance/votes"
PROPOSALS = "/v1/governance/proposals"
DESK = "/v1/admin/governance/votes"
PROPOSAL_DESK = "/v1/admin/governance/proposals"
DRAFT: Mapping[str, Any] = {
    "type": "flavor",
    "title": "The next flavor",
    "description": "Which one shall we make?",
    "options": ["Mango", "Peach", "Lime"],
}
PROPOSAL: Mapping[str, Any] = {"type": "flavor", "title": "A mango tin", "body": "Mango would be worth a try."}
QUEUE = "governance-close"
DONE = 204


def write(admin: FunctionClient, **changes: object) -> dict[str, Any]:
    """Write a draft as this admin."""
    made = admin.post(DESK, {**DRAFT, **changes})
    assert made.status == 201, made.body
    return dict(made.body)


def release(admin: FunctionClient, vote: str, revision: int = 1) -> Answer:
    """Have a draft opened."""
    return admin.post(f"{DESK}/{vote}/open", None, **{"If-Match": f'"{revision}"'})


def propose(whale: FunctionClient, **changes: object) -> dict[str, Any]:
    """Propose a vote as this whale."""
    made = whale.post(PROPOSALS, {**PROPOSAL, **changes})
    assert made.status == 201, made.body
    return dict(made.body)


@dataclass(frozen=True)
class Voter:
    """A member with a client."""

    somebody: Somebody
    client: FunctionClient

    def cast(self, vote: str, option: int = 1) -> Answer:
        return self.client.put(f"{VOTES}/{vote}/ballot", {"option": option})

    def see(self, vote: str) -> dict[str, Any]:
        """The vote as this member sees it."""
        answer = self.client.get(f"{VOTES}/{vote}")
        assert answer.status == 200, answer.body
        return dict(answer.body)


@dataclass(frozen=True)
class Votes:
    """The votes of a test."""

    make: Callable[..., FunctionClient]
    sql: Connection
    invoker: FunctionInvoker

    def admin(self) -> FunctionClient:
        return self.make(factories.member(role=Role.OPERATIONS).token)

    def voter(self, tier: Tier = Tier.WHALE) -> Voter:
        somebody = factories.member(permanent_tier=tier)
        return Voter(somebody, self.make(somebody.token))

    def opened(self, admin: FunctionClient | None = None, **changes: object) -> str:
        """A vote that is open; its electors are the members of this moment."""
        admin = admin or self.admin()
        vote = write(admin, **changes)
        assert release(admin, vote["id"]).status == 200
        assert self.tend(vote["id"]) == DONE
        return str(vote["id"])

    def tend(self, vote: str) -> int:
        """Deliver the task of a vote."""
        return self.invoker.task("governance_close", QUEUE, {"vote_id": vote})

    def sweep(self) -> int:
        return self.invoker.schedule("governance_close", "sweep")

    def closed(self, vote: str) -> dict[str, Any]:
        """Close a vote early, and return what admins see of it then."""
        admin = self.admin()
        answer = admin.post(f"{DESK}/{vote}/close", {"reason": "We know enough"})
        assert answer.status == 200, answer.body
        assert self.tend(vote) == DONE
        return dict(admin.get(f"{DESK}/{vote}").body)

    def end(self, vote: str, ago: timedelta = timedelta(0)) -> datetime:
        """Have the time of an open vote end so long ago, as if it had been opened earlier; returns that moment."""
        ended_at = clock.now() - ago
        self.sql.execute_simple("SET session_replication_role = replica")  # else a trigger refuses it
        self.sql.execute_unnamed(
            "UPDATE governance_votes SET closes_at = CAST($1 AS timestamptz), "
            "opened_at = CAST($1 AS timestamptz) - make_interval(secs => seconds) WHERE id = $2",
            (ended_at, vote),
        )
        self.sql.execute_simple("RESET session_replication_role")
        return ended_at

    def electors(self, vote: str) -> set[UUID]:
        found = self.sql.execute_unnamed("SELECT member_id FROM governance_electors WHERE vote_id = $1", (vote,)).rows
        return {UUID(str(row[0])) for row in found}

    def said(self, slug: str) -> list[str]:
        """Messages of the platform in a channel of the chat, oldest first."""
        found = self.sql.execute_unnamed(
            "SELECT m.text FROM social_messages m JOIN social_channels c ON c.id = m.channel_id "
            "WHERE c.slug = $1 AND m.member_id IS NULL ORDER BY m.number",
            (slug,),
        ).rows
        return [str(row[0]) for row in found]
