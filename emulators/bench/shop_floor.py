"""The floor of an order: pgbench writes the same rows one order after the other, on the same server and tables.

It closes a cart, inserts an order with two items, its payment, its task and its Idempotency-Key, and promises the tins:
one transaction of eight round trips by a client in C, with every rule of the schema. It reads no cart, quote or limit.
"""

from emulators.bench import floor
from emulators.bench.floor import FloorRun
from emulators.bench.shop_world import RARE
from emulators.bench.world import World

RATE_MAX = 1500  # orders per second for which carts are prepared
SCRIPT = """
BEGIN;
SELECT cart_id, member_id, first_sku, second_sku FROM bench_carts
WHERE n = (SELECT nextval('bench_cart_numbers')) \\gset
INSERT INTO idempotency_keys (scope, key_hash, request_hash, status, reply, headers, created_at)
VALUES (CAST(:member_id AS uuid)::text, uuid_send(:cart_id), uuid_send(:cart_id), 201,
        decode(repeat('ab', 1200), 'hex'), '{}', now());
UPDATE carts SET status = 'ordered', ordered_at = now(), changed_at = now() WHERE id = :cart_id;
INSERT INTO orders (id, member_id, cart_id, state_at, placed_at, expires_at, tins, subtotal, shipping_cost,
                    shipping_tax, tax_amount, total_amount, cost_per_tin, tax_quote_id, tax_breakdown, address,
                    ship_state, ship_zip, doorstep)
VALUES (gen_random_uuid(), :member_id, :cart_id, now(), now(), now() + interval '30 minutes', 2, 9980000, 2990000,
        260000, 1140000, 14110000, 2000000, gen_random_uuid(), '[]', decode(repeat('ab', 200), 'hex'), 'NY', '10001',
        sha256(uuid_send(:cart_id)))
RETURNING id AS order_id \\gset
INSERT INTO order_items (order_id, sku, product_name, quantity, unit_price, line_total, tax)
VALUES (:order_id, :first_sku, 'Bench', 1, 4990000, 4990000, 440000),
       (:order_id, :second_sku, 'Bench', 1, 4990000, 4990000, 440000);
INSERT INTO payments (id, order_id, provider, amount, token, created_at)
VALUES (gen_random_uuid(), :order_id, 'card', 14110000, decode(repeat('ab', 50), 'hex'), now());
INSERT INTO outbox (kind, destination, function, body, created_at)
VALUES ('task', 'order-advance', 'order_advance', jsonb_build_object('order_id', CAST(:order_id AS text)), now());
INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, order_id)
SELECT sku, 'promise', quantity, now(), now(), order_id FROM order_items WHERE order_id = :order_id;
COMMIT;
"""
PREPARE = f"""
    CREATE SEQUENCE IF NOT EXISTS bench_cart_numbers;
    CREATE TABLE IF NOT EXISTS bench_carts (
        n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, cart_id uuid NOT NULL DEFAULT gen_random_uuid(),
        member_id uuid NOT NULL DEFAULT gen_random_uuid(), first_sku text NOT NULL, second_sku text NOT NULL);
    INSERT INTO bench_carts (first_sku, second_sku)
    SELECT skus[1 + n % cardinality(skus)], skus[1 + (n + 5) % cardinality(skus)]
    FROM generate_series(1, {{count}}) AS n, (SELECT array_agg(sku) AS skus FROM products WHERE sku <> '{RARE}') AS p;
    INSERT INTO members (id, email, email_verified_at, password_hash, username, full_name, date_of_birth, created_at,
                         updated_at)
    SELECT member_id, 'floor' || n || '@example.com', now(), 'none', 'floor' || n, 'Floor', '1990-06-15', now(), now()
    FROM bench_carts ON CONFLICT DO NOTHING;
    INSERT INTO carts (id, member_id, created_at, changed_at)
    SELECT cart_id, member_id, now(), now() FROM bench_carts ON CONFLICT DO NOTHING;
    ANALYZE bench_carts;
    """  # noqa: S608 - constants


class OrderFloor:
    """pgbench on the tables of orders."""

    def __init__(self, made: World, seconds: int) -> None:
        """Prepare carts for all runs, which last `seconds` together."""
        self._world = made
        with made.sql() as connection:
            connection.execute_simple(PREPARE.format(count=seconds * RATE_MAX))
            self._done = self._orders()

    def run(self, clients: int, seconds: int, database: int) -> FloorRun:
        """Run pgbench once. Raises RuntimeError if orders are missing afterwards."""
        made = floor.pgbench(self._world, SCRIPT, clients, seconds, database)
        self._done += len(made.milliseconds)
        if (ordered := self._orders()) != self._done:
            raise RuntimeError(f"the floor counted {self._done} orders and made {ordered}")
        return made

    def _orders(self) -> int:
        with self._world.sql() as connection:
            query = "SELECT count(*) FROM orders JOIN bench_carts USING (cart_id)"
            return int(connection.execute_simple(query).rows[0][0])
