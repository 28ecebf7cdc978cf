"""The steps of a trip after the winner has chosen it. Pure."""

from shared.values.problems import Problem

STEPS = ("chosen", "concierge_contacted", "chip_mailed")


class TripStepNotNext(Problem):
    """The step is not the next one; `state` tells where the trip is."""

    status, title = 409, "This is not the next step of the trip."


def is_next(state: str | None, wanted: str) -> bool:
    """Whether the step has to be done; False if it was done before. Raises TripStepNotNext."""
    reached = STEPS.index(state) if state in STEPS else -1
    if reached >= STEPS.index(wanted):
        return False
    if reached + 1 != STEPS.index(wanted):
        raise TripStepNotNext(state=state or "to_be_chosen")
    return True
