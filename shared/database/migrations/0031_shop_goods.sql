-- The shop's goods: what is sold at what price, how much of it lies in the warehouse, and what members have in their
-- carts. Prices are whole cents of a dollar. Nobody orders yet: what an order does to stock and cart comes with it.

-- A product is never deleted: it goes off sale. `picture` is a path below the public web site, or NULL without one.
ALTER TABLE products
    ADD COLUMN on_sale boolean NOT NULL DEFAULT true,
    ADD COLUMN revision bigint NOT NULL DEFAULT 1 CHECK (revision > 0),
    ADD COLUMN picture text CHECK (picture ~ '^(/[a-z0-9][a-z0-9._-]{0,60}){1,3}$'),
    ADD CONSTRAINT products_price_cents_max CHECK (price_cents <= 100000);

INSERT INTO settings (name, value, description) VALUES
    ('shop_shipping', '{"cost": 2.99, "free_from": 50}',
     'USD of shipping an order, and from which sum of goods on it is free. Both in whole cents.'),
    ('stock_low', '100', 'A product of which fewer tins than this can be sold is shown as low.');

-- What lies in the warehouse, a row for each product: whoever adds a product adds its row. Only moves change it.
-- `counted_at` is empty until somebody has counted.
CREATE TABLE stock (
    sku        text PRIMARY KEY REFERENCES products (sku),
    on_hand    integer NOT NULL DEFAULT 0 CHECK (on_hand >= 0),
    promised   integer NOT NULL DEFAULT 0 CHECK (promised >= 0),  -- to orders that have not left; none are taken yet
    counted_at timestamptz,
    sellable   integer NOT NULL GENERATED ALWAYS AS (greatest(on_hand - promised, 0)) STORED,
    shortage   integer NOT NULL GENERATED ALWAYS AS (greatest(promised - on_hand, 0)) STORED
) WITH (fillfactor = 50);
REVOKE INSERT, UPDATE, DELETE ON stock FROM blakjaks_app;
INSERT INTO stock (sku) SELECT sku FROM products;

-- What moves stock. `moved_at` is when it was so in the warehouse, `recorded_at` when we were told: a count may arrive
-- long after it was taken, and is never of the future.
CREATE TABLE stock_moves (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku         text NOT NULL REFERENCES stock (sku),
    kind        text NOT NULL CHECK (kind IN ('count')),
    quantity    integer NOT NULL CHECK (quantity >= 0),
    moved_at    timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    counted_by  uuid REFERENCES members (id),
    reason      text CHECK (length(reason) BETWEEN 1 AND 500),
    CONSTRAINT stock_moves_not_of_the_future CHECK (moved_at <= recorded_at),
    CONSTRAINT stock_moves_count CHECK ((kind = 'count') = (counted_by IS NOT NULL AND reason IS NOT NULL))
);
CREATE INDEX stock_moves_sku ON stock_moves (sku, moved_at);
SELECT make_append_only('stock_moves');

-- A count says what lies there; one that is not newer than the last is refused. Others wait for these goods from here
-- to the commit: move stock last.
CREATE FUNCTION stock_moved() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    late text;
BEGIN
    PERFORM FROM stock WHERE sku IN (SELECT sku FROM moved) ORDER BY sku FOR NO KEY UPDATE;
    SELECT string_agg(DISTINCT sku, ', ') INTO late FROM moved JOIN stock USING (sku) WHERE moved_at <= counted_at;
    IF late IS NOT NULL THEN
        PERFORM refuse('stock_count_old', format('%s was counted later', late));
    END IF;
    UPDATE stock SET on_hand = newest.quantity, counted_at = newest.moved_at
    FROM (SELECT DISTINCT ON (sku) sku, quantity, moved_at FROM moved ORDER BY sku, moved_at DESC, id DESC) newest
    WHERE stock.sku = newest.sku;
    RETURN NULL;
END $$;
CREATE TRIGGER stock_moved AFTER INSERT ON stock_moves REFERENCING NEW TABLE AS moved
    FOR EACH STATEMENT EXECUTE FUNCTION stock_moved();

-- A member has one open cart at most; an order closes it. `revision` counts the changes of its items.
CREATE TABLE carts (
    id         uuid PRIMARY KEY,
    member_id  uuid NOT NULL REFERENCES members (id),
    status     text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'ordered')),
    revision   bigint NOT NULL DEFAULT 0 CHECK (revision >= 0),
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    ordered_at timestamptz,
    CHECK ((status = 'ordered') = (ordered_at IS NOT NULL))
);
CREATE UNIQUE INDEX carts_open ON carts (member_id) WHERE status = 'open';
CREATE INDEX carts_member ON carts (member_id);
CREATE INDEX carts_idle ON carts (changed_at) WHERE status = 'open';

-- `price_cents` is the price at which the member put it in.
CREATE TABLE cart_items (
    id          uuid PRIMARY KEY,
    cart_id     uuid NOT NULL REFERENCES carts (id) ON DELETE CASCADE,
    sku         text NOT NULL REFERENCES products (sku),
    quantity    integer NOT NULL CHECK (quantity BETWEEN 1 AND 99),
    price_cents integer NOT NULL CHECK (price_cents > 0),
    added_at    timestamptz NOT NULL,
    UNIQUE (cart_id, sku)
);

-- Whoever changes an item holds its cart until the commit, and finds it open. Items that go with their cart find none.
CREATE FUNCTION cart_item_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    cart uuid := CASE TG_OP WHEN 'INSERT' THEN NEW.cart_id ELSE OLD.cart_id END;
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.id, NEW.cart_id, NEW.sku) IS DISTINCT FROM (OLD.id, OLD.cart_id, OLD.sku) THEN
        PERFORM refuse('cart_item_fixed', format('item %s stays in its cart and of its product', OLD.id));
    END IF;
    UPDATE carts SET revision = revision + 1 WHERE id = cart AND status = 'open';
    IF NOT FOUND AND (TG_OP <> 'DELETE' OR EXISTS (SELECT FROM carts WHERE id = cart)) THEN
        PERFORM refuse('cart_ordered', format('cart %s is not open', cart));
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER cart_item_changed BEFORE INSERT OR UPDATE OR DELETE ON cart_items
    FOR EACH ROW EXECUTE FUNCTION cart_item_changed();

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['carts', 'goods'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_' || name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', 'blakjaks_' || name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', 'blakjaks_' || name);
    END LOOP;
END $$;
GRANT SELECT ON stock, stock_moves, carts, cart_items TO blakjaks_read;

-- carts: a member fills a cart. Its revision is the trigger's.
GRANT INSERT (id, member_id, created_at, changed_at), UPDATE (changed_at) ON carts TO blakjaks_carts;
GRANT INSERT, DELETE ON cart_items TO blakjaks_carts;
GRANT UPDATE (quantity, price_cents) ON cart_items TO blakjaks_carts;

-- goods: people set prices, take goods off sale, and count what lies in the warehouse.
GRANT UPDATE (price_cents, on_sale, picture, revision) ON products TO blakjaks_goods;
GRANT INSERT (sku, kind, quantity, moved_at, recorded_at, counted_by, reason) ON stock_moves TO blakjaks_goods;

-- erasure: a cart goes with its account, or when nobody has touched it for long; its items go with it.
GRANT UPDATE (changed_at), DELETE ON carts TO blakjaks_erasure;
