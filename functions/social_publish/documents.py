"""The chat's Firestore documents: a channel, and a page of its entries. `firestore.rules` says who may read which."""

import base64
import itertools
import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from functions.social_publish import rules
from functions.social_publish.store import PageRow, Tail
from shared.ports.firestore import Document
from shared.social import images

DEFLATED_FROM = 1024  # bytes of the body


def channel(tail: Tail) -> Document:
    """`channels/{channel}`: what it is called, who may read it, and under which shift its newest pages are."""
    return Document(
        path=f"channels/{tail.id}",
        sequence=rules.channel_sequence(tail.revision, tail.pins_revision, tail.shift),
        fields={
            "name": tail.name,
            "access": dict(
                rules.access(
                    tail.access_standard,
                    tail.access_vip,
                    tail.access_high_roller,
                    tail.access_whale,
                    is_archived=tail.is_archived,
                )
            ),
            "shift": tail.shift,
            "slow_seconds": tail.slow_seconds,
            "pins_revision": tail.pins_revision,
        },
    )


def pages(channel_id: UUID, rows: Sequence[PageRow]) -> list[Document]:
    """The documents of the pages whose entries these are, in order."""
    return [_page(channel_id, list(group)) for _, group in itertools.groupby(rows, key=lambda row: row.first)]


def _page(channel_id: UUID, rows: Sequence[PageRow]) -> Document:
    """`channels/{channel}/shifts/{shift}/pages/{first}`. A page of a shift that is over is emptied: whoever still looks
    there may be somebody who must see nothing new.
    """
    page = rows[0]
    shown = [] if page.is_over else [row for row in rows if row.kind is not None]
    body = json.dumps([_change(row) for row in shown], ensure_ascii=False, separators=(",", ":"))
    content = body.encode()
    is_deflated = len(content) > DEFLATED_FROM
    return Document(
        path=f"channels/{channel_id}/shifts/{page.shift}/pages/{page.first}",
        sequence=page.as_of,
        fields={
            "first": page.first,
            "last": page.last,
            "skipped": [
                {"from": first, "to": last}
                for first, last in rules.skipped(page.first, page.last, [row.position for row in shown if row.position])
            ],
            "body": base64.b64encode(zlib.compress(content)).decode() if is_deflated else body,
            "deflated": is_deflated,
        },
        expires_at=page.made_at + rules.PAGE_LIFE,
    )


def _change(row: PageRow) -> Mapping[str, Any]:
    return {"position": row.position, "kind": row.kind, "message": _message(row)}


def _message(row: PageRow) -> Mapping[str, Any]:
    """The message as the API shows it, but for what differs from reader to reader. A removed one has its number."""
    assert row.posted_at, "a page shows messages that are there"
    known: dict[str, Any] = {
        "id": str(row.id),
        "number": row.number,
        "posted_at": row.posted_at.isoformat(),
        "revision": row.revision,
        "removed": row.is_removed,
    }
    if row.is_removed:
        return known
    author = None
    if row.member_id and row.tier:
        author = {
            "member_id": str(row.member_id),
            "username": row.username,
            "avatar_url": row.avatar_url,
            "tier": row.tier.value,
        }
    return {
        **known,
        "author": author,
        "text": row.text,
        "language": row.language,
        "media": _media(row),
        "reply_to": row.reply_to,
        "mentions": [{**mention, "username": row.names.get(mention["member_id"])} for mention in row.mentions or []],
        "reactions": row.reactions,
        "edited_at": _time(row.edited_at),
    }


def _media(row: PageRow) -> Mapping[str, str] | None:
    if row.media_id is None or row.media_type is None:
        return None
    return {"type": row.media_type, "id": row.media_id, "url": images.address(row.media_type, row.media_id)}


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
