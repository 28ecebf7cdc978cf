"""The outcome of a vote's ballots, and when it is closed (docs/votes.md). Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from shared.social.votes import GRACE, OptionTotal, VoteOutcome
from shared.values.states import VoteStatus

TASK_AHEAD_MAX = timedelta(days=29)  # a task can be ordered 30 days ahead
TURNOUT_DIGITS = 4


def may_close(status: VoteStatus, closes_at: datetime | None, now: datetime) -> bool:
    """True for a vote that takes no ballots any more: none that has arrived in time can still be on its way."""
    if status is VoteStatus.CLOSING:
        return True
    return status is VoteStatus.ACTIVE and closes_at is not None and closes_at + GRACE <= now


def outcome(counted: Mapping[int, int], electors: int, quorum_percent: int) -> VoteOutcome:
    """The outcome of these ballots by option, in which each option of the vote has a place.

    The quorum is met when at least so many of a hundred electors have voted. Without it, without a ballot, and when
    several options share the most ballots, there is no winner.
    """
    ballots, most = sum(counted.values()), max(counted.values())
    first = sorted(option for option, number in counted.items() if number == most > 0)
    quorum_met = ballots * 100 >= quorum_percent * electors
    return VoteOutcome(
        totals=[OptionTotal(option=option, ballots=counted[option]) for option in sorted(counted)],
        ballots=ballots,
        electors=electors,
        turnout=round(ballots / electors, TURNOUT_DIGITS) if electors else 0.0,
        quorum_met=quorum_met,
        winner=first[0] if quorum_met and len(first) == 1 else None,
        tie=first if len(first) > 1 else [],
    )
