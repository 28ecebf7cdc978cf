"""Decides whether a campaign goes on by itself, or waits for a person. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from shared.values.campaigns import RECIPIENTS_ALONE_MAX

PauseReason = Literal["restored", "late", "approval"]

LATE_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Progress:
    """How far a campaign is. `is_of_this_database`: people have started or resumed it in this database."""

    starts_at: datetime
    done_number: int
    queued: int
    is_approved: bool
    is_of_this_database: bool


def pause_reason(progress: Progress, recipients: int, now: datetime) -> PauseReason | None:
    """Why the campaign must wait for a person before it reaches so many more recipients; None if it goes on."""
    if not progress.is_of_this_database:
        return "restored"
    if progress.done_number == 0 and now - progress.starts_at > LATE_AFTER:
        return "late"
    if progress.queued + recipients > RECIPIENTS_ALONE_MAX and not progress.is_approved:
        return "approval"
    return None
