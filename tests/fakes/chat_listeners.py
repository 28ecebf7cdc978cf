"""Listeners of the chat: the state of a channel, made of its pages as clients make it."""

import base64
import json
import zlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from google.cloud.firestore import Client

from tests.fakes.invoker import FunctionInvoker


@dataclass(frozen=True)
class ChatListeners:
    """The listeners' copies, and the job that writes them."""

    copies: Client
    invoker: FunctionInvoker

    def publish(self, channel: UUID) -> int:
        """Deliver that something has happened in the channel; returns the answer's status."""
        return self.invoker.event("social_publish", "channel-changed", {"channel_id": str(channel)})

    def sweep(self) -> int:
        return self.invoker.schedule("social_publish", "sweep")

    def document(self, channel: UUID) -> dict[str, Any]:
        """The channel's own document."""
        return self.copies.document(f"channels/{channel}").get().to_dict() or {}

    def pages(self, channel: UUID, shift: str = "open") -> list[dict[str, Any]]:
        """The pages of a shift, in order."""
        found = self.copies.collection(f"channels/{channel}/shifts/{shift}/pages").order_by("last").get()
        return [snapshot.to_dict() or {} for snapshot in found]

    def changes(self, channel: UUID, shift: str = "open") -> list[dict[str, Any]]:
        """All changes that pages of a shift tell, in order."""
        return [change for page in self.pages(channel, shift) for change in body(page)]

    def known(self, channel: UUID, shift: str = "open") -> dict[int, dict[str, Any]]:
        """The messages by number, as somebody knows them who has read all pages: of each the latest version."""
        messages: dict[int, dict[str, Any]] = {}
        for change in self.changes(channel, shift):
            messages[change["message"]["number"]] = change["message"]
        return messages


def body(page: dict[str, Any]) -> list[dict[str, Any]]:
    """The changes in a page."""
    text = zlib.decompress(base64.b64decode(page["body"])).decode() if page["deflated"] else page["body"]
    return list(json.loads(text))


def shown(message: dict[str, Any]) -> tuple[object, ...]:
    """The content of a message, by which a listener's version is compared with the API's."""
    given = sorted((reaction["emoji"], reaction["count"]) for reaction in message.get("reactions", []))
    said = "" if message["removed"] else message["text"]
    return message["number"], message["revision"], said, message["removed"], given
