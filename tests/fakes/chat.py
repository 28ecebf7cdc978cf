"""Members of the chat, and what they do there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from shared.values.tiers import Tier
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody

CHANNELS = "/v1/social/channels"
MESSAGES = "/v1/social/messages"
HEART = "%E2%9D%A4%EF%B8%8F"


def text(number: int) -> str:
    """A text that is like no other one: texts are compared by their letters alone."""
    return "text " + "".join("bdhmnpqrwx"[int(digit)] for digit in str(number))


@dataclass(frozen=True)
class Chatter:
    """A member with a client."""

    somebody: Somebody
    client: FunctionClient

    @property
    def name(self) -> str:
        return str(self.client.get("/v1/users/me").body["username"])

    def post(self, channel: UUID, said: str, client_id: UUID | None = None, **more: object) -> Answer:
        body = {"client_id": str(client_id or uuid4()), "text": said, **more}
        return self.client.post(f"{CHANNELS}/{channel}/messages", body)

    def posted(self, channel: UUID, said: str, client_id: UUID | None = None, **more: object) -> dict[str, Any]:
        """Post a message that is accepted."""
        answer = self.post(channel, said, client_id, **more)
        assert answer.status == 201, answer.body
        return dict(answer.body)

    def edit(self, message: str, said: str, revision: int = 1) -> Answer:
        return self.client.send(
            "PUT",
            f"{MESSAGES}/{message}",
            f'{{"text": "{said}"}}'.encode(),
            {"Content-Type": "application/json", "If-Match": f'"{revision}"'},
        )

    def remove(self, message: str) -> Answer:
        return self.client.delete(f"{MESSAGES}/{message}")

    def react(self, message: str, emoji: str = HEART) -> Answer:
        return self.client.put(f"{MESSAGES}/{message}/reactions/{emoji}")

    def page(self, channel: UUID, query: str = "") -> Answer:
        return self.client.get(f"{CHANNELS}/{channel}/messages{query}")

    def numbers(self, channel: UUID, query: str = "") -> list[int]:
        return [message["number"] for message in self.page(channel, query).body["messages"]]

    def changes(self, channel: UUID, since: int, limit: int = 200) -> dict[str, Any]:
        return dict(self.client.get(f"{CHANNELS}/{channel}/changes?since={since}&limit={limit}").body)

    def unread(self, channel: UUID) -> int:
        """The unread count that the list of channels shows."""
        shown = self.client.get(CHANNELS).body["channels"]
        return next(int(each["unread"]) for each in shown if each["id"] == str(channel))


@dataclass(frozen=True)
class Chat:
    """The chat of a test: whales have no cooldown."""

    make: Callable[..., FunctionClient]
    sql: Connection

    def member(self, tier: Tier = Tier.WHALE) -> Chatter:
        somebody = factories.member(permanent_tier=tier)
        return Chatter(somebody, self.make(somebody.token))

    def channel(self, slug: str = "general") -> UUID:
        found = self.sql.execute_unnamed("SELECT id FROM social_channels WHERE slug = $1", (slug,)).rows
        return UUID(str(found[0][0]))

    def stand(self, who: Chatter, column: str, value: str) -> None:
        """Set a column of the member's standing, which an admin would."""
        self.sql.execute_unnamed(
            f"INSERT INTO social_standings (member_id, {column}) VALUES ($1, {value}) "
            f"ON CONFLICT (member_id) DO UPDATE SET {column} = EXCLUDED.{column}",
            (who.somebody.id,),
        )

    def messages(self) -> int:
        return int(self.sql.execute_simple("SELECT count(*) FROM social_messages").rows[0][0])
