"""Whatever breaks, an order ends paid and sent once, or cancelled without money and stock: some schedules."""

from collections import Counter
from collections.abc import Iterator

import pytest

from emulators.vendors import Vendors
from tests.fault.orders import world
from tests.fault.orders.schedule import Played, play
from tests.fault.simulation import run
from tests.fault.simulation.database import Database

SEEDS = range(1, 21)
REACHING = range(101, 117)


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[Database, Vendors]]:
    with run.stage("simulated_orders") as database, world.opened(database) as vendors:
        yield database, vendors


@pytest.mark.parametrize("seed", SEEDS)
def test_an_order_is_paid_once_or_holds_nothing(stage: tuple[Database, Vendors], seed: int) -> None:
    played = play(seed, *stage)
    assert played.broken == []
    assert played.orders


@pytest.fixture(scope="module")
def played(stage: tuple[Database, Vendors]) -> list[Played]:
    return [play(seed, *stage) for seed in REACHING]


def acts(played: list[Played]) -> Counter[str]:
    """How often each act was done, or refused."""
    return sum((each.done for each in played), Counter())


def test_the_schedules_reach_what_they_are_for(played: list[Played]) -> None:
    """Orders end both ways, leave in parts or too late to be cancelled, and workers die."""
    assert sum(each.kills for each in played) > 10
    assert all(sum(each.states[state] for each in played) > 5 for state in ("delivered", "cancelled"))
    told = sum((each.told for each in played), Counter())
    assert told["order_shipped"] > told["order_delivered"] > 5
    assert told["order_not_cancelled"] + told["order_short"] > 0
    done = acts(played)
    assert done["refund"] > 20
    assert done["approve"] > 0
    assert done["ship"] > 5
    assert done["outcome"] > 0
    assert done["ship: fulfilment-not-refused"] > 0
    assert done["refund: refund-exceeds-payment"] > 0


def test_the_schedules_reach_invoices_disputes_and_deposits(played: list[Played]) -> None:
    """Each act of these is done at times, and refused at others."""
    done = acts(played)
    assert sum(count for what, count in done.items() if what.startswith("wholesale")) > 10
    assert done["transfer"] > 0
    assert sum(count for what, count in done.items() if what.startswith("invoice booked")) > 0
    assert all(done[f"dispute {status} after open"] > 0 for status in ("won", "lost"))
    assert done["refund: payment-disputed"] > 0
    assert all(done[f"sent {kind}"] > 0 for kind in ("exact", "short", "rest", "over", "stranger"))
    assert sum(count for what, count in done.items() if what.startswith("sent") and what.endswith("late")) > 0
    assert done["reorganised"] > 5
