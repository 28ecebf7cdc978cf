"""Decides what a try at a bank says about the state of its enrollment, and when it is tried again. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.values.states import BankState

REFUSALS_MAX = 2  # in a row: the first one may be a slip of the vendor's
ATTEMPTS_MAX = 8
AGAIN_AFTER = timedelta(seconds=30)
AGAIN_AFTER_MAX = timedelta(hours=1)
CERTIFICATE_DAYS_MIN = 30


class Said(StrEnum):
    """How a try has ended."""

    TOLD = "every account was told"
    LOST = "the bank wants its owner again"
    REFUSED = "the token is refused"
    SILENT = "nothing is known"
    BROKEN = "a person has to correct something of ours"


@dataclass(frozen=True)
class Try:
    """How a try has ended, why, and for how many seconds the vendor wants to be left alone."""

    said: Said
    why: str | None = None
    retry_after_seconds: int = 0


@dataclass(frozen=True)
class Standing:
    """The state of an enrollment, and how often in a row its token was refused."""

    state: BankState
    refusals: int


def next_standing(present: Standing, tried: Try) -> Standing:
    """The standing after a try of an enrollment that is not disconnected. Silence and our own faults change nothing."""
    if tried.said is Said.TOLD:
        return Standing(BankState.ACTIVE, 0)
    if tried.said is Said.LOST:
        return Standing(BankState.NEEDS_REAUTH, 0)
    if tried.said is Said.REFUSED:
        refusals = present.refusals + 1
        return Standing(BankState.NEEDS_REAUTH if refusals >= REFUSALS_MAX else present.state, refusals)
    return present


def again_after(tried: Try, attempt: int, standing: Standing) -> timedelta | None:
    """The time after which the same is tried again; None if the schedule of every six hours is soon enough."""
    is_settled = tried.said in (Said.TOLD, Said.LOST, Said.BROKEN) or standing.refusals >= REFUSALS_MAX
    if is_settled or attempt >= ATTEMPTS_MAX:
        return None
    wished = timedelta(seconds=tried.retry_after_seconds)
    doubled: timedelta = AGAIN_AFTER * 2 ** (attempt - 1)
    return min(max(wished, doubled), AGAIN_AFTER_MAX)


def is_told(before: BankState, after: BankState, told_at: datetime, now: datetime, every: timedelta) -> bool:
    """Whether people hear of the state: when it has changed, and again while they have to do something about it."""
    return before != after or (after is BankState.NEEDS_REAUTH and now - told_at >= every)


def worst(tries: Sequence[Try]) -> Try:
    """The tries of an enrollment's accounts as one: the first that was no success decides."""
    return next((tried for tried in tries if tried.said is not Said.TOLD), Try(Said.TOLD))
