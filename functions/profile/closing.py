"""The end of an account: whether it may come, and what happens in the transaction that closes it."""

import secrets
from datetime import datetime
from uuid import UUID

from functions.profile import records, store
from functions.profile.models import Obstacle
from functions.profile.rules import AccountCannotBeDeleted
from shared import comps, events, listeners, mails, matches
from shared.db import Tx
from shared.events import EraseMember, RemoveAvatar
from shared.mails import Letter

FORFEITABLE = frozenset({"comps", "matches"})
REASON = "The account was deleted"


def obstacles(tx: Tx, member_id: UUID) -> list[Obstacle]:
    """What is in the way."""
    found = records.in_the_way(tx, member_id)
    return [Obstacle(**vars(each), forfeitable=each.kind in FORFEITABLE) for each in found]


def close(tx: Tx, member_id: UUID, *, forfeit: bool, now: datetime) -> None:
    """Raises AccountCannotBeDeleted. The totals are locked first, as by everybody who then touches comps."""
    comps.lock_totals(tx, member_id)
    store.lock(tx, member_id)
    in_the_way = [found for found in obstacles(tx, member_id) if not (forfeit and found.forfeitable)]
    if in_the_way:
        told = [found.model_dump(exclude={"amount"}) for found in in_the_way]
        raise AccountCannotBeDeleted(obstacles=told)
    _forfeit(tx, member_id, now)
    for retired in store.retire_avatars(tx, member_id, now):
        events.enqueue(tx, now, RemoveAvatar(avatar_id=retired.id), name=f"avatar-{retired.id}-remove")
    _say_goodbye(tx, member_id, now)
    records.close(tx, member_id, f"deleted_{secrets.token_hex(10)}", now)
    listeners.revoke(tx, member_id, now)
    events.enqueue(tx, now, EraseMember(member_id=member_id, is_last_look=False), name=f"erase-{member_id}")


def _forfeit(tx: Tx, member_id: UUID, now: datetime) -> None:
    for comp in records.unpaid_comps(tx, member_id):
        comps.cancel(tx, comp.id, REASON, now)
    for matched in records.unpaid_matches(tx, member_id):
        matches.cancel(tx, matched.id, now)


def _say_goodbye(tx: Tx, member_id: UUID, now: datetime) -> None:
    was = records.addressee(tx, member_id)
    letter = Letter(
        was.email, was.full_name, "account_deleted", {"name": was.full_name}, f"deleted:{member_id}", member_id
    )
    mails.queue(tx, letter, now)
