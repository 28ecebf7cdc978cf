"""A desk at which campaigns are sent: an admin, mails as the provider has them, and deliveries of tasks."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pg8000.dbapi import Connection

from functions.campaign_send import store
from shared.auth import Role
from tests import factories
from tests.client import Client, FunctionClient
from tests.factories import Somebody
from tests.fakes.profile_client import ProfileClient
from tests.platform import Platform

AT_ONCE = 3  # numbers per task


@dataclass(frozen=True)
class CampaignDesk:
    """The admin's client, and everything that a campaign sets in motion."""

    admin: FunctionClient
    client: Client
    platform: Platform
    sql: Connection

    @property
    def jobs(self) -> ProfileClient:
        """Deliveries of the tasks that wait."""
        return ProfileClient(self.admin, self.platform, self.sql)

    def other_admin(self) -> FunctionClient:
        """The client of a second person of the same role."""
        return self.client(factories.member(role=Role.OPERATIONS).token)

    def number(self, somebody: Somebody) -> int:
        """The member's number, by which a segment names single members."""
        ((found,),) = self.sql.execute_unnamed("SELECT number FROM members WHERE id = $1", (somebody.id,)).rows
        return int(found)

    def deliver_mails(self, *, times: int = 1) -> set[int]:
        """Have every queued mail sent, `times` times each; the statuses that this was answered with."""
        rows = self.sql.execute_simple("SELECT id FROM mails WHERE status = 'queued' ORDER BY queued_at, id").rows
        return {
            self.jobs.invoker.event("email_send", "mail-queued", {"mail_id": str(identity)}, message_id=f"m-{identity}")
            for (identity,) in rows
            for _ in range(times)
        }

    def got(self) -> Counter[str]:
        """How many mails each address has got."""
        return Counter(mail.to[0]["email"] for mail in self.platform.mail.mails())

    def state_of(self, campaign: str) -> tuple[str, str | None]:
        """The campaign's state, and why it is paused."""
        found = self.admin.get(f"/v1/admin/mails/campaigns/{campaign}").body
        return found["state"], found["pause_reason"]


@pytest.fixture
def campaign_desk(
    client: Client, platform: Platform, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CampaignDesk]:
    """The admin is the first member; a task looks at three numbers."""
    monkeypatch.setattr(store, "NUMBERS_AT_ONCE", AT_ONCE)
    platform.mail.clear()
    yield CampaignDesk(client(factories.member(role=Role.OPERATIONS).token), client, platform, sql)
    platform.mail.clear()
