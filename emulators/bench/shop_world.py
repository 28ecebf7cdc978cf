"""A shop to be measured: members with carts and quotes, as the functions would have written them, and old orders."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle, islice
from typing import Any
from uuid import UUID, uuid4

from emulators.bench.calls import Call
from emulators.bench.world import Somebody, World
from functions.orders import drafts
from functions.orders.drafts import Draft
from functions.orders.models import ShippingAddress
from shared import db, settings
from shared.db import Tx
from shared.orders import carts, tax_quotes
from shared.orders.carts import Cart
from shared.ports.tax import Jurisdiction, TaxQuote
from shared.values.money import ZERO, Usdt

TINS_COUNTED = 100_000_000
RARE = "COFFEE-6"  # the product of which a race leaves one tin; no other cart holds it
PER_TIN_TAX, SHIPPING_TAX = Usdt.of("0.44"), Usdt.of("0.26")
RATE = Decimal("0.08875")
PIECE = 100_000  # old orders written at once
CANCEL = """
    INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, order_id)
    SELECT sku, 'release', quantity, now(), now(), order_id FROM order_items JOIN orders ON orders.id = order_id
    WHERE state = 'pending';
    UPDATE payments SET state = 'failed', token = NULL
    FROM orders WHERE orders.id = order_id AND orders.state = 'pending';
    UPDATE orders SET state = 'cancelled', state_at = now(), cancel_wanted_at = now(), cancel_reason = 'people'
    WHERE state = 'pending';
    UPDATE outbox SET published_at = now() WHERE published_at IS NULL AND function = 'order_advance';
    """
# Limits by the hour do not count what was measured a moment ago. Older orders stay as they are: they are many.
AGE = """
    SET LOCAL session_replication_role = replica;
    UPDATE orders SET placed_at = placed_at - interval '2 hours' WHERE placed_at > now() - interval '2 hours';
    """
# Old orders that were never paid, each with its rows elsewhere. Their members are none of those who order.
OLD: Sequence[str] = (
    """
    INSERT INTO orders (id, member_id, cart_id, state, state_at, placed_at, expires_at, tins, subtotal, shipping_cost,
                        shipping_tax, tax_amount, total_amount, cost_per_tin, tax_quote_id, tax_breakdown, address,
                        ship_state, ship_zip, doorstep, cancel_wanted_at, cancel_reason)
    SELECT CAST(md5('order' || n) AS uuid), CAST(md5('member' || n % 50000) AS uuid), CAST(md5('cart' || n) AS uuid),
           'cancelled', at, at, at, 1, 4990000, 2990000, 260000, 700000, 8680000, 2000000,
           CAST(md5('quote' || n) AS uuid), '[]', decode(repeat(md5('address' || n), 8), 'hex'), 'NY', '10001',
           sha256(int8send(n % 50000)), at, 'expired'
    FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) AS n,
         LATERAL (SELECT now() - interval '300 days' * (n % 1000) / 1000 - interval '1 day' AS at) AS t
    """,
    """
    INSERT INTO order_items (order_id, sku, product_name, quantity, unit_price, line_total, tax, promised, released)
    SELECT CAST(md5('order' || n) AS uuid), 'MINTICE-6', 'Mint Ice', 1, 4990000, 4990000, 440000, 1, 1
    FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) AS n
    """,
    """
    INSERT INTO payments (id, order_id, provider, amount, state, created_at, ordered_at)
    SELECT CAST(md5('payment' || n) AS uuid), CAST(md5('order' || n) AS uuid), 'card', 8680000, 'failed',
           now() - interval '1 day', now() - interval '1 day'
    FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) AS n
    """,
    """
    INSERT INTO payment_operations (id, payment_id, kind, amount, status, recorded_at, answered_at, evidence)
    SELECT CAST(md5('operation' || n) AS uuid), CAST(md5('payment' || n) AS uuid), 'authorize', 8680000, 'failed',
           now() - interval '1 day', now() - interval '1 day', 'never_sent'
    FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) AS n
    """,
    """
    INSERT INTO order_events (order_id, state, reason, happened_at)
    SELECT CAST(md5('order' || n) AS uuid), CAST(step AS order_state), reason, now() - interval '1 day'
    FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) AS n,
         (VALUES ('pending', NULL), ('cancelled', 'expired')) AS steps (step, reason)
    """,
    """
    INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, order_id)
    SELECT 'MINTICE-6', kind, 1, now() - interval '1 day', now() - interval '1 day', CAST(md5('order' || n) AS uuid)
    FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) AS n,
         (VALUES ('promise'), ('release')) AS kinds (kind)
    """,
)


@dataclass(frozen=True)
class Checkout:
    """A member's request to order; `Call` sends it."""

    member: Somebody
    total: Usdt
    address: Mapping[str, str]

    def call(self, headers: Mapping[str, str], card: str = "ok") -> Call:
        """The request with a key of its own, for the function's own port."""
        body = {
            "shipping_address": self.address,
            "payment": {"provider": "card", "token": card},
            "expected_total": float(f"{self.total.micro / 1_000_000:.2f}"),
        }
        named = {"X-Forwarded-Authorization": f"Bearer {self.member.token}", "Idempotency-Key": str(uuid4()), **headers}
        return Call("POST", "/v1/orders/create", named, json.dumps(body))


class Shop:
    """Members take turns to fill a cart and to have its tax quoted."""

    def __init__(self, made: World) -> None:
        self._world = made
        self._turns = cycle(range(1, len(made.members)))
        self._old = 0
        settings.forget()
        with made.sql() as connection:
            connection.execute_unnamed(
                """
                INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, counted_by, reason)
                SELECT sku, 'count', $1, now(), now(), $2, 'A count' FROM stock
                """,
                (TINS_COUNTED, made.admin.id),
            )
            skus = "SELECT sku FROM products WHERE on_sale AND sku <> $1 ORDER BY sku"
            self._skus = [str(sku) for (sku,) in connection.execute_unnamed(skus, (RARE,)).rows]

    def leave(self, tins: int) -> None:
        """Count the rare product so that so many can be sold."""
        with self._world.sql() as connection:
            connection.execute_unnamed(
                """
                INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, counted_by, reason)
                SELECT sku, 'count', promised + $1, now(), now(), $2, 'A count' FROM stock WHERE sku = $3
                """,
                (tins, self._world.admin.id, RARE),
            )

    def checkouts(self, count: int, sku: str | None = None) -> list[Checkout]:
        """Carts of two products (or of one tin of a product), with quotes; their members may order them now."""
        buyers = [(number, self._world.members[number]) for number in islice(self._turns, count)]
        rows = [(uuid4(), buyer.id, sku) for _, buyer in buyers] if sku else list(self._two_products(buyers))
        opened: dict[UUID, UUID] = {member_id: cart_id for cart_id, member_id, _ in rows}
        now = datetime.now(UTC)
        with self._world.sql() as connection:
            connection.execute_unnamed(
                """
                INSERT INTO carts (id, member_id, created_at, changed_at)
                SELECT id, member, $3, $3 FROM unnest(CAST($1 AS uuid[]), CAST($2 AS uuid[])) AS made (id, member)
                """,
                (list(opened.values()), list(opened), now),
            )
            connection.execute_unnamed(
                """
                INSERT INTO cart_items (id, cart_id, sku, quantity, price_cents, added_at)
                SELECT gen_random_uuid(), cart, sku, 1, price_cents, $3
                FROM unnest(CAST($1 AS uuid[]), CAST($2 AS text[])) AS made (cart, sku) JOIN products USING (sku)
                """,
                ([cart_id for cart_id, _, _ in rows], [wanted for _, _, wanted in rows], now),
            )
        return db.atomically(_quoted, buyers, opened, now)

    def check_ages(self) -> None:
        """Give each member an accepted check of their age, so that orders go on to their payment at once."""
        with self._world.sql() as connection:
            connection.execute_unnamed(
                """
                INSERT INTO age_checks (id, member_id, status, reference, recorded_at, decided_at, valid_until)
                SELECT gen_random_uuid(), id, 'accepted', CAST(id AS text), now(), now(), now() + interval '24 hours'
                FROM unnest(CAST($1 AS uuid[])) AS id
                """,
                ([member.id for member in self._world.members],),
            )

    def fill(self, orders: int) -> None:
        """Write old orders until there are so many; then statistics and a checkpoint, so that no run pays for them."""
        with self._world.sql() as connection:
            connection.execute_simple("SET session_replication_role = replica")  # references are right enough
            for start in range(self._old + 1, orders + 1, PIECE):
                for statement in OLD:
                    connection.execute_unnamed(statement, (start, min(start + PIECE - 1, orders)))
            for table in ("orders", "order_items", "payments", "payment_operations", "order_events", "stock_moves"):
                connection.execute_simple(f"VACUUM ANALYZE {table}")
            connection.execute_simple("CHECKPOINT")
        self._old = max(self._old, orders)

    def clear(self) -> None:
        """Cancel what was ordered and not paid, and let the members order again."""
        with self._world.sql() as connection:
            for statements in (CANCEL, AGE):
                connection.execute_simple(f"BEGIN; {statements} COMMIT")
            connection.execute_unnamed(
                "DELETE FROM carts WHERE status = 'open' AND member_id = ANY(CAST($1 AS uuid[]))",
                ([member.id for member in self._world.members],),
            )

    def rows(self, query: str, *values: object) -> list[list[Any]]:
        """The rows of a query."""
        with self._world.sql() as connection:
            return list(connection.execute_unnamed(query, values).rows)

    def _two_products(self, buyers: Sequence[tuple[int, Somebody]]) -> Iterator[tuple[UUID, UUID, str]]:
        for number, buyer in buyers:
            cart_id = uuid4()
            for sku in {self._skus[number % len(self._skus)], self._skus[(7 * number + 1) % len(self._skus)]}:
                yield cart_id, buyer.id, sku


def _quoted(
    tx: Tx, buyers: Sequence[tuple[int, Somebody]], opened: Mapping[UUID, UUID], now: datetime
) -> list[Checkout]:
    """Keep a quote for each open cart."""
    terms, found = settings.load(tx).shop, []
    items: dict[UUID, list[carts.Item]] = {}
    for item in carts.items(tx, list(opened.values())):
        items.setdefault(item.cart_id, []).append(item)
    for number, buyer in buyers:
        cart_id = opened[buyer.id]
        address = {"line1": f"{number} Main Street", "city": "New York", "state": "NY", "zip": "10001"}
        draft = drafts.made(Cart(cart_id, 0), items[cart_id], terms, ShippingAddress(**address))
        quote = _tax(draft)
        tax_quotes.keep(tx, uuid4(), buyer.id, draft.question, found=quote, now=now)
        goods = sum((line.amount for line in draft.wanted), ZERO)
        found.append(Checkout(buyer, goods + draft.shipping + quote.tax, address))
    return found


def _tax(draft: Draft) -> TaxQuote:
    lines = {line.sku: PER_TIN_TAX * line.quantity for line in draft.wanted}
    whole = sum(lines.values(), SHIPPING_TAX)
    return TaxQuote(whole, lines, SHIPPING_TAX, [Jurisdiction("New York", RATE, whole)], registered=True)
