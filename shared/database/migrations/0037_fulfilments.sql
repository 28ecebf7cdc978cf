-- The way of a paid order: what the warehouse is asked to send, the parcels that have left, and the tins in them.

INSERT INTO order_transitions (from_state, to_state) VALUES
    ('confirmed', 'fulfilled'), ('confirmed', 'shipped'), ('confirmed', 'delivered'),
    ('fulfilled', 'shipped'), ('fulfilled', 'delivered'), ('fulfilled', 'cancelled'),
    ('shipped', 'delivered');

-- A wish to cancel that came too late, because tins had left, is refused: the order goes on.
ALTER TABLE orders
    ADD COLUMN cancel_refused_at timestamptz,
    DROP CONSTRAINT orders_cancel_reason_check,
    ADD CONSTRAINT orders_cancel_reason_check
        CHECK (cancel_reason IN ('member', 'expired', 'age_denied', 'people', 'short')),
    DROP CONSTRAINT orders_confirmed,
    ADD CONSTRAINT orders_confirmed
        CHECK (state NOT IN ('confirmed', 'fulfilled', 'shipped', 'delivered') OR confirmed_at IS NOT NULL),
    ADD CONSTRAINT orders_cancel_refused
        CHECK (cancel_refused_at IS NULL OR (cancel_wanted_at IS NOT NULL AND state <> 'cancelled'));
DROP INDEX orders_leaving;
CREATE INDEX orders_leaving ON orders (cancel_wanted_at)
    WHERE cancel_wanted_at IS NOT NULL AND cancel_refused_at IS NULL AND state <> 'cancelled';
CREATE INDEX orders_addressed ON orders (state_at) WHERE address IS NOT NULL AND state IN ('delivered', 'cancelled');

-- The order has neither arrived nor come to nothing.
CREATE FUNCTION order_is_under_way(state order_state) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT state NOT IN ('delivered', 'cancelled')
$$;

-- --------------------------------------------------------------------------------------------------------- fulfilments
-- What the warehouse is asked to send; the id is the one by which it knows the order. It is committed as `sent` before
-- the first byte goes out, and what was sent ends by the warehouse's word alone. One at a time may be sent of an order.
CREATE TABLE fulfilments (
    id               uuid PRIMARY KEY,
    order_id         uuid NOT NULL REFERENCES orders (id),
    status           text NOT NULL DEFAULT 'recorded'
                     CHECK (status IN ('recorded', 'sent', 'accepted', 'packed', 'shipped', 'cancelled', 'refused')),
    recorded_at      timestamptz NOT NULL,
    sent_at          timestamptz,
    answered_at      timestamptz,            -- when the warehouse has said something last
    look_at          timestamptz,            -- when it is asked next; empty once nothing of it is under way
    cancel_wanted_at timestamptz,
    evidence         text CHECK (evidence IN ('reply', 'lookup', 'person', 'never_sent')),
    reference        text,                   -- the warehouse's name for it
    reason           text,                   -- of a refused one
    CONSTRAINT fulfilments_unsent CHECK (status <> 'recorded' OR sent_at IS NULL),
    CONSTRAINT fulfilments_sent CHECK (status IN ('recorded', 'cancelled') OR sent_at IS NOT NULL),
    CONSTRAINT fulfilments_never_sent
        CHECK ((status = 'cancelled' AND sent_at IS NULL) = (evidence IS NOT DISTINCT FROM 'never_sent')),
    CONSTRAINT fulfilments_answered
        CHECK ((status IN ('recorded', 'sent')) = (answered_at IS NULL AND evidence IS NULL)),
    CONSTRAINT fulfilments_looked_after
        CHECK (look_at IS NOT NULL OR status IN ('shipped', 'cancelled', 'refused'))
);
CREATE INDEX fulfilments_order ON fulfilments (order_id, recorded_at);
CREATE UNIQUE INDEX fulfilments_live ON fulfilments (order_id) WHERE status NOT IN ('cancelled', 'refused');
CREATE INDEX fulfilments_due ON fulfilments (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX fulfilments_packing ON fulfilments (recorded_at, id)
    WHERE status IN ('accepted', 'packed') AND cancel_wanted_at IS NULL;

-- The warehouse may still send something of it, or has not been asked yet.
CREATE FUNCTION fulfilment_is_open(status text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT status IN ('recorded', 'sent', 'accepted', 'packed')
$$;

CREATE TABLE fulfilment_lines (
    fulfilment_id uuid NOT NULL REFERENCES fulfilments (id),
    sku           text NOT NULL REFERENCES products (sku),
    tins          integer NOT NULL CHECK (tins > 0),
    PRIMARY KEY (fulfilment_id, sku)
);
CREATE INDEX fulfilment_lines_sku ON fulfilment_lines (sku);
SELECT make_append_only('fulfilment_lines');

-- A parcel that has left. It is added, never replaced; `lost` is what we make of one without news.
CREATE TABLE parcels (
    id              uuid PRIMARY KEY,
    fulfilment_id   uuid NOT NULL REFERENCES fulfilments (id),
    carrier         text NOT NULL CHECK (length(carrier) BETWEEN 1 AND 200),
    tracking_number text NOT NULL CHECK (length(tracking_number) BETWEEN 1 AND 200),
    status          text NOT NULL DEFAULT 'shipped'
                    CHECK (status IN ('shipped', 'in_transit', 'lost', 'delivered', 'returned')),
    shipped_at      timestamptz NOT NULL,
    recorded_at     timestamptz NOT NULL,
    news_at         timestamptz NOT NULL,    -- of the last change of its status
    delivered_at    timestamptz,
    UNIQUE (carrier, tracking_number),
    CONSTRAINT parcels_not_of_the_future CHECK (shipped_at <= recorded_at),
    CONSTRAINT parcels_delivered CHECK (delivered_at IS NULL OR status IN ('delivered', 'returned'))
);
CREATE INDEX parcels_shipped ON parcels (shipped_at, id);
CREATE INDEX parcels_fulfilment ON parcels (fulfilment_id, recorded_at);
CREATE INDEX parcels_under_way ON parcels (news_at) WHERE status IN ('shipped', 'in_transit');

CREATE TABLE parcel_lines (
    parcel_id uuid NOT NULL REFERENCES parcels (id),
    sku       text NOT NULL REFERENCES products (sku),
    tins      integer NOT NULL CHECK (tins > 0),
    PRIMARY KEY (parcel_id, sku)
);
CREATE INDEX parcel_lines_sku ON parcel_lines (sku);
SELECT make_append_only('parcel_lines');

-- Orders that were paid before there was a warehouse are sent now.
INSERT INTO fulfilments (id, order_id, recorded_at, look_at)
SELECT gen_random_uuid(), id, state_at, state_at FROM orders WHERE state = 'confirmed' AND cancel_wanted_at IS NULL;
INSERT INTO fulfilment_lines (fulfilment_id, sku, tins)
SELECT fulfilments.id, sku, promised - released FROM fulfilments JOIN order_items USING (order_id)
WHERE promised > released;

CREATE FUNCTION fulfilment_born() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.status <> 'recorded' THEN
        PERFORM refuse('fulfilment_born', format('fulfilment %s is born recorded', NEW.id));
    END IF;
    IF NOT EXISTS (SELECT FROM payments WHERE order_id = NEW.order_id AND state = 'captured')
       OR EXISTS (SELECT FROM orders WHERE id = NEW.order_id
                  AND (state = 'cancelled' OR (cancel_wanted_at IS NOT NULL AND cancel_refused_at IS NULL))) THEN
        PERFORM refuse('fulfilment_paid', format('order %s is not paid, or is to be cancelled', NEW.order_id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fulfilment_born BEFORE INSERT ON fulfilments FOR EACH ROW EXECUTE FUNCTION fulfilment_born();

-- At the commit of its birth a fulfilment asks for what the order waits for.
CREATE FUNCTION fulfilment_whole() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM (SELECT sku, tins FROM fulfilment_lines WHERE fulfilment_id = NEW.id) asked
               FULL JOIN (SELECT sku, promised - released - shipped AS tins FROM order_items
                          WHERE order_id = NEW.order_id AND promised > released + shipped) open USING (sku)
               WHERE asked.tins IS DISTINCT FROM open.tins) THEN
        PERFORM refuse('fulfilment_whole', format('fulfilment %s is not what its order waits for', NEW.id));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER fulfilment_whole AFTER INSERT ON fulfilments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION fulfilment_whole();

-- Statuses only go forward. Whoever ships by hand goes from recorded to shipped in one step.
CREATE FUNCTION fulfilment_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.order_id, NEW.recorded_at) IS DISTINCT FROM (OLD.id, OLD.order_id, OLD.recorded_at)
       OR (OLD.sent_at IS NOT NULL AND NEW.sent_at IS DISTINCT FROM OLD.sent_at)
       OR (OLD.cancel_wanted_at IS NOT NULL AND NEW.cancel_wanted_at IS DISTINCT FROM OLD.cancel_wanted_at) THEN
        PERFORM refuse('fulfilment_terms', format('the terms of fulfilment %s are fixed', OLD.id));
    END IF;
    IF NEW.status <> OLD.status AND NOT (
        (OLD.status, NEW.status) IN (('recorded', 'sent'), ('recorded', 'cancelled'), ('accepted', 'packed'))
        OR (OLD.status = 'sent' AND NEW.status IN ('accepted', 'packed'))
        OR (OLD.status IN ('sent', 'accepted', 'packed') AND NEW.status IN ('shipped', 'cancelled', 'refused'))
        OR (OLD.status = 'recorded' AND NEW.status = 'shipped' AND NEW.evidence = 'person')) THEN
        PERFORM refuse('fulfilment_transition', format('fulfilment %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fulfilment_changed BEFORE UPDATE ON fulfilments
    FOR EACH ROW EXECUTE FUNCTION fulfilment_changed();

CREATE FUNCTION parcel_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    way text[] := ARRAY['shipped', 'in_transit', 'lost', 'delivered', 'returned'];
BEGIN
    IF (NEW.id, NEW.fulfilment_id, NEW.carrier, NEW.tracking_number, NEW.shipped_at, NEW.recorded_at) IS DISTINCT FROM
       (OLD.id, OLD.fulfilment_id, OLD.carrier, OLD.tracking_number, OLD.shipped_at, OLD.recorded_at)
       OR (OLD.delivered_at IS NOT NULL AND NEW.delivered_at IS DISTINCT FROM OLD.delivered_at) THEN
        PERFORM refuse('parcel_fixed', format('parcel %s stays what it is', OLD.id));
    END IF;
    IF array_position(way, NEW.status) < array_position(way, OLD.status) THEN
        PERFORM refuse('parcel_forward', format('parcel %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER parcel_changed BEFORE UPDATE ON parcels FOR EACH ROW EXECUTE FUNCTION parcel_changed();

-- At the commit, what is in a parcel has left the stock of its order.
CREATE FUNCTION parcel_left() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM stock_moves m
                   JOIN parcels ON parcels.id = m.parcel_id JOIN fulfilments f ON f.id = parcels.fulfilment_id
                   WHERE m.kind = 'ship' AND m.parcel_id = NEW.parcel_id AND m.sku = NEW.sku AND m.quantity = NEW.tins
                     AND m.order_id = f.order_id AND m.moved_at = parcels.shipped_at) THEN
        PERFORM refuse('parcel_left', format('%s of parcel %s has not left the stock', NEW.sku, NEW.parcel_id));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER parcel_left AFTER INSERT ON parcel_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION parcel_left();

-- --------------------------------------------------------------------------------------------------------------- stock
-- Of each promised tin one thing becomes: it is shipped, or released.
ALTER TABLE order_items
    ADD COLUMN shipped integer NOT NULL DEFAULT 0 CHECK (shipped >= 0),
    DROP CONSTRAINT order_items_once,
    ADD CONSTRAINT order_items_once CHECK (released + shipped <= promised),
    ADD CONSTRAINT order_items_refunded_or_shipped CHECK (refunded_unsent + shipped <= quantity);

ALTER TABLE stock_moves
    ADD COLUMN parcel_id uuid,
    DROP CONSTRAINT stock_moves_kind_check,
    ADD CONSTRAINT stock_moves_kind_check CHECK (kind IN ('count', 'promise', 'release', 'ship')),
    ADD CONSTRAINT stock_moves_parcel CHECK ((kind = 'ship') = (parcel_id IS NOT NULL)),
    ADD CONSTRAINT stock_moves_line FOREIGN KEY (parcel_id, sku) REFERENCES parcel_lines (parcel_id, sku);
DROP INDEX stock_moves_once;
CREATE UNIQUE INDEX stock_moves_promised ON stock_moves (order_id, sku) WHERE kind = 'promise';
CREATE UNIQUE INDEX stock_moves_shipped ON stock_moves (parcel_id, sku) WHERE parcel_id IS NOT NULL;

-- A tin that ships is no longer promised. It lowers what lies there unless it left before the last count, which has not
-- found it any more; and a count is lowered by what has left since it was taken. So counts and shipping notices may come
-- in any order. Orders first, then the goods, which others wait for from here to the commit: move stock last.
CREATE OR REPLACE FUNCTION stock_moved() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    named text;
BEGIN
    UPDATE order_items item SET promised = item.promised + m.promised, released = item.released + m.released,
                                shipped = item.shipped + m.shipped
    FROM (SELECT order_id, sku, coalesce(sum(quantity) FILTER (WHERE kind = 'promise'), 0) AS promised,
                 coalesce(sum(quantity) FILTER (WHERE kind = 'release'), 0) AS released,
                 coalesce(sum(quantity) FILTER (WHERE kind = 'ship'), 0) AS shipped
          FROM moved WHERE order_id IS NOT NULL GROUP BY order_id, sku) m
    WHERE item.order_id = m.order_id AND item.sku = m.sku;
    PERFORM FROM stock WHERE sku IN (SELECT sku FROM moved) ORDER BY sku FOR NO KEY UPDATE;
    SELECT string_agg(DISTINCT sku, ', ' ORDER BY sku) INTO named
    FROM moved JOIN stock USING (sku) WHERE kind = 'count' AND moved_at <= counted_at;
    IF named IS NOT NULL THEN
        PERFORM refuse('stock_count_old', format('%s was counted later', named));
    END IF;
    UPDATE stock SET on_hand = greatest(stock.on_hand - m.quantity, 0)
    FROM (SELECT sku, sum(quantity) AS quantity FROM moved JOIN stock USING (sku)
          WHERE kind = 'ship' AND moved_at > counted_at GROUP BY sku) m
    WHERE stock.sku = m.sku;
    UPDATE stock SET counted_at = newest.moved_at,
                     on_hand = greatest(newest.quantity - (
                         SELECT coalesce(sum(quantity), 0) FROM stock_moves shipped
                         WHERE shipped.sku = newest.sku AND shipped.kind = 'ship'
                           AND shipped.moved_at > newest.moved_at), 0)
    FROM (SELECT DISTINCT ON (sku) sku, quantity, moved_at FROM moved WHERE kind = 'count'
          ORDER BY sku, moved_at DESC, id DESC) newest
    WHERE stock.sku = newest.sku;
    SELECT string_agg(DISTINCT sku, ', ' ORDER BY sku) INTO named
    FROM (SELECT sku, sum(quantity) AS quantity FROM moved WHERE kind = 'promise' GROUP BY sku) wanted
    JOIN stock USING (sku) WHERE wanted.quantity > stock.sellable;
    IF named IS NOT NULL THEN
        PERFORM refuse('stock_short', format('fewer than wanted are left of %s', named));
    END IF;
    UPDATE stock SET promised = stock.promised + m.quantity
    FROM (SELECT sku, sum(CASE kind WHEN 'promise' THEN quantity ELSE -quantity END) AS quantity
          FROM moved WHERE kind <> 'count' GROUP BY sku) m
    WHERE stock.sku = m.sku;
    RETURN NULL;
END $$;

-- ---------------------------------------------------------------------------------------------------- the order's rules
-- A parcel of the order may still arrive. What is lost is waited for until its tins are refunded.
CREATE FUNCTION order_has_parcels_under_way(sent uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM parcels JOIN fulfilments f ON f.id = fulfilment_id
                   WHERE f.order_id = sent AND parcels.status IN ('shipped', 'in_transit'))
        OR EXISTS (SELECT FROM order_items item
                   JOIN (SELECT line.sku, sum(line.tins) AS tins
                         FROM fulfilments f JOIN parcels ON parcels.fulfilment_id = f.id
                         JOIN parcel_lines line ON line.parcel_id = parcels.id
                         WHERE f.order_id = sent AND parcels.status = 'lost' GROUP BY line.sku) lost USING (sku)
                   WHERE item.order_id = sent AND lost.tins > item.refunded - item.refunded_unsent)
$$;

-- At the commit a confirmed order has a fulfilment; one is shipped once each of its tins is shipped or released; it is
-- delivered once nothing of it is under way; it is cancelled once the warehouse sends nothing of it any more.
CREATE FUNCTION order_goes_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'confirmed' AND NOT EXISTS (SELECT FROM fulfilments WHERE order_id = NEW.id) THEN
        PERFORM refuse('order_fulfilment', format('nothing of order %s would be sent', NEW.id));
    END IF;
    IF NEW.state IN ('shipped', 'delivered')
       AND (SELECT bool_or(promised > released + shipped) OR sum(shipped) = 0 FROM order_items WHERE order_id = NEW.id) THEN
        PERFORM refuse('order_shipped', format('order %s has not left yet', NEW.id));
    END IF;
    IF NEW.state = 'delivered' AND order_has_parcels_under_way(NEW.id) THEN
        PERFORM refuse('order_delivered', format('a parcel of order %s is under way', NEW.id));
    END IF;
    IF NEW.state = 'cancelled'
       AND EXISTS (SELECT FROM fulfilments WHERE order_id = NEW.id AND fulfilment_is_open(status)) THEN
        PERFORM refuse('order_at_warehouse', format('the warehouse may still send order %s', NEW.id));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER order_goes_out AFTER UPDATE OF state ON orders DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.state <> OLD.state) EXECUTE FUNCTION order_goes_out();

-- A wish to cancel is refused once, and at the commit tins have left.
CREATE FUNCTION order_cancel_refused() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.cancel_refused_at IS NOT NULL
       OR NOT EXISTS (SELECT FROM order_items WHERE order_id = NEW.id AND shipped > 0) THEN
        PERFORM refuse('order_cancel_refused', format('nothing of order %s has left', NEW.id));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER order_cancel_refused AFTER UPDATE OF cancel_refused_at ON orders
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.cancel_refused_at IS DISTINCT FROM OLD.cancel_refused_at)
    EXECUTE FUNCTION order_cancel_refused();

ALTER TABLE webhook_deliveries
    DROP CONSTRAINT webhook_deliveries_source_check,
    ADD CONSTRAINT webhook_deliveries_source_check CHECK (source IN ('card', 'agechecker', 'selery'));

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_fulfilment') THEN
        CREATE ROLE blakjaks_fulfilment NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_fulfilment;
GRANT SELECT ON fulfilments, fulfilment_lines, parcels, parcel_lines TO blakjaks_read;
GRANT SELECT (cancel_refused_at) ON orders TO blakjaks_read;

-- orders: the machine records what is to be sent, ends what nobody has sent, wants it cancelled, and moves its stock.
GRANT INSERT (id, order_id, recorded_at, look_at) ON fulfilments TO blakjaks_orders;
GRANT INSERT ON fulfilment_lines TO blakjaks_orders;
GRANT UPDATE (status, look_at, answered_at, evidence, cancel_wanted_at) ON fulfilments TO blakjaks_orders;
GRANT UPDATE (cancel_refused_at) ON orders TO blakjaks_orders;
GRANT INSERT (parcel_id) ON stock_moves TO blakjaks_orders;

-- fulfilment: the warehouse is asked, and what it says is recorded.
GRANT UPDATE (status, sent_at, look_at, answered_at, evidence, reference, reason) ON fulfilments TO blakjaks_fulfilment;
GRANT INSERT ON parcels, parcel_lines TO blakjaks_fulfilment;
GRANT UPDATE (status, news_at, delivered_at) ON parcels TO blakjaks_fulfilment;
