"""Whatever breaks, every payout is paid once or says why not: a few schedules of each family."""

from collections.abc import Iterator

import pytest

from tests.fault.simulation import run
from tests.fault.simulation.database import Database
from tests.fault.simulation.families import FAMILIES
from tests.fault.simulation.schedule import play

SEEDS = range(1, 11)
LINES_SHOWN = 60


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with run.stage("simulation") as opened:
        yield opened


@pytest.mark.parametrize("family", FAMILIES)
def test_every_payout_is_paid_once_or_says_why_not(database: Database, family: str) -> None:
    for seed in SEEDS:
        result = play(family, seed, FAMILIES[family].make, database)
        assert not result.violation, "\n".join([*result.lines[-LINES_SHOWN:], f"seed {seed}: {result.violation}"])


def test_a_schedule_does_not_spend_its_steps_on_an_event_that_is_due(database: Database) -> None:
    """This seed took a step each millisecond while an event was due, and had no step left for its end."""
    assert not play("suspended", 34, FAMILIES["suspended"].make, database).violation


def test_a_seed_is_played_again_exactly(database: Database) -> None:
    first = play("everything", 7, FAMILIES["everything"].make, database)
    play("killed", 8, FAMILIES["killed"].make, database)

    again = play("everything", 7, FAMILIES["everything"].make, database)

    assert again.lines == first.lines
    assert again.digest == first.digest


def test_other_seeds_are_other_schedules(database: Database) -> None:
    digests = {play("everything", seed, FAMILIES["everything"].make, database).digest for seed in (1, 2, 3)}

    assert len(digests) == 3
