"""The steps of a trip after it was chosen. Pure."""

from shared.problems import Problem

STEPS = ("chosen", "concierge_contacted", "chip_mailed")


class TripStepNotNext(Problem):
    """Steps follow each other; `state` tells where the trip is."""

    status, title = 409, "This is not the next step of the trip."


def is_next(state: str | None, wanted: str) -> bool:
    """True when the step is to be done, False when it was done. Raises TripStepNotNext."""
    reached = STEPS.index(state) if state in STEPS else -1
    if reached >= STEPS.index(wanted):
        return False
    if reached + 1 != STEPS.index(wanted):
        raise TripStepNotNext(state=state or "to_be_chosen")
    return True
