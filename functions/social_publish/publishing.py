"""Makes pages of a channel's entries, and writes those that are not written as they should be.

Each page belongs to a shift, which is a part of its path. Whoever loses the right to listen ends the shift of all
channels that some tier does not see: what happens from then on lies under another path, which only the channel's
document names, and nobody reads that document without the right.
"""

from datetime import datetime, timedelta
from uuid import UUID

from functions.social_publish import documents, rules, store
from functions.social_publish.store import Tail
from shared import db
from shared.db import Tx
from shared.ports import firestore
from shared.social import heads
from shared.values import tiers

PAGES_AT_ONCE = 20
ROUNDS_MAX = 200  # of so many pages, in one run


def pause(tx: Tx, channel_id: UUID, now: datetime) -> float | None:
    """The seconds that the caller is to wait before it publishes; None if another one waits and publishes."""
    store.lock(tx, channel_id)
    tail = store.tail(tx, channel_id)
    if tail is None or tail.head == tail.position:
        return 0.0
    seconds = rules.pause(tail.due_at, tail.awaited_until, now)
    if seconds:
        store.await_page(tx, channel_id, now + rules.WAITER_LIFE)
    return seconds


def publish(channel_id: UUID, now: datetime) -> None:
    """Make a page of what is in none, and write all that is to be written. Harmless twice and side by side: a document
    is replaced only by one of a later state.
    """
    db.atomically(make_page, channel_id, now)
    for _ in range(ROUNDS_MAX):
        _show_channel(channel_id)
        rows = db.atomically(store.unwritten, channel_id, now - rules.PAGE_LIFE, PAGES_AT_ONCE, rules.PAGE_ENTRIES_MAX)
        if not rows:
            return
        pages = documents.pages(channel_id, rows)
        firestore.put_newer(pages)
        db.atomically(_mark_written, channel_id, {row.first: row.as_of for row in rows})


def unpin(tx: Tx, message_id: UUID, now: datetime) -> None:
    """Take a pin down that is over, and note it in the channel."""
    pin = store.unpin(tx, message_id, now)
    if pin:
        heads.note_one(tx, "unpinned", pin, now)


def current_shift(tx: Tx, now: datetime) -> int:
    """The shift of channels that some tier does not see. It rises here if somebody has left, or a quarter ended."""
    if store.is_shift_over(tx, now):
        found = store.lock_shift(tx)
        gone = store.forget_departures(tx)
        has_ended = found.ends_at is not None and found.ends_at <= now
        ends_at = tiers.quarter_ends_at(tiers.quarter_of(now))
        store.set_shift(tx, found.shift + 1 if gone or has_ended else found.shift, ends_at)
    return store.shift(tx)


def make_page(tx: Tx, channel_id: UUID, now: datetime) -> None:
    """Record a page of what is in none. The head is read before the departures: a page that has a message of after a
    departure belongs to the shift of after it.
    """
    store.lock(tx, channel_id)
    tail = store.tail(tx, channel_id)
    if tail is None or tail.head == tail.position:
        return
    shift = str(current_shift(tx, now)) if tail.is_restricted else rules.OPEN
    store.make_page(tx, tail, shift, now)
    store.want_anew(tx, channel_id, tail.position + 1, tail.head, now - rules.PAGE_LIFE)
    store.move_tail(tx, channel_id, tail.head, now + timedelta(milliseconds=tail.pace_ms))


def _show_channel(channel_id: UUID) -> None:
    """Write the channel's document if it has changed: before a page of a new shift, so that listeners look there."""
    tail = db.atomically(store.tail, channel_id)
    if tail is None:
        return
    document = documents.channel(tail)
    if document.sequence > tail.shown:
        firestore.put_newer([document])
        db.atomically(_mark_shown, tail, document.sequence)


def _mark_shown(tx: Tx, tail: Tail, sequence: int) -> None:
    store.lock(tx, tail.id)
    store.mark_shown(tx, tail.id, sequence)


def _mark_written(tx: Tx, channel_id: UUID, written: dict[int, int]) -> None:
    store.lock(tx, channel_id)
    store.mark_written(tx, channel_id, written)
