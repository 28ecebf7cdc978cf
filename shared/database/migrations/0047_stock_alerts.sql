-- Counts by the warehouse itself, which names no person, and which products run low or are promised beyond what is there.

ALTER TABLE stock_moves
    DROP CONSTRAINT stock_moves_count,
    ADD CONSTRAINT stock_moves_count CHECK ((kind = 'count') = (reason IS NOT NULL)),
    ADD CONSTRAINT stock_moves_counted_by CHECK (counted_by IS NULL OR kind = 'count');

-- A product is in it from the moment at which people were told until it has recovered: so a crossing is told once.
CREATE TABLE stock_alerts (
    sku        text NOT NULL REFERENCES stock (sku),
    kind       text NOT NULL CHECK (kind IN ('low', 'shortage')),
    crossed_at timestamptz NOT NULL,
    PRIMARY KEY (sku, kind)
);

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_inventory') THEN
        CREATE ROLE blakjaks_inventory NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_inventory;
GRANT SELECT ON stock_alerts TO blakjaks_read;

-- inventory: what the warehouse has counted, and which products people were told of.
GRANT INSERT (sku, kind, quantity, moved_at, recorded_at, reason) ON stock_moves TO blakjaks_inventory;
GRANT INSERT, DELETE ON stock_alerts TO blakjaks_inventory;
