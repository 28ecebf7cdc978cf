"""What may be done with batches and codes, and what became of a code."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.problems import Problem

CODES_PER_REQUEST_MAX = 5_000_000
LISTED_CODES_MAX = 1_000
REFUSED_SHOWN_MAX = 1_000

Kind = Literal["generated", "manufactured", "scanned", "invalidated", "reused", "recalled"]


class ProductUnknown(Problem):
    """No product has this SKU."""

    status, title = 422, "There is no such product."


class BatchUnknown(Problem):
    """There is no batch of this id."""

    status, title = 422, "There is no such batch."


class BatchNotReady(Problem):
    """It is still being generated; its progress is shown with the batch."""

    status, title = 409, "This batch is still being generated."


class BatchRecalled(Problem):
    """A recall is for ever."""

    status, title = 409, "This batch is recalled."


class BatchBusy(Problem):
    """Its codes are being invalidated or reused; the batch shows when that is done."""

    status, title = 409, "The codes of this batch are being changed."


class CodeUnknown(Problem):
    """No batch has it, or it is no code at all."""

    status, title = 422, "There is no such code."


class FileNotReadable(Problem):
    """Not CSV in UTF-8 with a column named code."""

    status, title = 422, "This file cannot be read."


@dataclass(frozen=True)
class Event:
    """Something that happened to a code: when, by whom (a member who scanned, an admin otherwise), and why."""

    kind: Kind
    at: datetime
    by: UUID | None
    reason: str | None


def require_changeable(status: str) -> None:
    """Raises when the codes of a batch of this status cannot be changed."""
    if status == "generating":
        raise BatchNotReady
    if status == "recalled":
        raise BatchRecalled


def why_not(is_code: bool, status: str, batch_status: str) -> str:
    """Why a listed code was left as it is; an empty status means that nobody knows it."""
    if not is_code:
        return "not a code"
    if not status:
        return "unknown code"
    return "the batch is recalled" if batch_status == "recalled" else f"the code is {status}"


def history(events: Sequence[Event]) -> list[Event]:
    """Of everything that concerned a code, its batch as a whole included, what has changed it, oldest first.

    Who invalidates a batch leaves scanned codes as they are, and so on. Work on a batch takes a while: a code that
    was scanned after its batch was to be invalidated has escaped that.
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
