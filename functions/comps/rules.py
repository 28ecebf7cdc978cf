"""The state of the prizes: locked or not, and how close; and the choice of a trip. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.messages import texts
from shared.values.prizes import TINS_PER_TRIP, CompType, Destination, Rule, is_unlocked, volume_needed
from shared.values.problems import Problem
from shared.values.states import CompStatus


class DestinationUnknown(Problem):
    """The key names none of the present destinations."""

    status, title = 422, "There is no such destination."


class TripChosen(Problem):
    """The trip has a destination already, which is final; `destination` names it."""

    status, title = 409, "You have chosen another destination."


class TripNotReady(Problem):
    """The trip is in review, or was cancelled."""

    status, title = 409, "This trip cannot be chosen now."


@dataclass(frozen=True)
class State:
    """The global count, the sales of a month, and the trips that were awarded in this calendar month."""

    scans: int
    tins_per_month: int
    trips_this_month: int


@dataclass(frozen=True)
class Progress:
    """How close a prize is to being unlocked. Texts are as the app shows them, None if the prize is unlocked; `params`
    are those of both texts.
    """

    unlocked: bool
    percent: int
    progress_text: str | None
    message: str | None
    params: dict[str, Any]
    next_number: int
    trips_left: int | None


def progress(terms: Rule, state: State) -> Progress:
    """How far a prize is from being unlocked, as the app shows it (docs/product.md, "Locked prizes")."""
    is_trip = terms.type is CompType.TRIP
    needed = volume_needed(terms.type, terms.unlock_volume, state.trips_this_month)
    unlocked = is_unlocked(terms, state.tins_per_month, state.trips_this_month)
    trips_left = None
    if is_trip:
        trips_left = max(0, state.tins_per_month // TINS_PER_TRIP - state.trips_this_month)
    far = texts.say("prize_progress", tins=state.tins_per_month, needed=needed)
    message = texts.say("prize_unlocks_at", comps=terms.type, needed=needed)
    return Progress(
        unlocked=unlocked,
        percent=100 if unlocked else 100 * state.tins_per_month // needed,
        progress_text=None if unlocked else far.text,
        message=None if unlocked else message.text,
        params={} if unlocked else {**far.params, **message.params},
        next_number=(state.scans // terms.interval + 1) * terms.interval,
        trips_left=trips_left,
    )


def destination(key: str, offered: Sequence[Destination]) -> Destination:
    """The offered destination with this key. Raises DestinationUnknown."""
    for found in offered:
        if found.key == key:
            return found
    raise DestinationUnknown


def check_choice(comp_status: str, chosen: str | None, wanted: str) -> bool:
    """Whether the choice has to be recorded; False if it was made before. Raises TripChosen, TripNotReady."""
    if chosen is not None:
        if chosen != wanted:
            raise TripChosen(destination=chosen)
        return False
    if comp_status != CompStatus.PENDING:
        raise TripNotReady
    return True
