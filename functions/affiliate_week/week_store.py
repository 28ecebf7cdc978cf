"""The weeks of affiliates as rows: opening, locking and moving them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from shared import log, settings
from shared.affiliates import pool
from shared.db import Tx
from shared.ledger import journals
from shared.values.money import Usdt
from shared.values.states import WeekState
from shared.values.weeks import last_sunday

WEEK = "week:affiliate"
SETTLING_TIME = timedelta(minutes=5)  # scans of before Sunday 00:00 are committed by then
WHOLE_WEEK_SECONDS = 300  # that a statement may take which reads or writes a row for each affiliate of a week


@dataclass(frozen=True)
class Week:
    """A week that is not completed. Its pool is what it divides; `done_affiliate` how far the state's portions are.

    `paced` is what the treasury had asked for when the run of `paced_at` had asked for its last portion, in the hour
    before that run and in it.
    """

    week_on: date
    state: WeekState
    first_number: int
    last_number: int
    pool: Usdt
    chips_max: int
    payout_min: Usdt
    chips: int | None
    affiliates: int | None
    approvals: int | None
    ready_at: datetime | None
    done_affiliate: UUID | None
    paced_at: datetime | None
    paced: Usdt | None


@dataclass(frozen=True)
class _Due:
    week_on: date
    first_number: int


def open_next(tx: Tx, now: datetime) -> bool:
    """Open the oldest week that has ended and has none; False if there is none.

    Its range of scans goes on from the week before. Its pool is what the pool of affiliates held when it ended, less
    what orders that were not shipped then had given it. So a week that is opened late is the same.
    """
    if _due(tx, now) is None:
        return False
    tx.run("LOCK TABLE affiliate_weeks IN EXCLUSIVE MODE")  # waits for moves of chips that belong to this week
    due = _due(tx, now)
    if due is None:
        return False  # another run has opened it meanwhile
    week_on, first = due.week_on, due.first_number
    cut_at = datetime.combine(week_on, time(), UTC)
    divisible = pool.divisible(tx, cut_at)
    rules = settings.load(tx).affiliates
    tx.run(
        """
        INSERT INTO affiliate_weeks (week_on, first_number, last_number, pool, chips_max, payout_min, opened_at)
        VALUES (:week_on, :first, :last, :pool, :chips_max, :payout_min, :now)
        """,
        week_on=week_on,
        first=first,
        last=_last_number(tx, cut_at, first),
        pool=divisible,
        chips_max=rules.chips_max,
        payout_min=rules.payout_min,
        now=now,
    )
    if divisible:
        journals.move(tx, f"week-opened:{week_on}", pool.POOL, WEEK, divisible, now=now)
    log.info("a week was opened", week_on=week_on, pool=divisible)
    return True


def _due(tx: Tx, now: datetime) -> _Due | None:
    """The oldest week that has ended and is not opened, if there is one."""
    ended = last_sunday(now - SETTLING_TIME)
    follows = tx.first(
        _Due,
        """
        SELECT week_on + 7 AS week_on, last_number + 1 AS first_number
        FROM affiliate_weeks ORDER BY affiliate_weeks.week_on DESC LIMIT 1
        """,
    ) or _Due(ended, 1)
    return follows if follows.week_on <= ended else None


def is_closing(now: datetime) -> bool:
    """True in the minutes after a week's end in which its last scans are still being committed: no chips move then."""
    return last_sunday(now) > last_sunday(now - SETTLING_TIME)


def open_ones(tx: Tx) -> list[date]:
    """The weeks that are not completed, oldest first."""
    return tx.column(date, "SELECT week_on FROM affiliate_weeks WHERE state <> 'completed' ORDER BY week_on")


def lock(tx: Tx, week_on: date) -> Week | None:
    """The week, locked until the commit; None if it is completed, or another run works at it."""
    return tx.first(
        Week,
        """
        SELECT week_on, state, first_number, last_number, pool, chips_max, payout_min, chips, affiliates, approvals,
               ready_at, done_affiliate, paced_at, paced
        FROM affiliate_weeks WHERE week_on = :week_on AND state <> 'completed' FOR NO KEY UPDATE SKIP LOCKED
        """,
        week_on=week_on,
    )


def give_back(tx: Tx, week: Week, outcome: str, now: datetime) -> None:
    """Complete a week that divides nothing: what it took goes back to the pool. `outcome` is no_pool or no_chips."""
    tx.run(
        """
        UPDATE affiliate_weeks SET state = 'completed', outcome = :outcome, chips = 0, affiliates = 0,
                                   completed_at = :now
        WHERE week_on = :week_on
        """,
        week_on=week.week_on,
        outcome=outcome,
        now=now,
    )
    if week.pool:
        journals.move(tx, f"week-returned:{week.week_on}", WEEK, pool.POOL, week.pool, now=now)


def move(tx: Tx, week: Week, state: WeekState, now: datetime) -> None:
    """Move the week to REQUESTED, TOLD or COMPLETED; its portions begin anew."""
    tx.run(
        """
        UPDATE affiliate_weeks SET state = :state, done_affiliate = NULL,
               completed_at = CASE WHEN :state = 'completed' THEN CAST(:now AS timestamptz) END
        WHERE week_on = :week_on
        """,
        week_on=week.week_on,
        state=state,
        now=now,
    )


def note_portion(tx: Tx, week: Week, last: UUID) -> None:
    """Note the last affiliate of a portion."""
    tx.run(
        "UPDATE affiliate_weeks SET done_affiliate = :last WHERE week_on = :week_on", week_on=week.week_on, last=last
    )


def note_asked(tx: Tx, week: Week, last: UUID | None, now: datetime, asked: Usdt) -> None:
    """Note the last affiliate of the portions that were asked for whole, and what the treasury was asked for in the
    hour before this run and in it.
    """
    tx.run(
        "UPDATE affiliate_weeks SET done_affiliate = :last, paced_at = :now, paced = :asked WHERE week_on = :week_on",
        week_on=week.week_on,
        last=last,
        now=now,
        asked=asked,
    )


def _last_number(tx: Tx, cut_at: datetime, first: int) -> int:
    """The highest scan number of before the cut; `first` - 1 if there was no scan."""
    return tx.scalar(
        int,
        """
        SELECT coalesce((SELECT number FROM scans WHERE scanned_at < :cut_at AND number >= :first
                         ORDER BY number DESC LIMIT 1), :first - 1) AS number
        """,
        cut_at=cut_at,
        first=first,
    )
