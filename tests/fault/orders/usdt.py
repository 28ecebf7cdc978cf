"""Orders that are paid in USDT: what buyers and strangers send, what the chain does, and what people say of it."""

from collections.abc import Callable
from uuid import UUID, uuid4

from functions.admin_treasury import deposits, transfers
from functions.admin_treasury.deposits import DepositAssignment, DepositReturn
from functions.admin_treasury.payments import PayoutApproval
from shared import db
from shared.db import Tx
from shared.orders import tasks, usdt_requests
from shared.orders.addresses import DeliveryAddress
from shared.web.idempotency import IdempotencyKey
from tests.factories import Somebody
from tests.fakes import order_rows
from tests.fakes.shop_client import MINT
from tests.fault.orders import people
from tests.fault.orders.treasury import REORGANISED_MAX, WALLETS, Treasury, treasury_of
from tests.fault.orders.world import NAMES, World
from tests.fault.simulation.people import WINNERS

EXCHANGE = "0x" + "8" * 40
SENDER = "0x" + "9" * 40  # to which people send back what came from an exchange
DOLLAR = 1_000_000
ASKED = """
    SELECT amount, received, refund_to, closed_at IS NOT NULL FROM usdt_requests ORDER BY closed_at DESC, payment_id
"""
UNMATCHED = """
    SELECT id FROM usdt_deposits d WHERE payment_id IS NULL AND usdt_deposit_is_free(d) ORDER BY found_at, id
"""
HELD = """
    SELECT p.id FROM payouts p JOIN manual_transfers ON payout_id = p.id WHERE state = 'HELD'
    ORDER BY p.requested_at, p.id
"""
DECLINED = """
    SELECT o.id, o.member_id FROM orders o
    WHERE state = 'payment_processing' AND kind = 'retail' AND cancel_wanted_at IS NULL AND expires_at > '{now}'
      AND NOT EXISTS (SELECT FROM payments WHERE order_id = o.id AND state <> 'failed')
    ORDER BY o.id
"""


def order(world: World) -> None:
    """A member orders, to be paid in USDT; the task that the checkout queues may be lost."""
    who = Somebody(UUID(str(world.random.choice(WINNERS))), "", "")
    name = "Accepted" if world.random.random() < 0.8 else world.random.choice(NAMES)
    home = DeliveryAddress(f"Ann {name}", "12 Main Street", "", "Springfield", "IL", "62704")
    world.database.run(f"DELETE FROM carts WHERE status = 'open' AND member_id = '{who.id}'")
    made = order_rows.placed(who, {MINT: world.random.randint(1, 9)}, usdt=WALLETS[who.id], address=home, at=world.time)
    world.orders.append(made)
    if world.random.random() < 0.9:
        db.atomically(tasks.advance_soon, made, world.time)
    world.done[f"usdt {name}"] += 1


def pay_again(world: World) -> None:
    """Pay an order whose card was declined in USDT, as `POST /v1/orders/{order_id}/pay` does."""
    if not (declined := world.database.rows(DECLINED.format(now=world.time))):
        return
    order_id, member_id = world.random.choice(declined)

    db.atomically(usdt_requests.pay_again, order_id, WALLETS[member_id], world.time)
    world.done["usdt after a card"] += 1


def send(world: World) -> None:
    """Somebody sends USDT to the shop: for an order that waits, or one that has ended, the right amount or another,
    from the buyer's wallet or an exchange; or a stranger does.
    """
    asked, treasury = world.database.rows(ASKED), treasury_of(world)
    if not asked or world.random.random() < 0.1:
        _pay(world, treasury, "stranger", world.random.randint(1, 50 * DOLLAR), EXCHANGE)
        return
    waiting = [each for each in asked if not each[3]]
    known = waiting if waiting and world.random.random() < 0.8 else asked
    amount, received, wallet, closed = world.random.choice(known)
    kinds = {
        "exact": amount,
        "short": amount // 2,
        "rest": max(amount - received, 1),
        "without its tail": amount - amount % 10_000,
        "over": amount + world.random.choice((1, 5, DOLLAR - 1, DOLLAR, 7 * DOLLAR)),
    }
    kind = world.random.choices(list(kinds), (8, 3, 3, 1, 3))[0]
    sender = wallet if world.random.random() < 0.7 else EXCHANGE
    _pay(world, treasury, f"{kind}{' late' if closed else ''}", kinds[kind], sender)


def _pay(world: World, treasury: Treasury, what: str, micro: int, sender: str) -> None:
    treasury.nodes.pay_in(treasury.address, micro, sender)
    world.done[f"sent {what}"] += 1


def move_chain(world: World) -> None:
    """Blocks come; or finality stalls or goes on, a node is silent or answers again, blocks are reorganised away."""
    treasury = treasury_of(world)
    chance, one = world.random.random(), treasury.nodes.one
    if chance < 0.1:
        treasury.stall()
    elif chance < 0.2:
        one.silent = not one.silent
    elif chance < 0.35:
        again = world.random.random() < 0.7
        treasury.reorganise(world.random.randint(1, REORGANISED_MAX), comes_again=again)
        world.done["reorganised"] += 1
    else:
        treasury.mine(world.random.choice((1, 5, 15)))


def decide(world: World) -> None:
    """An admin assigns a deposit of no order, asks to send it back, or approves what another has asked for."""
    free = [deposit for (deposit,) in world.database.rows(UNMATCHED)]
    held = [payout for (payout,) in world.database.rows(HELD)]
    admin, now = people.admin_of(world), world.time
    if held and world.random.random() < 0.6:
        payout, yes = world.random.choice(held), PayoutApproval(totp=people.code(world, admin), note="I have looked")
        approve = transfers.approve_treasury_transfer
        _try(world, "transfer approved", lambda tx: approve(tx, admin, payout, yes, people.DESK, now=now))
    elif free and world.random.random() < 0.5:
        deposit, order_id = world.random.choice(free), world.random.choice(world.orders)
        to = DepositAssignment(order_id=order_id, reason="The buyer has shown it")
        _try(world, "assigned", lambda tx: deposits.assign_deposit(tx, admin, deposit, to, people.DESK, now=now))
    elif free:
        deposit, on_chain = world.random.choice(free), transfers.read_chain()
        back = DepositReturn(to_address=SENDER, reason="Nobody knows it", totp=people.code(world, admin))
        key = IdempotencyKey("return", str(uuid4()), uuid4().bytes, sealed=False)
        ask = deposits.return_deposit
        _try(world, "return asked", lambda tx: ask(tx, admin, key, deposit, back, on_chain, people.DESK, now=now))


def _try(world: World, what: str, work: Callable[[Tx], object]) -> None:
    people.attempt(world, what, work, "admin_treasury")
