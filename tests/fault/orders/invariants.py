"""The rules that hold once a schedule has ended and everything that was open has run out."""

from collections import Counter
from collections.abc import Iterator

from tests.fault.orders import money
from tests.fault.orders.treasury import Treasury
from tests.fault.orders.world import World

DISPUTED = "EXISTS (SELECT FROM disputes d JOIN payments p ON p.id = d.payment_id WHERE p.order_id = o.id)"
# Its refunds are with a bank, which people say of them.
WAITING = (
    "order_is_overdrawn(o.id) AND EXISTS (SELECT FROM payment_operations w JOIN payments p ON p.id = w.payment_id "
    "WHERE p.order_id = o.id AND w.kind = 'refund' AND w.status IN ('recorded', 'sent'))"
)
FOR_PEOPLE = (
    "cancel_wanted_at IS NULL AND EXISTS (SELECT FROM fulfilments f WHERE f.order_id = o.id AND f.status = 'refused') "
    "AND NOT EXISTS (SELECT FROM fulfilments f WHERE f.order_id = o.id AND f.by_hand)"
)


def broken(world: World, treasury: Treasury) -> Iterator[str]:
    """Every rule that the world breaks, in words."""
    yield from _orders(world)
    yield from _stock(world)
    yield from _parcels(world)
    yield from _told(world)
    yield from _pools(world)
    yield from _refunds(world)
    yield from _chips(world)
    yield from money.broken(world, treasury)


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
        f"AND NOT (state IN ('confirmed', 'fulfilled') AND {FOR_PEOPLE}) "
        f"AND NOT (state <> 'shipped' AND order_is_disputed(id) AND (cancel_wanted_at IS NULL OR {WAITING}))"
    ):
        yield f"order {order} is still {state}"
    for order, codes in world.database.rows(
        "SELECT data ->> 'order_id', count(*) FROM notifications WHERE code IN ('order_confirmed', 'order_cancelled', "
        "'order_refunded', 'order_expired', 'order_age_denied') AND dedupe_key LIKE 'order-cancelled:%' "
        "GROUP BY 1 HAVING count(*) > 1"
    ):
        yield f"order {order} was told {codes} times that it is cancelled"


def _stock(world: World) -> Iterator[str]:
    for sku, promised, wanted in world.database.rows(
        "SELECT * FROM (SELECT s.sku, s.promised, coalesce(sum(i.promised - i.released - i.shipped), 0) AS wanted "
        "FROM stock s LEFT JOIN order_items i USING (sku) GROUP BY s.sku) counted WHERE promised <> wanted"
    ):
        yield f"{promised} tins of {sku} are promised, orders wait for {wanted}"
    for order, state, tins, quantity in world.database.rows(
        f"SELECT o.id, state, sum(promised - released - i.shipped), sum(quantity) "
        f"FROM order_items i JOIN orders o ON o.id = order_id WHERE NOT ({DISPUTED}) GROUP BY o.id, state"
    ):
        if tins != (quantity if state in ("confirmed", "fulfilled") else 0):
            yield f"order {order} is {state} and holds {tins} tins"
    for order, state in world.database.rows(
        "SELECT o.id, state FROM orders o WHERE state IN ('delivered', 'cancelled') "
        "AND EXISTS (SELECT FROM order_items WHERE order_id = o.id AND promised <> released + shipped)"
    ):
        yield f"order {order} is {state} and holds tins"
    lying = world.vendors.warehouse.stock()
    for sku, on_hand in world.database.rows("SELECT sku, on_hand FROM stock"):
        if on_hand != lying[sku]:
            yield f"{on_hand} tins of {sku} are on hand, {lying[sku]} lie in the warehouse"


def _parcels(world: World) -> Iterator[str]:
    """Each order is at the warehouse once at most, and each of its tins has left, or was paid back, or neither.

    What the warehouse has refused or cancelled before a parcel left may be asked for again. What people have sent the
    warehouse has not, and does not know.
    """
    known = {str(key): str(order) for key, order in world.database.rows("SELECT id, order_id FROM fulfilments")}
    sent = world.vendors.warehouse.orders()
    yield from (f"nobody has recorded {each.external_id}" for each in sent if each.external_id not in known)
    ended = ("cancelled", "refused")
    times = Counter(known.get(each.external_id) for each in sent if each.status not in ended or each.shipments)
    yield from (f"order {order} is at the warehouse {count} times" for order, count in times.items() if count > 1)
    left: Counter[tuple[str, str]] = Counter()
    for each in sent:
        for parcel in each.shipments:
            left.update({(known.get(each.external_id, ""), sku): tins for sku, tins in parcel.items.items()})
    both = {str(order) for order, _ in world.by_hand} & {order for order, _ in left}
    yield from (f"order {order} was sent by the warehouse and by hand" for order in both)
    for order, tins_by_sku in world.by_hand:
        left.update({(str(order), sku): tins for sku, tins in tins_by_sku.items()})
    for order, state, sku, quantity, shipped, unsent, disputed in world.database.rows(
        f"SELECT order_id, state, sku, quantity, i.shipped, refunded_unsent, {DISPUTED} "
        f"FROM order_items i JOIN orders o ON o.id = order_id"
    ):
        if shipped != left[str(order), sku]:
            yield f"{shipped} tins {sku} of order {order} are shipped, {left[str(order), sku]} have left"
        if state == "delivered" and shipped + unsent != quantity and not disputed:
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


def _chips(world: World) -> Iterator[str]:
    """A wholesale order that has left brings a chip for each tin that was sent, once; no other order brings any."""
    for order, kind, state, shipped, chips in world.database.rows(
        "SELECT o.id, kind, state, (SELECT sum(shipped) FROM order_items WHERE order_id = o.id), "
        "(SELECT coalesce(sum(chips), 0) FROM wholesale_chips WHERE order_id = o.id AND refund_id IS NULL) "
        "FROM orders o"
    ):
        if chips != (shipped if kind == "wholesale" and state in ("shipped", "delivered") else 0):
            yield f"order {order} is {state}, {shipped} tins of it have left, and it has brought {chips} chips"
