"""Admins send by hand what the warehouse has refused, try to send what it has not, and say what became of parcels."""

from collections import Counter
from contextlib import suppress
from uuid import UUID, uuid4

from emulators.vendor import VendorError
from functions.admin_orders import shipping
from functions.admin_orders.models import ParcelOutcome, ShipOrder, ShippedTins
from shared.web.idempotency import IdempotencyKey
from tests.fault.orders import people
from tests.fault.orders.world import World

PART = 0.5  # of the parcels have one tin
CONCLUDED = 0.4  # of the rests leave in a round of the end
KNOWN = 0.1  # of the parcels have a number that another one may have
REFUSED = """
    SELECT o.id FROM orders o WHERE state IN ('confirmed', 'fulfilled') AND (
        SELECT f.by_hand OR f.status IN ('refused', 'cancelled') FROM fulfilments f
        WHERE f.order_id = o.id ORDER BY f.recorded_at DESC, f.id DESC LIMIT 1) ORDER BY o.id
"""
OPEN_TINS = "SELECT sku, promised - released - shipped FROM order_items WHERE order_id = '{}' ORDER BY sku"
BEGUN = "SELECT order_id FROM fulfilments WHERE by_hand AND status = 'packed' ORDER BY id"
UNDER_WAY = """
    SELECT f.order_id, parcels.id FROM parcels JOIN fulfilments f ON f.id = fulfilment_id
    WHERE parcels.sent_by IS NOT NULL AND parcels.status IN ({}) ORDER BY parcels.id
"""


def ship(world: World) -> None:
    """An admin sends an order by hand, or a tin of it, which the warehouse may still have, or somebody has sent."""
    refused = [order for (order,) in world.database.rows(REFUSED)]
    order = world.random.choice(refused or world.orders)
    number = "1Z0000000001" if world.random.random() < KNOWN else f"1Z{world.random.getrandbits(64):016X}"
    _ship(world, order, number, part=world.random.random() < PART)


def refuse(world: World) -> None:
    """The warehouse refuses one of its orders, unless something of it has left, and tells it."""
    place = world.vendors.warehouse
    if place.orders():
        order = world.random.choice(place.orders())
        with suppress(VendorError):
            place.refuse(order.external_id)
            world.done["refused"] += 1
        world.tell(order.external_id)


def tell(world: World) -> None:
    """An admin says what became of a parcel that was sent by hand; it may be known already."""
    sent = world.database.rows(UNDER_WAY.format("'shipped', 'lost', 'delivered', 'returned'"))
    if sent:
        order, parcel = world.random.choice(sent)
        _tell(world, order, parcel, world.random.choice(("delivered", "delivered", "returned")))


def conclude(world: World) -> None:
    """People decide what they must before, send the rest of what they have begun to send, or do not yet, and every
    parcel arrives.
    """
    for (order,) in world.database.rows(BEGUN):
        people.decide(world)
        if world.random.random() < CONCLUDED:
            _ship(world, order, f"1Z{world.random.getrandbits(64):016X}", part=False)
    for order, parcel in world.database.rows(UNDER_WAY.format("'shipped', 'lost'")):
        _tell(world, order, parcel, "delivered")


def _ship(world: World, order: UUID, number: str, *, part: bool) -> None:
    left = {sku: tins for sku, tins in world.database.rows(OPEN_TINS.format(order)) if tins}
    sku = world.random.choice(sorted(left) or [""])
    tins = [ShippedTins(sku=sku, tins=1)] if part and left else []
    body = ShipOrder(carrier="UPS", tracking_number=number, tins=tins, reason="The warehouse has none")
    key = IdempotencyKey("ship", str(uuid4()), b"", sealed=False)
    admin, now = people.admin_of(world), world.time
    before = _parcels(world, order)
    people.attempt(
        world, "ship", lambda tx: shipping.ship_order(tx, admin, key, order, body, client=people.DESK, now=now)
    )
    if _parcels(world, order) > before:
        _take_from_shelf(world, order, {sku: 1} if tins else left)


def _take_from_shelf(world: World, order: UUID, tins: dict[str, int]) -> None:
    """The tins that people send lie in the warehouse no more."""
    world.by_hand.append((order, tins))
    lying = Counter(world.vendors.warehouse.stock())
    lying.subtract(tins)
    world.vendors.warehouse.set_counts({sku: lying[sku] for sku in tins})


def _parcels(world: World, order: UUID) -> int:
    ((count,),) = world.database.rows(
        f"SELECT count(*) FROM parcels JOIN fulfilments f ON f.id = fulfilment_id WHERE f.order_id = '{order}'"
    )
    return int(count)


def _tell(world: World, order: UUID, parcel: UUID, outcome: str) -> None:
    body = ParcelOutcome.model_validate({"outcome": outcome, "reason": "The carrier says so"})
    admin, now = people.admin_of(world), world.time
    people.attempt(
        world,
        "outcome",
        lambda tx: shipping.record_parcel_outcome(tx, admin, order, parcel, body, client=people.DESK, now=now),
    )
