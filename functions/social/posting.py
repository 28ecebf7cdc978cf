"""Posts the messages of a group in one transaction: all are judged, then those that are accepted take their numbers.

Locks are taken in this order, here and by every other act: idempotency keys, standings, images, messages and the counts
of their reactions, heads (docs/social.md).
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from functions.social import drafts, message_store, records, rules, store
from functions.social.drafts import Draft
from functions.social.judge import MUTE, Attempt, Judge, refused_at_the_gate
from functions.social.media import NONE
from functions.social.message_store import Message
from functions.social.models import ChatMessage, MessageDraft
from functions.social.records import SentBefore
from functions.social.store import Channel
from shared.auth import Member
from shared.db import Tx
from shared.social import heads, images, standings
from shared.social.media import NotMedia
from shared.values import ids
from shared.values.problems import NotValid, Problem
from shared.web.signatures import Asked

Post = Asked[Member, MessageDraft]


@dataclass
class Round:
    """The messages of a group, at one moment. What was read before stands in the fields, and what is decided."""

    tx: Tx
    now: datetime
    judge: Judge
    channels: Mapping[UUID, Channel]
    targets: set[tuple[UUID, int]]
    names: Mapping[str, UUID]
    known: dict[tuple[UUID, UUID], SentBefore]
    images: set[tuple[UUID, UUID]]
    made: list[tuple[Post, Draft, UUID]] = field(default_factory=list)
    used: dict[UUID, UUID] = field(default_factory=dict)

    def decide(self, post: Post, draft: Draft | NotValid) -> UUID | Problem:
        """The id of the message, which may be one that was sent before; else its refusal."""
        sent = self.known.get((post.caller.id, post.body.client_id))
        if sent:
            return sent.message_id if sent.request_hash == _request_hash(post) else rules.ClientIdReused()
        channel = self.channels.get(post.path["channel_id"])
        gate = channel.gate(post.caller.tier) if channel else None
        if refusal := refused_at_the_gate(self.judge.standing(post.caller.id), gate, self.now):
            return refusal
        if isinstance(draft, NotValid):
            return draft
        if post.body.reply_to and (post.path["channel_id"], post.body.reply_to) not in self.targets:
            return drafts.no_such_reply()
        image = _image(post)
        if image and image not in self.images:
            return drafts.no_such_image()
        attempt = Attempt(post.caller.id, post.caller.tier, gate, draft.mark, draft.is_allowed)
        return self.judge.judge(attempt) or self._accept(post, draft)

    def record(self) -> None:
        """Store what was decided: standings, and then the messages with their numbers and positions."""
        records.keep_standings(self.tx, self.judge.changed.values())
        records.note_mutes(self.tx, self.judge.muted, self.now + MUTE, self.now)
        if not self.made:
            return
        records.use_images(self.tx, self.used)
        counts = Counter(post.path["channel_id"] for post, _, _ in self.made)
        taken = heads.take(self.tx, {channel: (count, count) for channel, count in counts.items()})
        left = dict(counts)
        entries: list[tuple[int, Message]] = []
        for post, draft, identity in self.made:
            channel_id = post.path["channel_id"]
            left[channel_id] -= 1
            message = self._message(post, draft, identity, taken[channel_id].number - left[channel_id])
            entries.append((taken[channel_id].position - left[channel_id], message))
        inserted = [message for _, message in entries]
        records.insert(self.tx, inserted)
        heads.note(self.tx, "message", entries, self.now)
        records.remember(
            self.tx, [self.known[post.caller.id, post.body.client_id] for post, _, _ in self.made], self.now
        )
        records.read_own(self.tx, inserted)

    def _accept(self, post: Post, draft: Draft) -> UUID:
        identity = ids.timed(self.now)
        key = post.caller.id, post.body.client_id
        self.known[key] = SentBefore(*key, _request_hash(post), identity)
        self.made.append((post, draft, identity))
        if image := _image(post):
            self.images.remove(image)
            self.used[image[1]] = identity
        return identity

    def _message(self, post: Post, draft: Draft, identity: UUID, number: int) -> Message:
        posted_at = ids.time_of(identity)
        assert posted_at, "the id begins with its time"
        chosen = post.body.media
        return Message(
            posted_at=posted_at,
            id=identity,
            channel_id=post.path["channel_id"],
            number=number,
            member_id=post.caller.id,
            tier=post.caller.tier,
            text=draft.text,
            language=post.body.language,
            media_type=chosen.type if chosen else NONE,
            media_id=str(image[1]) if (image := _image(post)) else chosen.id if chosen else None,
            reply_to=post.body.reply_to,
            mentions=drafts.mentions(draft.names, self.names),
            revision=1,
            edited_at=None,
            removed_at=None,
        )


def post(tx: Tx, group: Sequence[Post], now: datetime) -> list[ChatMessage | Problem]:
    """Post the messages of a group; each is answered as if it had come alone."""
    read = [drafts.read(asked.body.text, asked.body.media) for asked in group]
    members = {asked.caller.id for asked in group}
    standings.lock(tx, members)
    round_ = Round(
        tx,
        now,
        judge=Judge(store.standings(tx, members), now),
        channels=store.channels_of(tx, {asked.path["channel_id"] for asked in group}),
        targets=records.replied_to(tx, {(a.path["channel_id"], a.body.reply_to) for a in group if a.body.reply_to}),
        names=records.named(tx, {n.name for draft in read if isinstance(draft, Draft) for n in draft.names}),
        known=records.sent_before(tx, {(asked.caller.id, asked.body.client_id) for asked in group}),
        images=records.lock_images(tx, {image for asked in group if (image := _image(asked))}),
    )
    decided = [round_.decide(asked, draft) for asked, draft in zip(group, read, strict=True)]
    round_.record()
    return _answers(tx, decided)


def _answers(tx: Tx, decided: Sequence[UUID | Problem]) -> list[ChatMessage | Problem]:
    """The messages as their authors see them. They are read back, because some were sent long before."""
    found = message_store.with_ids(tx, {each for each in decided if isinstance(each, UUID)})
    shown = {message.id: message for message in message_store.seen(tx, None, list(found.values()))}
    return [each if isinstance(each, Problem) else shown.get(each) or _gone() for each in decided]


def _gone() -> Problem:
    return rules.ClientIdReused("The message was posted, and is no longer kept.")


def _image(post: Post) -> tuple[UUID, UUID] | None:
    """The image that a message would show, by its member and id; None if it shows none."""
    chosen = post.body.media
    if chosen is None or chosen.type != images.IMAGE:
        return None
    try:
        return post.caller.id, images.image_id(chosen.id)
    except NotMedia:
        return None  # its draft is refused


def _request_hash(post: Post) -> bytes:
    asked = f"{post.path['channel_id']}\x00{post.body.model_dump_json()}"
    return hashlib.sha256(asked.encode()).digest()
