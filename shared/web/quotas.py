"""Limits how often something may be tried in a clock minute or hour, or on a day (UTC).

A try is counted in a transaction of its own, before anything is checked, so that a later refusal does not undo it. A
route names in `limit=` what it counts (shared/api.py). Passwords are counted where they are compared (functions/auth),
and the wrong codes of scans together with their group.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared import db
from shared.db import Tx
from shared.values.problems import TooManyRequests
from shared.values.retry_after import HOUR, MINUTE, hour_of, until

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Quota:
    """How many tries a subject has within a minute, an hour or a day; subjects of these have different names.

    Only a hash of the subject is stored, because it may contain addresses of strangers.
    """

    subject: str
    tries_max: int
    window: timedelta = HOUR


@dataclass(frozen=True)
class Limit:
    """The quotas that a request counts against, and the refusal when one is used up.

    The groups of `then` are counted one after the other, each only while those before it have room: a caller who has
    used up their own quota uses up nothing that they share with others.
    """

    quotas: Sequence[Quota]
    refusal: type[TooManyRequests]
    then: Sequence[Sequence[Quota]] = ()

    @property
    def groups(self) -> Sequence[Sequence[Quota]]:
        """All groups of quotas, in their order."""
        return [self.quotas, *self.then]


@dataclass(frozen=True)
class _Tries:
    subject: str
    attempts: int


def spend(limit: Limit, now: datetime) -> None:
    """Count one try and commit it. Raises the refusal, with the time to wait, when the tries are used up."""
    _refuse(limit, db.atomically(count_in_turn, limit.groups, now), now)


def spend_within(tx: Tx, limit: Limit, now: datetime, by: int = 1) -> None:
    """Count something that this transaction does (a mail, say), or `by` such things: it counts only if the transaction
    commits.

    Raises the refusal, with the time to wait, when the tries are used up.
    """
    _refuse(limit, count_in_turn(tx, limit.groups, now, by), now)


def count(tx: Tx, quotas: Sequence[Quota], now: datetime, by: int = 1) -> dict[str, int]:
    """Count one more try of each subject, or `by` more; returns the tries in its window by subject.

    The rows are locked in the order of their hashes, so two that count the same subjects never wait for each other.
    """
    return _changed(tx, quotas, by, now)


def count_in_turn(tx: Tx, groups: Sequence[Sequence[Quota]], now: datetime, by: int = 1) -> list[Quota]:
    """Count one more try or `by` more, group by group; returns the used-up quotas of the first group that has any, else
    [].
    """
    for group in groups:
        if over := used_up(group, count(tx, group, now, by)):
            return over
    return []


def give_back(tx: Tx, quotas: Sequence[Quota], now: datetime) -> None:
    """Take back a try that was counted at `now`: it was right, or nothing was checked."""
    _changed(tx, quotas, -1, now)


def give_back_in_turn(tx: Tx, groups: Sequence[Sequence[Quota]], now: datetime) -> None:
    """Take back a try that `count_in_turn` counted; the rows are locked in the same order."""
    for group in groups:
        give_back(tx, group, now)


def used_up(quotas: Sequence[Quota], tries: dict[str, int]) -> list[Quota]:
    """The quotas that have had more tries than allowed."""
    return [quota for quota in quotas if tries[quota.subject] > quota.tries_max]


def _refuse(limit: Limit, over: Sequence[Quota], now: datetime) -> None:
    if over:
        raise limit.refusal(headers=until(max(_start(quota, now) + quota.window for quota in over), now))


def _start(quota: Quota, now: datetime) -> datetime:
    if quota.window == MINUTE:
        return now.replace(second=0, microsecond=0)
    return hour_of(now) if quota.window == HOUR else hour_of(now.astimezone(UTC)).replace(hour=0)


def _changed(tx: Tx, quotas: Sequence[Quota], by: int, now: datetime) -> dict[str, int]:
    named = {hashlib.sha256(quota.subject.encode()).hexdigest(): quota for quota in quotas}
    subjects = sorted(named)
    rows = tx.all(
        _Tries,
        """
        INSERT INTO attempt_counters AS counter (subject, hour, attempts)
        SELECT subject, hour, greatest(CAST(:by AS integer), 0)
        FROM unnest(CAST(:subjects AS text[]), CAST(:hours AS timestamptz[])) AS counted (subject, hour)
        ON CONFLICT (subject, hour) DO UPDATE SET attempts = greatest(counter.attempts + CAST(:by AS integer), 0)
        RETURNING subject, attempts
        """,
        subjects=subjects,
        hours=[_start(named[subject], now) for subject in subjects],
        by=by,
    )
    return {named[row.subject].subject: row.attempts for row in rows}
