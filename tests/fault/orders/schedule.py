"""One seeded schedule: orders and faults in random order, then time until everything open has run out."""

from collections import Counter
from dataclasses import dataclass

from emulators.vendors import Vendors
from tests.fault.orders import invariants, world
from tests.fault.orders.world import World
from tests.fault.simulation.database import Database

STEPS = 60
ROUNDS_MAX = 60
ROUND_SECONDS = 240
DECIDED_AFTER = 20  # rounds: until then nobody comes back from the bank
ACTIONS = (
    (World.order, 8),
    (World.deliver, 60),
    (World.spoil, 8),
    (World.decide, 6),
    (World.cancel, 4),
    (World.pay_again, 4),
    (World.sweep, 6),
)


@dataclass(frozen=True)
class Played:
    """How a schedule ended; `broken` names every rule that did not hold."""

    seed: int
    orders: int
    kills: int
    states: Counter[str]
    broken: list[str]


def play(seed: int, database: Database, vendors: Vendors) -> Played:
    """Play one schedule and look at what it has left behind."""
    with world.begun(database, vendors, seed) as made:
        actions, weights = zip(*ACTIONS, strict=True)
        made.order()
        for _ in range(STEPS):
            made.pass_time(made.random.choice((0, 1, 5, 30, 120)))
            made.random.choices(actions, weights)[0](made)
        settle(made)
        states = Counter(dict(database.rows("SELECT state, count(*) FROM orders GROUP BY 1")))
        return Played(seed, len(made.orders), made.done["killed"], states, list(invariants.broken(made)))


def settle(made: World) -> None:
    """The faults end, and time passes with its schedules until no order is open."""
    made.vendors.card.mend()
    made.vendors.ages.mend()
    for number in range(ROUNDS_MAX):
        made.pass_time(ROUND_SECONDS)
        made.sweep()
        made.drain()
        open_orders = made.database.rows(
            "SELECT 1 FROM orders WHERE state NOT IN ('confirmed', 'cancelled') OR accrual_due_at IS NOT NULL "
            "OR (state = 'confirmed' AND cancel_wanted_at IS NOT NULL)"
        )
        if not open_orders:
            return
        if number > DECIDED_AFTER:
            made.decide()
