"""The rules for changes of batches and codes, and the history of a code."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.values.problems import Problem
from shared.values.states import BatchStatus

CODES_PER_REQUEST_MAX = 5_000_000
LISTED_CODES_MAX = 1_000

Kind = Literal["generated", "manufactured", "scanned", "invalidated", "reused", "recalled"]


class BatchUnknown(Problem):
    """There is no batch with this id."""

    status, title = 422, "There is no such batch."


class BatchNotReady(Problem):
    """The batch is still being generated; its progress is shown with the batch."""

    status, title = 409, "This batch is still being generated."


class BatchRecalled(Problem):
    """The batch is recalled, which cannot be undone."""

    status, title = 409, "This batch is recalled."


class BatchBusy(Problem):
    """The batch's codes are being invalidated or reused; the batch shows when that is done."""

    status, title = 409, "The codes of this batch are being changed."


class CodeUnknown(Problem):
    """No batch has the code, or the text is not a code."""

    status, title = 422, "There is no such code."


class FileNotReadable(Problem):
    """The file is not CSV with a column named code."""

    status, title = 422, "This file cannot be read."


@dataclass(frozen=True)
class Event:
    """An event of a code: when, by whom (the member who scanned it, or else an admin), and why."""

    kind: Kind
    at: datetime
    by: UUID | None
    reason: str | None


def require_changeable(status: str) -> None:
    """Raises BatchNotReady or BatchRecalled if the codes of a batch of this status cannot be changed."""
    if status == BatchStatus.GENERATING:
        raise BatchNotReady
    if status == BatchStatus.RECALLED:
        raise BatchRecalled


def why_not(is_code: bool, status: str, batch_status: str) -> str:
    """The reason why a listed code was not changed; an empty status means an unknown code."""
    if not is_code:
        return "not a code"
    if not status:
        return "unknown code"
    return "the batch is recalled" if batch_status == BatchStatus.RECALLED else f"the code is {status}"


def history(events: Sequence[Event]) -> list[Event]:
    """The events that changed the code, oldest first, out of all events of the code and its batch.

    Invalidating a batch does not change scanned codes, for example. Changing a whole batch takes a while: if a code was
    scanned after its batch was invalidated, the scan came before that code's turn, so the invalidation is dropped.
    """
    happened: list[Event] = []
    state: Kind | None = None
    for event in sorted(events, key=lambda event: event.at):
        if event.kind == "scanned" and happened and happened[-1].kind == "invalidated":
            happened.pop()
        elif not _has_effect(event.kind, state):
            continue
        happened.append(event)
        state = "generated" if event.kind == "reused" else event.kind
    return happened


def _has_effect(kind: Kind, state: Kind | None) -> bool:
    if kind == "invalidated":
        return state in ("generated", "manufactured")
    if kind == "reused":
        return state == "invalidated"
    return kind != "recalled" or state != "scanned"
