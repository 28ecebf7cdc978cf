"""What can be won, how far the locked prizes are, and which trips can be chosen. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.money import Usdt
from shared.prizes import TINS_PER_TRIP, CompType, Destination, volume_needed
from shared.problems import Problem
from shared.tiers import Tier

NAMES = {
    CompType.CRYPTO_100: "$100",
    CompType.CRYPTO_1K: "$1K",
    CompType.CRYPTO_10K: "$10K",
    CompType.CASINO: "casino",
    CompType.TRIP: "trip",
}


class DestinationUnknown(Problem):
    """It is not, or no longer, among the destinations."""

    status, title = 422, "There is no such destination."


class TripChosen(Problem):
    """A trip is chosen once; `destination` is the one."""

    status, title = 409, "You have chosen another destination."


class TripNotReady(Problem):
    """It waits for review, or was cancelled."""

    status, title = 409, "This trip cannot be chosen now."


@dataclass(frozen=True)
class Terms:
    """A prize's rule."""

    type: CompType
    interval: int
    tier: Tier
    amount: Usdt
    unlock_volume: int
    unlocked_by_admin: bool


@dataclass(frozen=True)
class State:
    """Where the count and the sales are; trips that were awarded in this calendar month."""

    scans: int
    tins_per_month: int
    trips_this_month: int


@dataclass(frozen=True)
class Progress:
    """How far a prize is from being unlocked: texts as the app shows them, None where there is nothing to wait for."""

    unlocked: bool
    percent: int
    progress_text: str | None
    message: str | None
    next_number: int
    trips_left: int | None


def progress(terms: Terms, state: State) -> Progress:
    """Plan section "UI Display for Locked Comps"."""
    is_trip = terms.type is CompType.TRIP
    needed = volume_needed(terms.type, terms.unlock_volume, state.trips_this_month)
    unlocked = terms.unlocked_by_admin or state.tins_per_month >= needed
    trips_left = None
    if is_trip:
        trips_left = max(0, state.tins_per_month // TINS_PER_TRIP - state.trips_this_month)
    return Progress(
        unlocked=unlocked,
        percent=100 if unlocked else 100 * state.tins_per_month // needed,
        progress_text=None if unlocked else f"{state.tins_per_month:,} / {needed:,} tins/month average",
        message=None if unlocked else f"Unlock {NAMES[terms.type]} comps at {needed:,} tins/month",
        next_number=(state.scans // terms.interval + 1) * terms.interval,
        trips_left=trips_left,
    )


def destination(key: str, offered: Sequence[Destination]) -> Destination:
    """Raises DestinationUnknown."""
    for found in offered:
        if found.key == key:
            return found
    raise DestinationUnknown


def check_choice(comp_status: str, chosen: str | None, wanted: str) -> bool:
    """True when the choice is to be made, False when it is made already. Raises TripChosen, TripNotReady."""
    if chosen is not None:
        if chosen != wanted:
            raise TripChosen(destination=chosen)
        return False
    if comp_status != "pending":
        raise TripNotReady
    return True
