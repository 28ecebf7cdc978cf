"""Acts of admins on orders, by the operations that serve them: refunds, a second person's word, and cancelling."""

from collections.abc import Callable
from uuid import UUID, uuid4

from functions.admin_orders import looking, refunding
from functions.admin_orders.models import OrderChange, RefundApproval, RefundedTins, RefundOrder, RefundRejection
from shared import db
from shared.auth import Admin, Role
from shared.credentials import totp
from shared.db import Tx
from shared.values.money import Usdt
from shared.values.problems import Problem
from shared.values.tiers import Tier
from shared.web.http import Client
from shared.web.idempotency import IdempotencyKey
from tests import factories
from tests.factories import Somebody
from tests.fakes.shop_client import COFFEE, MINT
from tests.fault.orders.world import World
from tests.fault.simulation.people import APPROVERS, REQUESTER

OWNERS = (*APPROVERS, REQUESTER)
DESK = Client("203.0.113.7", "tests")
LIMITS = '{"single": 5, "day": 2}'  # low, so that many refunds need a second person
PAID = "SELECT order_id FROM payments WHERE state = 'captured' AND refunded < amount ORDER BY order_id"
WAITING = "SELECT order_id, id FROM refund_requests WHERE status = 'waiting' ORDER BY id"


def begin(world: World) -> None:
    """Make three owners, each with an authenticator app."""
    names = ", ".join(f"'{person}'" for person in OWNERS)
    world.database.run(f"UPDATE members SET role = 'owner' WHERE id IN ({names})")
    world.database.run(f"UPDATE settings SET value = '{LIMITS}' WHERE name = 'refund_limits'")
    world.secrets = {person: factories.second_factor(Somebody(person, "", "")) for person in OWNERS}


def refund(world: World) -> None:
    """An admin refunds tins, the shipping or an amount of some order, which may be more than is left of it."""
    paid = [order for (order,) in world.database.rows(PAID)]
    order, chance = world.random.choice(paid or world.orders), world.random.random()
    if chance < 0.4:
        tins = [RefundedTins(sku=world.random.choice((MINT, COFFEE)), tins=world.random.randint(1, 3))]
        body = RefundOrder(kind="tins", tins=tins, reason="returned", note="It came back")
    elif chance < 0.6:
        body = RefundOrder(kind="shipping", reason="lost", note="It came late")
    else:
        amount = Usdt.of("0.01") * world.random.choice((1, 99, 499, 2_000, 10_001))
        body = RefundOrder(kind="amount", amount=amount, reason="goodwill", note="It came late")
    admin = admin_of(world)
    key = IdempotencyKey("refund", str(uuid4()), b"", sealed=False)
    attempt(
        world, "refund", lambda tx: refunding.refund_order(tx, admin, key, order, body, client=DESK, now=world.time)
    )


def decide(world: World) -> None:
    """An admin approves or rejects a refund that waits, which may be their own."""
    if not (waiting := world.database.rows(WAITING)):
        return
    order, refund_id = world.random.choice(waiting)
    admin, now = admin_of(world), world.time
    if world.random.random() < 0.2:
        no = RefundRejection(reason="It was sent again")
        attempt(
            world, "reject", lambda tx: refunding.reject_refund(tx, admin, order, refund_id, no, client=DESK, now=now)
        )
        return
    yes = RefundApproval(totp=code(world, admin), note="The picture shows it")
    attempt(
        world, "approve", lambda tx: refunding.approve_refund(tx, admin, order, refund_id, yes, client=DESK, now=now)
    )


def cancel(world: World) -> None:
    """An admin wants some order cancelled."""
    order, admin = world.random.choice(world.orders), admin_of(world)
    body = OrderChange(status="cancelled", reason="The buyer has called")
    attempt(world, "cancel by people", lambda tx: looking.change_order(tx, admin, order, body, DESK, now=world.time))


def code(world: World, admin: Admin) -> str:
    """The code that the admin's app shows now."""
    return totp.code(world.secrets[admin.id], totp.step_of(world.time))


def admin_of(world: World) -> Admin:
    """One of the owners."""
    person: UUID = world.random.choice(OWNERS)
    return Admin(
        id=person,
        number=1,
        username="person",
        status="active",
        role=Role.OWNER,
        permanent_tier=Tier.STANDARD,
        quarter_tier=Tier.STANDARD,
        session_id=person,
    )


def attempt(world: World, what: str, work: Callable[[Tx], object], function: str = "admin_orders") -> None:
    """Do it as the function does, whose worker may die; what is refused changes nothing."""
    try:
        with db.acting_for(function), world.dying():
            db.atomically(work)
        world.done[what] += 1
    except Problem as refused:
        world.done[f"{what}: {refused.slug()}"] += 1
