"""The rules that hold once a schedule has ended and everything that was open has run out."""

from collections import Counter
from collections.abc import Iterator

from tests.fault.orders.world import World

CENT = 10_000

FOR_PEOPLE = (
    "cancel_wanted_at IS NULL AND EXISTS (SELECT FROM fulfilments f WHERE f.order_id = o.id AND f.status = 'refused')"
)


def broken(world: World) -> Iterator[str]:
    """Every rule that the world breaks, in words."""
    yield from _orders(world)
    yield from _provider(world)
    yield from _stock(world)
    yield from _parcels(world)
    yield from _told(world)
    yield from _books(world)
    yield from _pools(world)
    yield from _refunds(world)


def _refunds(world: World) -> Iterator[str]:
    """Each order gives back what it was charged at most, its lines too, and a refund that waits gives nothing."""
    for order, charged, given in world.database.rows(
        "SELECT o.id, total_amount, coalesce(sum(r.amount), 0)::bigint FROM orders o LEFT JOIN refunds r "
        "ON r.order_id = o.id GROUP BY o.id HAVING coalesce(sum(r.amount), 0) > total_amount"
    ):
        yield f"order {order} cost {charged} and gives back {given}"
    for order, sku in world.database.rows(
        "SELECT r.order_id, line.sku FROM refunds r JOIN refund_lines line ON line.refund_id = r.id "
        "JOIN order_items i ON i.order_id = r.order_id AND i.sku = line.sku "
        "GROUP BY r.order_id, line.sku, i.line_total, i.tax, i.refunded "
        "HAVING sum(line.goods) > i.line_total OR sum(line.tax) > i.tax OR sum(line.tins) <> i.refunded"
    ):
        yield f"{sku} of order {order} gives back more than it cost, or other tins than are counted"
    for request, status in world.database.rows(
        "SELECT q.id, q.status FROM refund_requests q LEFT JOIN refunds r USING (id) "
        "WHERE (q.status = 'recorded') <> (r.id IS NOT NULL) OR r.amount <> q.amount"
    ):
        yield f"refund {request} is {status}, and not what was asked for"
    for refund, mails in world.database.rows(
        "SELECT r.id, count(m.id) FROM refunds r LEFT JOIN mails m ON m.dedupe_key = 'order-refund:' || r.id "
        "GROUP BY r.id HAVING count(m.id) <> 1"
    ):
        yield f"refund {refund} was mailed {mails} times"


def _orders(world: World) -> Iterator[str]:
    for order, state in world.database.rows(
        f"SELECT id, state FROM orders o WHERE state NOT IN ('delivered', 'cancelled') "
        f"AND NOT (state IN ('confirmed', 'fulfilled') AND {FOR_PEOPLE})"
    ):
        yield f"order {order} is still {state}"
    for order, codes in world.database.rows(
        "SELECT data ->> 'order_id', count(*) FROM notifications WHERE code IN ('order_confirmed', 'order_cancelled', "
        "'order_refunded', 'order_expired', 'order_age_denied') AND dedupe_key LIKE 'order-cancelled:%' "
        "GROUP BY 1 HAVING count(*) > 1"
    ):
        yield f"order {order} was told {codes} times that it is cancelled"


def _provider(world: World) -> Iterator[str]:
    """The provider holds nothing, and has kept exactly the totals of the paid orders, less what was refunded."""
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
    for order, state, total in world.database.rows(
        "SELECT o.id, state, (total_amount - coalesce((SELECT sum(amount) FROM refunds r WHERE r.order_id = o.id), 0))"
        "::bigint FROM orders o"
    ):
        due = total // CENT if state != "cancelled" else 0
        if kept[str(order)] != due:
            yield f"order {order} is {state}: the provider has {kept[str(order)]} cents of it instead of {due}"


def _stock(world: World) -> Iterator[str]:
    for sku, promised, wanted in world.database.rows(
        "SELECT * FROM (SELECT s.sku, s.promised, coalesce(sum(i.promised - i.released - i.shipped), 0) AS wanted "
        "FROM stock s LEFT JOIN order_items i USING (sku) GROUP BY s.sku) counted WHERE promised <> wanted"
    ):
        yield f"{promised} tins of {sku} are promised, orders wait for {wanted}"
    for order, quantity in world.database.rows(
        "SELECT order_id, sum(promised - released - i.shipped) FROM order_items i JOIN orders o ON o.id = order_id "
        "GROUP BY order_id, state HAVING sum(promised - released - i.shipped) "
        "<> CASE WHEN state IN ('confirmed', 'fulfilled') THEN sum(quantity) ELSE 0 END"
    ):
        yield f"order {order} holds {quantity} tins"
    lying = world.vendors.warehouse.stock()
    for sku, on_hand in world.database.rows("SELECT sku, on_hand FROM stock"):
        if on_hand != lying[sku]:
            yield f"{on_hand} tins of {sku} are on hand, {lying[sku]} lie in the warehouse"


def _parcels(world: World) -> Iterator[str]:
    """Each order is at the warehouse once at most, and each of its tins has left, or was paid back, or neither."""
    known = {str(key): str(order) for key, order in world.database.rows("SELECT id, order_id FROM fulfilments")}
    sent = world.vendors.warehouse.orders()
    yield from (f"nobody has recorded {each.external_id}" for each in sent if each.external_id not in known)
    times = Counter(known.get(each.external_id) for each in sent)
    yield from (f"order {order} is at the warehouse {count} times" for order, count in times.items() if count > 1)
    left: Counter[tuple[str, str]] = Counter()
    for each in sent:
        for parcel in each.shipments:
            left.update({(known.get(each.external_id, ""), sku): tins for sku, tins in parcel.items.items()})
    for order, state, sku, quantity, shipped, unsent in world.database.rows(
        "SELECT order_id, state, sku, quantity, i.shipped, refunded_unsent "
        "FROM order_items i JOIN orders o ON o.id = order_id"
    ):
        if shipped != left[str(order), sku]:
            yield f"{shipped} tins {sku} of order {order} are shipped, {left[str(order), sku]} have left"
        if state == "delivered" and shipped + unsent != quantity:
            yield f"order {order}: of {quantity} tins {sku} {shipped} are shipped, {unsent} paid back unsent"


def _told(world: World) -> Iterator[str]:
    """Each parcel is told once, and its order."""
    for order, parcels, told in world.database.rows(
        "SELECT o.id, (SELECT count(*) FROM parcels JOIN fulfilments f ON f.id = fulfilment_id WHERE order_id = o.id), "
        "(SELECT count(*) FROM notifications WHERE code = 'order_shipped' AND data ->> 'order_id' = o.id::text) "
        "FROM orders o"
    ):
        if parcels != told:
            yield f"{parcels} parcels of order {order} have left, {told} were told"


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
                "SELECT coalesce(sum(subtotal - goods), 0)::bigint, "
                "coalesce(sum(shipping_cost - shipping), 0)::bigint, "
                "coalesce(sum(tax_amount - tax), 0)::bigint "
                "FROM orders, order_given_back(id) "
                "WHERE confirmed_at IS NOT NULL"
            )[0],
            strict=True,
        )
    )
    for account, amount in confirmed.items():
        if balances.get(account, 0) != -amount:
            yield f"{account} is {balances.get(account, 0)}, paid orders make {-amount}"


def _pools(world: World) -> Iterator[str]:
    """The pools have 50, 5 and 5 % of the profit of paid orders less what was refunded, and of no other."""
    profits = world.database.rows(
        "SELECT greatest(subtotal - given.goods - (o.tins - given.tins) * cost_per_tin, 0)::bigint "
        "FROM orders o, order_given_back(id) given WHERE confirmed_at IS NOT NULL"
    )
    profit = sum(amount for (amount,) in profits)
    balances = dict(world.database.rows("SELECT account, sum(balance)::bigint FROM ledger_balances GROUP BY account"))
    for pool, percent in (("member", 50), ("affiliate", 5), ("wholesale", 5)):
        if balances.get(f"pool:{pool}", 0) * 100 != profit * percent:
            yield f"pool:{pool} is {balances.get(f'pool:{pool}', 0)}, the profit is {profit}"
