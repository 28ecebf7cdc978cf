-- Tins that have left the warehouse: they count for the prizes from then on, and for the buyer's referrer once nothing
-- can be cancelled any more.

INSERT INTO settings (name, value, description) VALUES
    ('tins_settle_days', '30',
     'How many days after the last parcel has left the tins of an order count for the permanent tier of the referrer.');

-- What the day's sales have of an order, by the day (UTC) on which its tins left.
CREATE TABLE order_tins_sold (
    order_id   uuid NOT NULL REFERENCES orders (id),
    day        date NOT NULL,
    tins       integer NOT NULL CHECK (tins >= 0),
    counted_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, day)
);

-- `volume_due_at`: since when the day's sales have something else of the order than its parcels give. `settled_at`: when
-- its tins were counted for the buyer's referrer, if there is one.
ALTER TABLE orders
    ADD COLUMN volume_due_at timestamptz,
    ADD COLUMN settled_at timestamptz,
    ADD CONSTRAINT orders_settled CHECK (settled_at IS NULL OR state IN ('shipped', 'delivered'));
CREATE INDEX orders_volume_due ON orders (volume_due_at, id) WHERE volume_due_at IS NOT NULL;
CREATE INDEX orders_unsettled ON orders (placed_at, id) WHERE settled_at IS NULL AND state IN ('shipped', 'delivered');

-- The tins of an order that have left, by day, less those that were given back after they had left: these are taken from
-- the first days. What never left was never sold.
CREATE FUNCTION order_volume(sold uuid) RETURNS TABLE (day date, tins integer) LANGUAGE sql STABLE AS $$
    WITH given_back AS (
        SELECT greatest((SELECT given.tins FROM order_given_back(sold) given) - sum(refunded_unsent), 0) AS tins
        FROM order_items WHERE order_id = sold
    ), sent AS (
        SELECT (shipped_at AT TIME ZONE 'UTC')::date AS day, sum(line.tins) AS tins
        FROM fulfilments f JOIN parcels ON parcels.fulfilment_id = f.id JOIN parcel_lines line ON parcel_id = parcels.id
        WHERE f.order_id = sold GROUP BY 1
    )
    SELECT sent.day, greatest(least(sent.tins, sum(sent.tins) OVER (ORDER BY sent.day) - given_back.tins), 0)::integer
    FROM sent CROSS JOIN given_back
$$;

CREATE FUNCTION order_volume_differs(sold uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM order_volume(sold) now
        FULL JOIN (SELECT day, tins FROM order_tins_sold WHERE order_id = sold) counted USING (day)
        WHERE coalesce(now.tins, 0) <> coalesce(counted.tins, 0))
$$;

CREATE FUNCTION order_volume_due() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'refunds' THEN
        UPDATE orders SET volume_due_at = coalesce(volume_due_at, NEW.recorded_at)
        WHERE id = NEW.order_id AND EXISTS (SELECT FROM order_items WHERE order_id = NEW.order_id AND shipped > 0);
    ELSE
        UPDATE orders SET volume_due_at = coalesce(volume_due_at, NEW.recorded_at)
        WHERE id = (SELECT order_id FROM fulfilments WHERE id = NEW.fulfilment_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER order_volume_due AFTER INSERT ON parcels FOR EACH ROW EXECUTE FUNCTION order_volume_due();
CREATE TRIGGER order_volume_due AFTER INSERT ON refunds FOR EACH ROW EXECUTE FUNCTION order_volume_due();

CREATE FUNCTION order_volume_done() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF order_volume_differs(NEW.id) THEN
        PERFORM refuse('volume_due', format('the sales have something else of order %s than it gives', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER order_volume_done BEFORE UPDATE OF volume_due_at ON orders
    FOR EACH ROW WHEN (OLD.volume_due_at IS NOT NULL AND NEW.volume_due_at IS NULL)
    EXECUTE FUNCTION order_volume_done();

CREATE FUNCTION order_settled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse('order_settled', format('the tins of order %s were counted for the referrer', OLD.id));
    RETURN NULL;
END $$;
CREATE TRIGGER order_settled BEFORE UPDATE OF settled_at ON orders
    FOR EACH ROW WHEN (OLD.settled_at IS NOT NULL AND NEW.settled_at IS DISTINCT FROM OLD.settled_at)
    EXECUTE FUNCTION order_settled();

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_sales') THEN
        CREATE ROLE blakjaks_sales NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_sales;
GRANT SELECT ON order_tins_sold TO blakjaks_read;
GRANT SELECT (volume_due_at, settled_at) ON orders TO blakjaks_read;

-- sales: tins that have left are counted, for prizes and for the referrer.
GRANT INSERT, UPDATE ON order_tins_sold, tins_sold_daily TO blakjaks_sales;
GRANT INSERT ON downline_entries TO blakjaks_sales;
GRANT UPDATE (volume_due_at, settled_at) ON orders TO blakjaks_sales;
