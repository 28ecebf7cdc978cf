"""Orders of a wholesale account, by card and by invoice: its transfers come to a bank, whose statement people read."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from functions.admin_treasury import invoices
from functions.admin_treasury.invoices import BankTransfer
from shared import db
from shared.auth import Admin
from shared.orders import tasks
from shared.values.money import Usdt
from shared.web.idempotency import IdempotencyKey
from tests.factories import Somebody
from tests.fakes import wholesale_order_rows
from tests.fakes.wholesale_order_rows import INVOICE_LIFE
from tests.fakes.wholesale_rows import wholesale_account
from tests.fault.orders import people
from tests.fault.orders.world import BEGIN, CARDS, World
from tests.fault.simulation.people import APPROVERS, WINNERS

BUYER, ADMIN = (Somebody(person, "", "") for person in (WINNERS[0], APPROVERS[0]))
AWAITED = """
    SELECT o.kind, o.id, p.order_id, o.amount FROM payment_operations o JOIN payments p ON p.id = o.payment_id
    WHERE p.provider = 'invoice' AND o.status = 'recorded' ORDER BY o.recorded_at, o.id
"""
CODE_LIFE = 31  # seconds, after which an app shows another code


@dataclass(frozen=True)
class Line:
    """A line of the bank's statement: what has come for an order."""

    reference: str
    order_id: UUID
    amount: Usdt


def begin(world: World) -> None:
    """Approve the account of a member."""
    world.account = wholesale_account("approved", member=BUYER, admin=ADMIN, at=BEGIN - timedelta(hours=1))


def order(world: World) -> None:
    """The account orders, by invoice or by card; the task that the checkout queues may be lost."""
    card = world.random.choice((None, None, *CARDS))
    assert world.account
    tins = world.random.choice((100, 100, 200))
    made = wholesale_order_rows.placed(BUYER, world.account, tins, world.time, card=card)
    world.orders.append(made)
    if world.random.random() < 0.9:
        db.atomically(tasks.advance_soon, made, world.time)
    world.done[f"wholesale {card or 'invoice'}"] += 1


def transfer(world: World) -> None:
    """The account pays an invoice that waits, or by mistake less, or one that is paid already."""
    waiting = [(order_id, amount) for kind, _, order_id, amount in world.database.rows(AWAITED) if kind == "capture"]
    again = [(line.order_id, line.amount.micro) for line in world.statement]
    if not (known := waiting * 3 + again):
        return
    order_id, amount = world.random.choice(known)
    paid = Usdt(int(amount)) if world.random.random() < 0.85 else Usdt.of("100.00")
    world.statement.append(Line(f"FT-{len(world.statement):03d}", order_id, paid))
    world.done["transfer"] += 1


def book(world: World) -> None:
    """An admin books a line of the statement, which somebody may have booked, sometimes for another order."""
    if not world.statement:
        return
    line, admin = world.random.choice(world.statement), people.admin_of(world)
    order_id = line.order_id if world.random.random() < 0.9 else world.random.choice(world.orders)
    _book(world, line, order_id, admin)


def pay_back(world: World) -> None:
    """An admin sends what an invoice's refund owes at the bank, and books it; sometimes twice."""
    refunds = [(refund, amount) for kind, refund, _, amount in world.database.rows(AWAITED) if kind == "refund"]
    if refunds:
        _pay_back(world, *world.random.choice(refunds))


def conclude(world: World) -> None:
    """People send and book every refund, and find what was transferred in time; nobody transfers any more."""
    for kind, operation, order_id, amount in world.database.rows(AWAITED):
        world.pass_time(CODE_LIFE)
        if kind == "refund":
            _pay_back(world, operation, amount)
        for line in world.statement:
            if kind == "capture" and (line.order_id, line.amount.micro) == (order_id, amount):
                _book(world, line, order_id, people.admin_of(world))
                break


def expire(world: World) -> None:
    """Let so much time pass that every invoice is due."""
    world.pass_time(int(INVOICE_LIFE.total_seconds()))


def _book(world: World, line: Line, order_id: UUID, admin: Admin) -> None:
    body = BankTransfer(
        bank_reference=line.reference, amount=line.amount, reason="On the statement", totp=people.code(world, admin)
    )
    people.attempt(
        world,
        "invoice booked",
        lambda tx: invoices.book_invoice_paid(tx, admin, _key(), order_id, body, client=people.DESK, now=world.time),
        "admin_treasury",
    )


def _pay_back(world: World, refund: UUID, amount: int) -> None:
    admin = people.admin_of(world)
    body = BankTransfer(
        bank_reference=f"RF-{refund.hex}", amount=Usdt(int(amount)), reason="Sent back", totp=people.code(world, admin)
    )
    people.attempt(
        world,
        "invoice refunded",
        lambda tx: invoices.book_invoice_refunded(tx, admin, _key(), refund, body, client=people.DESK, now=world.time),
        "admin_treasury",
    )


def _key() -> IdempotencyKey:
    return IdempotencyKey("transfer", str(uuid4()), b"", sealed=False)
