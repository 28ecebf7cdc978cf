"""The rules that hold once a schedule has ended and everything that was open has run out."""

from collections import Counter
from collections.abc import Iterator

from tests.fault.orders.world import World

CENT = 10_000

ENDS = frozenset({"confirmed", "cancelled"})


def broken(world: World) -> Iterator[str]:
    """Every rule that the world breaks, in words."""
    yield from _orders(world)
    yield from _provider(world)
    yield from _stock(world)
    yield from _books(world)
    yield from _pools(world)


def _orders(world: World) -> Iterator[str]:
    for order, state in world.database.rows("SELECT id, state FROM orders"):
        if state not in ENDS:
            yield f"order {order} is still {state}"
    for order, codes in world.database.rows(
        "SELECT data ->> 'order_id', count(*) FROM notifications WHERE code IN ('order_confirmed', 'order_cancelled', "
        "'order_refunded', 'order_expired', 'order_age_denied') AND dedupe_key LIKE 'order-cancelled:%' "
        "GROUP BY 1 HAVING count(*) > 1"
    ):
        yield f"order {order} was told {codes} times that it is cancelled"


def _provider(world: World) -> Iterator[str]:
    """The provider holds nothing, and has taken and kept exactly the totals of the confirmed orders."""
    made = world.vendors.card.operations()
    for key, count in Counter(each.key for each in made).items():
        if count > 1:
            yield f"operation {key} was done {count} times"
    succeeded = [each for each in made if each.status == "succeeded"]
    settled = {each.of for each in succeeded if each.kind in ("capture", "void")}
    for held in (each for each in succeeded if each.kind == "authorize" and each.id not in settled):
        yield f"authorization {held.id} of {held.amount} is still held"
    kept: Counter[str] = Counter()
    owners = {
        str(key): str(order)
        for key, order in world.database.rows(
            "SELECT o.id, p.order_id FROM payment_operations o JOIN payments p ON p.id = payment_id"
        )
    }
    for each in succeeded:
        if each.kind in ("capture", "refund"):
            kept[owners[each.key]] += each.amount if each.kind == "capture" else -each.amount
    for order, state, total in world.database.rows("SELECT id, state, total_amount FROM orders"):
        due = total // CENT if state == "confirmed" else 0
        if kept[str(order)] != due:
            yield f"order {order} is {state}: the provider has {kept[str(order)]} cents of it instead of {due}"


def _stock(world: World) -> Iterator[str]:
    for sku, promised, wanted in world.database.rows(
        "SELECT * FROM (SELECT s.sku, s.promised, coalesce(sum(i.promised - i.released), 0) AS wanted FROM stock s "
        "LEFT JOIN order_items i USING (sku) GROUP BY s.sku) counted WHERE promised <> wanted"
    ):
        yield f"{promised} tins of {sku} are promised, orders wait for {wanted}"
    for order, quantity in world.database.rows(
        "SELECT order_id, sum(promised - released) FROM order_items i JOIN orders o ON o.id = order_id "
        "GROUP BY order_id, state HAVING sum(promised - released) "
        "<> CASE state WHEN 'confirmed' THEN sum(quantity) ELSE 0 END"
    ):
        yield f"order {order} holds {quantity} tins"


def _books(world: World) -> Iterator[str]:
    """The ledger says of the provider what the provider says, and owes nobody anything."""
    made = [each for each in world.vendors.card.operations() if each.status == "succeeded"]
    taken = sum(each.amount for each in made if each.kind == "capture")
    returned = sum(each.amount for each in made if each.kind == "refund")
    balances = dict(world.database.rows("SELECT account, sum(balance)::bigint FROM ledger_balances GROUP BY account"))
    if balances.get("takings:card", 0) != (taken - returned) * CENT:
        yield f"takings:card is {balances.get('takings:card', 0)}, the provider has {taken - returned} cents"
    if balances.get("owed:refunds", 0):
        yield f"{balances['owed:refunds']} of refunds is still owed"
    confirmed = dict(
        zip(
            ("turnover:shop", "shipping:shop", "sales_tax:shop"),
            world.database.rows(
                "SELECT coalesce(sum(subtotal), 0)::bigint, coalesce(sum(shipping_cost), 0)::bigint, "
                "coalesce(sum(tax_amount), 0)::bigint FROM orders WHERE state = 'confirmed'"
            )[0],
            strict=True,
        )
    )
    for account, amount in confirmed.items():
        if balances.get(account, 0) != -amount:
            yield f"{account} is {balances.get(account, 0)}, confirmed orders make {-amount}"


def _pools(world: World) -> Iterator[str]:
    """The pools have 50, 5 and 5 % of the profit of confirmed orders, and of no other."""
    profits = world.database.rows(
        "SELECT greatest(subtotal - tins * cost_per_tin, 0)::bigint FROM orders WHERE state = 'confirmed'"
    )
    profit = sum(amount for (amount,) in profits)
    balances = dict(world.database.rows("SELECT account, sum(balance)::bigint FROM ledger_balances GROUP BY account"))
    for pool, percent in (("member", 50), ("affiliate", 5), ("wholesale", 5)):
        if balances.get(f"pool:{pool}", 0) * 100 != profit * percent:
            yield f"pool:{pool} is {balances.get(f'pool:{pool}', 0)}, the profit is {profit}"
