"""One seeded schedule: orders and faults in random order, then time until everything open has run out."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emulators.vendors import Vendors
from shared.ports import vendors as ports
from tests.fault.orders import disputes, hand_shipments, invariants, people, treasury, usdt, wholesale, world
from tests.fault.orders.world import World
from tests.fault.simulation.database import Database

PAUSES = (0, 1, 5, 30, 120)  # seconds
STEPS = 110  # while members order, and again while the warehouse sends
ROUNDS_MAX = 60
ROUND_SECONDS = 480
CALM_ANSWER_SECONDS_MAX = 10.0  # a slow machine is no fault
DECIDED_AFTER = 10  # rounds: until then nobody comes back from the bank
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
    (people.decide, 6),
    (people.cancel, 1),
    (hand_shipments.refuse, 2),
    (hand_shipments.ship, 6),
    (hand_shipments.tell, 1),
    (wholesale.order, 3),
    (wholesale.transfer, 4),
    (wholesale.book, 6),
    (wholesale.pay_back, 2),
    (disputes.open_one, 2),
    (disputes.decide, 2),
    (disputes.look_at_all, 1),
    (usdt.order, 5),
    (usdt.pay_again, 2),
    (usdt.send, 8),
    (usdt.move_chain, 10),
    (usdt.decide, 3),
)


# Then what can be paid is paid. Later nobody orders any more, and the warehouse sends it.
CALM_ROUNDS = 3
CALM_SECONDS = 61
LATE_ACTIONS = (
    (World.deliver, 60),
    (World.work, 40),
    (World.count, 5),
    (World.spoil, 8),
    (World.cancel, 3),
    (World.sweep, 6),
    (people.refund, 12),
    (people.decide, 12),
    (people.cancel, 1),
    (hand_shipments.refuse, 5),
    (hand_shipments.ship, 15),
    (hand_shipments.tell, 6),
    (wholesale.transfer, 3),
    (wholesale.book, 6),
    (wholesale.pay_back, 4),
    (disputes.open_one, 5),
    (disputes.decide, 5),
    (disputes.look_at_all, 2),
    (usdt.send, 8),
    (usdt.move_chain, 10),
    (usdt.decide, 6),
)
# Orders end delivered or cancelled. One that the warehouse has refused waits for people, unless it is to be cancelled,
# or they have begun to send it; so do one whose money a bank has got back, and refunds whose money it has. An invoice
# that nobody pays waits until it is due, a week later. What the warehouse has been asked for is open until it is known
# what became of it, also when the order waits for people.
OPEN = """
    SELECT 1 FROM orders o WHERE accrual_due_at IS NOT NULL OR (
        state NOT IN ('delivered', 'cancelled') AND NOT (state <> 'shipped' AND order_is_disputed(o.id) AND (
            cancel_wanted_at IS NULL OR order_is_overdrawn(o.id))) AND NOT (
            state IN ('confirmed', 'fulfilled') AND cancel_wanted_at IS NULL AND EXISTS (
                SELECT FROM fulfilments WHERE order_id = o.id AND status = 'refused')
            AND NOT EXISTS (SELECT FROM fulfilments WHERE order_id = o.id AND by_hand)) {soon})
    UNION ALL SELECT 1 FROM payment_operations w
    JOIN payments p ON p.id = w.payment_id JOIN orders o ON o.id = p.order_id
    WHERE w.status IN ('recorded', 'sent') AND NOT (w.kind = 'refund' AND order_is_overdrawn(o.id)) {soon}
    UNION ALL SELECT 1 FROM fulfilments WHERE status IN ('sent', 'accepted', 'packed') AND NOT by_hand
    UNION ALL SELECT 1 FROM disputes WHERE state IN ('inquiry', 'open')
    UNION ALL SELECT 1 FROM chain_transfers WHERE awaits_deposit
    UNION ALL SELECT 1 FROM usdt_deposits WHERE payment_id IS NOT NULL AND booked_at IS NULL
    UNION ALL SELECT 1 FROM usdt_returns WHERE paid_at IS NULL
    UNION ALL SELECT 1 FROM payouts WHERE payout_is_unfinished(state) AND state <> 'HELD'
"""
SOON = "AND NOT (order_is_unpaid(o.state) AND o.expires_at > CAST('{now}' AS timestamptz) + interval '1 day')"


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


def play(seed: int, database: Database, vendors: Vendors, steps: int = STEPS) -> Played:
    """Play one schedule of so many steps while members order, and as many while the warehouse sends; then look at what
    it has left behind.
    """
    with world.begun(database, vendors, seed) as made, treasury.opened(made) as shop:
        people.begin(made)
        wholesale.begin(made)
        made.order()
        _act(made, steps, ACTIONS)
        for _ in range(CALM_ROUNDS):
            made.pass_time(CALM_SECONDS)
            made.sweep()
            made.drain()
        _act(made, steps, LATE_ACTIONS)
        settle(made)
        states = Counter(dict(database.rows("SELECT state, count(*) FROM orders GROUP BY 1")))
        told = Counter(dict(database.rows("SELECT code, count(*) FROM notifications GROUP BY 1")))
        broken = list(invariants.broken(made, shop))
        return Played(seed, len(made.orders), made.done["killed"], states, told=told, done=made.done, broken=broken)


def _act(made: World, steps: int, weighted: Sequence[tuple[Callable[[World], None], int]]) -> None:
    actions, weights = zip(*weighted, strict=True)
    for _ in range(steps):
        made.pass_time(made.random.choice(PAUSES))
        made.random.choices(actions, weights)[0](made)


def settle(made: World) -> None:
    """The faults end, and time passes with its schedules until no order is open."""
    made.is_calm = True
    shop = treasury.treasury_of(made)
    ports.ANSWER_SECONDS_MAX = CALM_ANSWER_SECONDS_MAX
    made.vendors.card.mend()
    made.vendors.ages.mend()
    made.vendors.warehouse.mend()
    for number in range(ROUNDS_MAX):
        made.pass_time(ROUND_SECONDS)
        shop.calm()
        disputes.look_at_all(made)
        made.sweep()
        made.drain()
        if not made.database.rows(OPEN.format(soon="")):
            return
        if not made.database.rows(OPEN.format(soon=SOON.format(now=made.time))):
            wholesale.expire(made)
        made.send_all()
        hand_shipments.conclude(made)
        wholesale.conclude(made)
        disputes.end_all(made)
        if number > DECIDED_AFTER:
            made.decide()
