"""Asks about the messages that wait, oldest first, and records what comes of it, once for each revision."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

from functions.social_check import rules, store, telling
from functions.social_check.rules import Outcome
from functions.social_check.store import Waiting
from shared import clock, db, leases, log
from shared.db import Tx
from shared.messages import notifications
from shared.ports import moderation
from shared.ports.moderation import Scores
from shared.ports.vendors import VendorMisconfigured, VendorRefused, VendorSilent
from shared.social import heads, sanctions, standings
from shared.social.sanctions import Sanction, SanctionKind
from shared.sweep import Sweep

LEASE = "social-check"
LEASE_LIFE = timedelta(seconds=60)  # longer than a batch takes
BATCHES_MAX = 200
REST_MAX = timedelta(minutes=1)  # after a failure, until the service is asked again
REST_MISCONFIGURED = timedelta(minutes=1)


def check() -> None:
    """Check all that waits, unless another run is at it, or the service failed a moment ago.

    When all is done it looks once more after it has given up the lease: whoever found the lease taken has relied on it.
    """
    while True:
        holder = uuid4()
        if not db.atomically(_take, holder, LEASE_LIFE):
            return
        if not _check_all(holder):
            return
        db.atomically(leases.release, LEASE, holder, clock.now())
        if not db.atomically(store.waiting, clock.now() - rules.CAUGHT_UP, None, 1):
            return


def _take(tx: Tx, holder: UUID, life: timedelta) -> bool:
    now = clock.now()
    return leases.take(tx, LEASE, holder, now, now + life)


def _check_all(holder: UUID) -> bool:
    """Check what waits, batch by batch. False if the service fails: the lease is kept then while it may rest."""
    last: Waiting | None = None
    with Sweep(passing=(VendorSilent, VendorMisconfigured)) as parts:
        for _ in range(BATCHES_MAX):
            batch = db.atomically(store.waiting, clock.now() - rules.CAUGHT_UP, last, moderation.TEXTS_MAX)
            if not batch or not db.atomically(_take, holder, LEASE_LIFE):
                break
            last = batch[-1]
            try:
                scores = _ask(batch)
            except VendorSilent as silent:
                log.warning("the chat's texts are not checked now", reason=str(silent), waiting=len(batch))
                rest = min(timedelta(seconds=silent.retry_after_seconds), REST_MAX)
                db.atomically(_take, holder, rest)
                return False
            except VendorMisconfigured as wrong:
                log.error("the chat's texts cannot be checked", reason=str(wrong))
                db.atomically(_take, holder, REST_MISCONFIGURED)
                return False
            for message, said in zip(batch, scores, strict=True):
                parts.part(partial(db.atomically, record, message, said, clock.now()), message.id)
    return True


def _ask(batch: Sequence[Waiting]) -> list[Scores | None]:
    """The scores of each text; None for one that the service refuses to judge. Raises VendorSilent,
    VendorMisconfigured.
    """
    try:
        return list(moderation.scores([message.text for message in batch]))
    except VendorRefused as refused:
        if len(batch) == 1:
            log.warning("a text of the chat was not judged", message_id=batch[0].id, reason=refused.reason)
            return [None]
    half = len(batch) // 2
    return [*_ask(batch[:half]), *_ask(batch[half:])]


def record(tx: Tx, message: Waiting, scores: Scores | None, now: datetime) -> None:
    """Record what the scores lead to, if the message still waits with the text that was asked about."""
    verdict = rules.verdict(scores)
    if verdict is None:
        if store.mark_checked(tx, message):
            telling.tell(tx, message, now)
        return
    if verdict.outcome is Outcome.REMOVED:
        standings.lock(tx, [message.member_id])
    if not store.mark_checked(tx, message):
        return
    case_id = store.record_case(tx, message, verdict, scores, now)
    log.info("a message of the chat was judged", message_id=message.id, outcome=verdict.outcome, case_id=case_id)
    if verdict.outcome is Outcome.REMOVED:
        _remove(tx, message, case_id, now)
    else:
        telling.tell(tx, message, now)


def _remove(tx: Tx, message: Waiting, case_id: UUID, now: datetime) -> None:
    store.strike(tx, message.member_id, now)
    store.remove(tx, message, now)
    notifications.retract(tx, heads.notification_key(message.id), now)
    sanctions.give(
        tx,
        Sanction(
            case_id, message.member_id, SanctionKind.REMOVAL, rules.REASON, case_id=case_id, message_id=message.id
        ),
        now,
    )
    heads.note_one(tx, "removed", message, now)
