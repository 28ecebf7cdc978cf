"""One example request for each operation on the chat, in a function of its name."""

from typing import Any
from uuid import UUID, uuid4

from shared.values.tiers import Tier
from tests import factories
from tests.client import FunctionClient
from tests.fakes import pictures
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene

HEART, SMILE = "%E2%9D%A4%EF%B8%8F", "%F0%9F%98%80"


def channel_of(scene: Scene) -> UUID:
    (found,) = scene.sql.execute_simple("SELECT id FROM social_channels WHERE slug = 'general'").rows
    return UUID(str(found[0]))


def draft(text: str) -> dict[str, Any]:
    return {"client_id": str(uuid4()), "text": text}


def author_with_messages(scene: Scene) -> tuple[FunctionClient, list[str]]:
    """A member without a cooldown, and the paths of two messages of theirs."""
    author = scene.client(factories.member(permanent_tier=Tier.WHALE).token)
    made = [author.post(f"/v1/social/channels/{channel_of(scene)}/messages", draft(text)) for text in ("one", "two")]
    return author, [f"/v1/social/messages/{answer.body['id']}" for answer in made]


def post_message(scene: Scene) -> Request:
    path = f"/v1/social/channels/{channel_of(scene)}/messages"
    return as_json(scene.member(), path, draft("Hello"), draft("Hello there"))


def edit_message(scene: Scene) -> Request:
    author, (first, _) = author_with_messages(scene)
    other = Request(author, first, b'{"text": "four"}', version='"1"')
    return Request(author, first, b'{"text": "three"}', version='"1"', other=other)


def remove_message(scene: Scene) -> Request:
    author, (first, second) = author_with_messages(scene)
    return Request(author, first, other=Request(author, second))


def add_reaction(scene: Scene) -> Request:
    author, (first, _) = author_with_messages(scene)
    return Request(author, f"{first}/reactions/{HEART}", other=Request(author, f"{first}/reactions/{SMILE}"))


def remove_reaction(scene: Scene) -> Request:
    given = add_reaction(scene)
    given.client.put(given.path)
    return given


def upload_chat_image(scene: Scene) -> Request:
    member, path = scene.member(), "/v1/social/images"
    (first, headers), (other, _) = (pictures.form(pictures.picture(kind)) for kind in ("JPEG", "PNG"))
    media = headers["Content-Type"]
    return Request(member, path, first, media, other=Request(member, path, other, media))


def mark_read(scene: Scene) -> Request:
    author, _ = author_with_messages(scene)
    path = f"/v1/social/channels/{channel_of(scene)}/read"
    return as_json(author, path, {"number": 1}, {"number": 2})


def report_message(scene: Scene) -> Request:
    _, (first, _) = author_with_messages(scene)
    return as_json(scene.member(), f"{first}/report", {"reason": "spam"}, {"reason": "hate", "note": "look"})


def report_member(scene: Scene) -> Request:
    path = f"/v1/social/members/{factories.member().id}/report"
    return as_json(scene.member(), path, {"reason": "spam"}, {"reason": "hate"})


def block_member(scene: Scene) -> Request:
    member = scene.member()
    first, second = (f"/v1/social/blocks/{factories.member().id}" for _ in range(2))
    return Request(member, first, other=Request(member, second))


def unblock_member(scene: Scene) -> Request:
    blocked = block_member(scene)
    blocked.client.put(blocked.path)
    return blocked
