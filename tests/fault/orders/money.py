"""The rules about money that hold once a schedule has ended: at the card's provider, at our bank, and in our books."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from tests.fault.orders import disputes, usdt_money
from tests.fault.orders.treasury import Treasury
from tests.fault.orders.world import World

CENT = 10_000
TURNOVER = """
    SELECT coalesce(sum(subtotal - goods), 0)::bigint, coalesce(sum(shipping_cost - shipping), 0)::bigint,
           coalesce(sum(tax_amount - tax), 0)::bigint
    FROM orders, order_given_back(id) WHERE confirmed_at IS NOT NULL
"""
PAID = """
    SELECT o.id, o.state, o.total_amount, p.provider, order_is_disputed(o.id),
           coalesce((SELECT sum(amount) FROM refunds WHERE order_id = o.id), 0)::bigint,
           coalesce(p.refunded, 0)::bigint,
           coalesce((SELECT sum(withdrawn) FROM disputes WHERE payment_id = p.id), 0)::bigint,
           coalesce((SELECT sum(excess) FROM disputes JOIN dispute_movements m ON m.dispute_id = disputes.id
                     WHERE payment_id = p.id), 0)::bigint,
           EXISTS (SELECT FROM disputes JOIN dispute_movements back ON back.dispute_id = disputes.id
                   WHERE payment_id = p.id AND back.amount < 0 AND back.moved_at >= o.state_at)
    FROM orders o LEFT JOIN payments p ON p.order_id = o.id AND p.state = 'captured'
"""


@dataclass(frozen=True)
class Paid:
    """An order and the payment that was charged, in micro-USD; `provider` is None if none was. `refunded` was paid back
    of what `refunds` promise; banks have withdrawn the rest, `excess` beyond what was left. With `came_back` a bank has
    given money back since the order has its state: what becomes of that of a cancelled one is for people.
    """

    order: str
    state: str
    total: int
    provider: str | None
    is_disputed: bool
    refunds: int
    refunded: int
    withdrawn: int
    excess: int
    came_back: bool


def broken(world: World, treasury: Treasury) -> Iterator[str]:
    """Every rule about money that the world breaks, in words."""
    paid = [Paid(str(row[0]), *row[1:]) for row in world.database.rows(PAID)]
    kept = {"card": _at_the_provider(world), "invoice": _at_the_bank(world), "usdt": usdt_money.kept(world, treasury)}
    yield from _done_once(world)
    yield from _orders(paid, kept)
    yield from _disputes(world)
    yield from _statement(world)
    yield from _books(world, paid, kept)
    yield from usdt_money.broken(world, treasury)


def _done_once(world: World) -> Iterator[str]:
    """The provider has done each key once, and holds nothing."""
    made = world.vendors.card.operations()
    for key, count in Counter(each.key for each in made).items():
        if count > 1:
            yield f"operation {key} was done {count} times"
    succeeded = [each for each in made if each.status == "succeeded"]
    settled = {each.of for each in succeeded if each.kind in ("capture", "void")}
    for held in (each for each in succeeded if each.kind == "authorize" and each.id not in settled):
        yield f"authorization {held.id} of {held.amount} is still held"


def _at_the_provider(world: World) -> Counter[str]:
    """The money that the card's provider has taken of each order less what it has paid back, without disputes."""
    owners = _orders_of_operations(world)
    kept: Counter[str] = Counter()
    for each in world.vendors.card.operations():
        if each.status == "succeeded" and each.kind in ("capture", "refund"):
            kept[owners[each.key]] += (each.amount if each.kind == "capture" else -each.amount) * CENT
    return kept


def _at_the_bank(world: World) -> Counter[str]:
    """The money that has come to our bank for each order, as far as it was booked, less what was sent back."""
    kept: Counter[str] = Counter()
    for order, kind, amount in world.database.rows(
        "SELECT p.order_id, o.kind, o.amount FROM bank_transfers JOIN payment_operations o ON o.id = operation_id "
        "JOIN payments p ON p.id = o.payment_id"
    ):
        kept[str(order)] += amount if kind == "capture" else -amount
    return kept


def _orders_of_operations(world: World) -> dict[str, str]:
    return {
        str(key): str(order)
        for key, order in world.database.rows(
            "SELECT o.id, p.order_id FROM payment_operations o JOIN payments p ON p.id = payment_id"
        )
    }


def _orders(paid: list[Paid], kept: Mapping[str, Counter[str]]) -> Iterator[str]:
    """The one who was paid has the order's total less what was refunded, nobody else has anything. All refunds are paid
    unless a bank has the money, and a cancelled order has given everything back.
    """
    for each in paid:
        for provider, having in kept.items():
            due = each.total - each.refunded if each.provider == provider else 0
            if having[each.order] != due:
                yield f"order {each.order} is {each.state}: {provider} has {having[each.order]} of it instead of {due}"
        if each.refunded != each.refunds and not each.is_disputed:
            yield f"order {each.order} promises {each.refunds} and has paid back {each.refunded}"
        if each.refunds + each.withdrawn - each.excess > each.total:
            yield f"order {each.order} cost {each.total}, gives back {each.refunds} and lost {each.withdrawn}"
        held = each.total - each.refunds - each.withdrawn + each.excess if each.provider else 0
        if each.state == "cancelled" and held and not each.came_back:
            yield f"order {each.order} is cancelled, gives back {each.refunds} and lost {each.withdrawn}"


def _disputes(world: World) -> Iterator[str]:
    """Our rows have of each payment what banks have taken at the provider; nothing was paid back of it meanwhile."""
    taken = disputes.withdrawn(world)
    for key, withdrawn in world.database.rows(
        "SELECT o.id, coalesce(sum(d.withdrawn), 0)::bigint FROM payment_operations o "
        "LEFT JOIN disputes d USING (payment_id) WHERE o.kind = 'capture' AND o.status = 'succeeded' GROUP BY o.id"
    ):
        if withdrawn != taken.get(key, 0) * CENT:
            yield f"of capture {key} {taken.get(key, 0)} cents are withdrawn, not {withdrawn}"
    made: dict[str, datetime] = {
        each.key: each.made_at
        for each in world.vendors.card.operations()
        if (each.kind, each.status) == ("refund", "succeeded")
    }
    for refund, opened, decided in world.database.rows(
        "SELECT o.id, (SELECT min(moved_at) FROM dispute_movements WHERE dispute_id = d.id), d.decided_at "
        "FROM payment_operations o JOIN disputes d USING (payment_id) WHERE o.kind = 'refund'"
    ):
        at = made.get(str(refund))
        if at and opened and opened < at and (decided is None or at < decided):
            yield f"refund {refund} was paid while a dispute was open"
    yield from _paid_at_most(world, made)


def _paid_at_most(world: World, made: Mapping[str, datetime]) -> Iterator[str]:
    """When a refund was paid, refunds and banks had no more of its payment than was captured."""
    refunds = [
        (str(refund), payment, amount, captured)
        for refund, payment, amount, captured in world.database.rows(
            "SELECT o.id, p.id, o.amount, p.amount FROM payment_operations o JOIN payments p ON p.id = o.payment_id "
            "WHERE o.kind = 'refund'"
        )
    ]
    movements = world.database.rows(
        "SELECT payment_id, moved_at, m.amount FROM disputes d JOIN dispute_movements m ON m.dispute_id = d.id"
    )
    for refund, payment, _, captured in refunds:
        if at := made.get(refund):
            paid = sum(each for key, of, each, _ in refunds if of == payment and key in made and made[key] <= at)
            # What a bank gives back at that moment is there, what it takes then is not gone yet.
            taken = sum(
                each for of, moved, each in movements if of == payment and (moved < at or (moved == at and each < 0))
            )
            if paid + taken > captured:
                yield f"refund {refund} was paid while a bank had the money"


def _statement(world: World) -> Iterator[str]:
    """Each line of the bank's statement is booked once at most, with its amount; nothing else was booked."""
    lines = {f"{line.reference}": line.amount.micro for line in world.statement}
    for reference, kind, amount in world.database.rows(
        "SELECT t.reference, o.kind, o.amount FROM bank_transfers t JOIN payment_operations o ON o.id = operation_id"
    ):
        if kind == "capture" and lines.pop(reference, None) != amount:
            yield f"{reference} was booked with {amount}, and is not so on the statement"


def _books(world: World, paid: list[Paid], kept: Mapping[str, Counter[str]]) -> Iterator[str]:
    """The ledger says what provider and bank say, owes what was not paid back, and has what paid orders bring."""
    withdrawn = sum(disputes.withdrawn(world).values()) * CENT
    turnover = world.database.rows(TURNOVER)[0]
    wanted = {
        "takings:card": sum(kept["card"].values()) - withdrawn,
        "takings:bank": sum(kept["invoice"].values()),
        "owed:refunds": -sum(each.refunds - each.refunded for each in paid) - usdt_money.owed(world),
        "excess:disputes": sum(each.excess for each in paid),
        "turnover:shop": -turnover[0],
        "shipping:shop": -turnover[1],
        "sales_tax:shop": -turnover[2],
    }
    balances = dict(world.database.rows("SELECT account, sum(balance)::bigint FROM ledger_balances GROUP BY account"))
    for account, amount in wanted.items():
        if balances.get(account, 0) != amount:
            yield f"{account} is {balances.get(account, 0)} instead of {amount}"
