"""Requests of one operation that share a transaction."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from shared import db, log
from shared.web import in_transaction
from shared.web.group_commit import GroupCommitter
from shared.web.idempotency import Answer
from shared.web.in_transaction import Call
from shared.web.signatures import Contract

GROUP_MAX = 256


def gatherer(
    contract: Contract, status: int, announce: Callable[[Sequence[Any]], None] | None
) -> GroupCommitter[Call, Answer]:
    """Make the place where requests of an operation meet; `announce` is given the replies of each group."""
    told = partial(_announced, contract, status, announce) if announce else None
    return GroupCommitter(_together, size_max=GROUP_MAX, shared=db.OUTAGES, told=told)


def _announced(
    contract: Contract, status: int, announce: Callable[[Sequence[Any]], None], answers: Sequence[Answer]
) -> None:
    """Announce the replies of a group that succeeded. A failure is logged only: what was done is committed."""
    assert contract.reply, "checked when the route was registered"
    replies = [contract.reply.model_validate_json(a.body) for a in answers if a.status == status and a.body]
    if not replies:
        return
    try:
        announce(replies)
    except Exception:  # noqa: BLE001 - whatever it was, its request has succeeded
        log.error("a group was not announced")


def _together(calls: Sequence[Call]) -> list[Answer | BaseException]:
    """Do all calls in one transaction; a second call with the same key follows in a transaction of its own."""
    seen: set[tuple[str, bytes]] = set()
    first: list[int] = []
    later: list[int] = []
    for position, call in enumerate(calls):
        name = (call.key.scope, call.key.key_hash) if call.key else None
        (later if name in seen else first).append(position)
        if name:
            seen.add(name)
    done = dict(zip(first, db.atomically(in_transaction.answers, [calls[p] for p in first]), strict=True))
    if later:
        done |= dict(zip(later, _afterwards([calls[p] for p in later]), strict=True))
    return [done[position] for position in range(len(calls))]


def _afterwards(calls: Sequence[Call]) -> Sequence[Answer | BaseException]:
    """Do the calls that were left over. A failure is returned for these calls only: others are committed already."""
    try:
        return _together(calls)
    except Exception as error:  # noqa: BLE001 - raised to those whom it concerns
        return [error] * len(calls)
