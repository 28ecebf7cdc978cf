"""How pages and channels' documents are numbered, and when the next page is due. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

OPEN = "open"  # the shift of channels that every tier sees: it never changes
HIDDEN = "hidden"
PAGE_ENTRIES_MAX = 60  # a page of more shows the newest ones, and names the positions that it skips
PAGE_LIFE = timedelta(days=1)
SHIFT_BITS = 32
WAITER_LIFE = timedelta(seconds=10)  # longer than any pace: a waiter that died by then is replaced


def skipped(first: int, last: int, shown: Sequence[int]) -> list[list[int]]:
    """The positions of a page that it does not show, as ranges [from, to]. `shown` is sorted."""
    gaps, place = [], first
    for position in [*shown, last + 1]:
        if position > place:
            gaps.append([place, position - 1])
        place = position + 1
    return gaps


def channel_sequence(revision: int, pins_revision: int, shift: str) -> int:
    """The sequence of a channel's document: it rises with each change of the channel or its pins, and each shift."""
    return (revision + pins_revision) << SHIFT_BITS | (0 if shift == OPEN else int(shift))


def pause(due_at: datetime | None, awaited_until: datetime | None, now: datetime) -> float | None:
    """The seconds until the next page may be made; None if somebody waits for that moment already."""
    if due_at is None or due_at <= now:
        return 0.0
    if awaited_until and awaited_until > now:
        return None
    return (due_at - now).total_seconds()


def access(standard: str, vip: str, high_roller: str, whale: str, *, is_archived: bool) -> Mapping[str, str]:
    """The rights of the tiers, as `firestore.rules` read them. An archived channel is hidden from all."""
    rights = {"standard": standard, "vip": vip, "high_roller": high_roller, "whale": whale}
    return dict.fromkeys(rights, HIDDEN) if is_archived else rights
