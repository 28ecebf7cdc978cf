"""The program of affiliates: its states, and how near its end it is."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

POOL_PERCENT = 5  # of the gross profit of each sale goes to the pool of affiliates
STEPS = 20  # a step is a twentieth of the volume that closes the program
CHIPS_FOR_ONE = 5  # vaulted all the month, for a chip of bonus
VAULT_DAYS = 365  # for which a vaulted chip is good; the schema has it too


class ProgramState(StrEnum):
    """The values of `affiliate_program.state`."""

    OPEN = "open"
    SUNSET = "sunset"


@dataclass(frozen=True)
class Program:
    """The program as it is. `full_days` are the days in a row, up to `full_on`, on which the closing volume was
    reached; `weights` is the sum of all locked shares.
    """

    state: ProgramState
    step: int
    full_on: date | None
    full_days: int
    sunset_at: datetime | None
    weights: int | None


@dataclass(frozen=True)
class Volume:
    """The tins sold per month, on average over three."""

    tins_per_month: int
    as_of: datetime
