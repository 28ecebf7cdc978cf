"""Buyers' banks that want card payments back: the provider's stand-in decides, and its messages may get lost."""

from uuid import UUID

from functions.payment_watch import main as payment_watch
from shared import db
from shared.orders import tasks
from shared.ports.vendors import VendorSilent
from tests.fault.orders.world import World

CAPTURES = """
    SELECT o.id, o.amount FROM payment_operations o JOIN payments p ON p.id = o.payment_id
    WHERE o.kind = 'capture' AND o.status = 'succeeded' AND p.provider = 'card' ORDER BY o.answered_at, o.id
"""
CENT = 10_000


def open_one(world: World) -> None:
    """A bank disputes a payment, or a part of it, or inquires; the money may be taken at once or when it is lost."""
    disputed = {each.key for each in world.vendors.card.books.all() if each.status != "won"}
    free = [(key, amount) for key, amount in world.database.rows(CAPTURES) if str(key) not in disputed]
    if not free:
        return
    key, amount = world.random.choice(free)
    part = world.random.choice((1, 1, 1, 2, 3))
    made = world.vendors.card.open_dispute(
        key,
        max(1, int(amount) // CENT // part),
        inquiry=world.random.random() < 0.2,
        withdraw=world.random.random() < 0.8,
    )
    world.done[f"dispute {made.status}"] += 1
    _tell(world, made.id)


def decide(world: World) -> None:
    """The provider goes on with a dispute: an inquiry becomes one, an open one is won or lost, a lost one is won."""
    going_on = {"inquiry": ("open", "won"), "open": ("won", "lost"), "lost": ("won",)}
    known = [each for each in world.vendors.card.books.all() if each.status in going_on]
    if not known:
        return
    dispute = world.random.choice(known)
    status = world.random.choice(going_on[dispute.status])
    world.done[f"dispute {status} after {dispute.status}"] += 1
    world.vendors.card.change_dispute(dispute.id, status)
    _tell(world, dispute.id)


def end_all(world: World) -> None:
    """Every dispute that is open is won or lost, and every inquiry is withdrawn."""
    for dispute in world.vendors.card.books.all():
        if dispute.status in ("inquiry", "open"):
            lost = dispute.status == "open" and world.random.random() < 0.5
            world.vendors.card.change_dispute(dispute.id, "lost" if lost else "won")


def look_at_all(world: World) -> None:
    """The schedule of each hour, which asks for all that has changed; the provider may be silent."""
    try:
        with db.acting_for("payment_watch"), world.dying():
            payment_watch.look_at_disputes(world.time)
    except VendorSilent:
        world.done["disputes not told"] += 1


def _tell(world: World, reference: str) -> None:
    """The provider's message arrives, or gets lost."""
    if world.random.random() < 0.7:
        db.atomically(tasks.look_at_dispute_soon, reference, world.time)


def withdrawn(world: World) -> dict[UUID, int]:
    """The cents that the provider has taken for disputes and not given back, by the key of the capture."""
    taken: dict[UUID, int] = {}
    for dispute in world.vendors.card.books.all():
        taken[UUID(dispute.key)] = taken.get(UUID(dispute.key), 0) + dispute.withdrawn
    return taken
