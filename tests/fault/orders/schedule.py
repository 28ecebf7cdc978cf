"""One seeded schedule: orders and faults in random order, then time until everything open has run out."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emulators.vendors import Vendors
from tests.fault.orders import invariants, people, world
from tests.fault.orders.world import World
from tests.fault.simulation.database import Database

PAUSES = (0, 1, 5, 30, 120)  # seconds
STEPS = 60
ROUNDS_MAX = 60
ROUND_SECONDS = 240
DECIDED_AFTER = 20  # rounds: until then nobody comes back from the bank
ACTIONS = (
    (World.order, 8),
    (World.deliver, 60),
    (World.spoil, 8),
    (World.decide, 6),
    (World.cancel, 2),
    (World.pay_again, 4),
    (World.sweep, 6),
    (World.work, 6),
    (World.count, 2),
    (people.refund, 4),
    (people.decide, 2),
    (people.cancel, 1),
)


# Then what can be paid is paid. Later nobody orders any more, and the warehouse sends it.
CALM_ROUNDS = 3
CALM_SECONDS = 61
LATE_STEPS = 60
LATE_ACTIONS = (
    (World.deliver, 60),
    (World.work, 40),
    (World.count, 5),
    (World.spoil, 8),
    (World.cancel, 3),
    (World.sweep, 6),
    (people.refund, 12),
    (people.decide, 4),
    (people.cancel, 1),
)
# Orders end delivered or cancelled. One that the warehouse has refused waits for people, unless it is to be cancelled.
OPEN = """
    SELECT 1 FROM orders o WHERE accrual_due_at IS NOT NULL OR (
        state NOT IN ('delivered', 'cancelled') AND NOT (
            state IN ('confirmed', 'fulfilled') AND cancel_wanted_at IS NULL AND EXISTS (
                SELECT FROM fulfilments WHERE order_id = o.id AND status = 'refused')))
    UNION ALL SELECT 1 FROM payment_operations WHERE status IN ('recorded', 'sent')
"""


@dataclass(frozen=True)
class Played:
    """How a schedule ended, what members were told, by code, and what was done in it; `broken` names every rule that
    did not hold.
    """

    seed: int
    orders: int
    kills: int
    states: Counter[str]
    told: Counter[str]
    done: Counter[str]
    broken: list[str]


def play(seed: int, database: Database, vendors: Vendors) -> Played:
    """Play one schedule and look at what it has left behind."""
    with world.begun(database, vendors, seed) as made:
        people.begin(made)
        made.order()
        _act(made, STEPS, ACTIONS)
        for _ in range(CALM_ROUNDS):
            made.pass_time(CALM_SECONDS)
            made.sweep()
            made.drain()
        _act(made, LATE_STEPS, LATE_ACTIONS)
        settle(made)
        states = Counter(dict(database.rows("SELECT state, count(*) FROM orders GROUP BY 1")))
        told = Counter(dict(database.rows("SELECT code, count(*) FROM notifications GROUP BY 1")))
        broken = list(invariants.broken(made))
        return Played(seed, len(made.orders), made.done["killed"], states, told=told, done=made.done, broken=broken)


def _act(made: World, steps: int, weighted: Sequence[tuple[Callable[[World], None], int]]) -> None:
    actions, weights = zip(*weighted, strict=True)
    for _ in range(steps):
        made.pass_time(made.random.choice(PAUSES))
        made.random.choices(actions, weights)[0](made)


def settle(made: World) -> None:
    """The faults end, and time passes with its schedules until no order is open."""
    made.vendors.card.mend()
    made.vendors.ages.mend()
    made.vendors.warehouse.mend()
    for number in range(ROUNDS_MAX):
        made.pass_time(ROUND_SECONDS)
        made.sweep()
        made.drain()
        if not made.database.rows(OPEN):
            return
        made.send_all()
        if number > DECIDED_AFTER:
            made.decide()
