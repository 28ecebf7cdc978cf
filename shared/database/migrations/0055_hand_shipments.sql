-- What people send themselves of an order that the warehouse does not send (docs/shop.md, "Shipping by hand").

-- -------------------------------------------------------------------------------------------------------- fulfilments
-- The warehouse never hears of a fulfilment by hand. It is born `packed`, in the commit of its first parcel, and people
-- may send more until it is `shipped`; at `look_at` its rest is given up (`cancelled`).
ALTER TABLE fulfilments
    ADD COLUMN by_hand boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT fulfilments_by_hand CHECK (CASE WHEN by_hand
        THEN status IN ('packed', 'shipped', 'cancelled') AND evidence = 'person' AND reference IS NULL
        ELSE evidence IS DISTINCT FROM 'person' END);

-- As before, and: a fulfilment by hand is born packed.
CREATE OR REPLACE FUNCTION fulfilment_born() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.status <> (CASE WHEN NEW.by_hand THEN 'packed' ELSE 'recorded' END) THEN
        PERFORM refuse('fulfilment_born', format('fulfilment %s does not begin as %s', NEW.id, NEW.status));
    END IF;
    IF NOT EXISTS (SELECT FROM payments WHERE order_id = NEW.order_id AND state = 'captured')
       OR EXISTS (SELECT FROM orders WHERE id = NEW.order_id
                  AND (state = 'cancelled' OR (cancel_wanted_at IS NOT NULL AND cancel_refused_at IS NULL))) THEN
        PERFORM refuse('fulfilment_paid', format('order %s is not paid, or is to be cancelled', NEW.order_id));
    END IF;
    RETURN NEW;
END $$;

-- As before, and: what has left in its own parcels by then is part of what it asks for; one by hand has a parcel.
CREATE OR REPLACE FUNCTION fulfilment_whole() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT sku, tins FROM fulfilment_lines WHERE fulfilment_id = NEW.id) asked
        FULL JOIN (SELECT item.sku, item.promised - item.released - item.shipped + (
                              SELECT coalesce(sum(line.tins), 0) FROM parcels
                              JOIN parcel_lines line ON line.parcel_id = parcels.id
                              WHERE parcels.fulfilment_id = NEW.id AND line.sku = item.sku) AS tins
                   FROM order_items item WHERE item.order_id = NEW.order_id) open USING (sku)
        WHERE asked.tins IS DISTINCT FROM nullif(open.tins, 0)) THEN
        PERFORM refuse('fulfilment_whole', format('fulfilment %s is not what its order waits for', NEW.id));
    END IF;
    IF NEW.by_hand AND NOT EXISTS (SELECT FROM parcels WHERE fulfilment_id = NEW.id) THEN
        PERFORM refuse('fulfilment_whole', format('nobody has sent anything of fulfilment %s', NEW.id));
    END IF;
    RETURN NULL;
END $$;

-- As before, and: whether it is by hand stays. Nobody ends what the warehouse is to send but the warehouse.
CREATE OR REPLACE FUNCTION fulfilment_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.order_id, NEW.by_hand, NEW.recorded_at)
       IS DISTINCT FROM (OLD.id, OLD.order_id, OLD.by_hand, OLD.recorded_at)
       OR (OLD.sent_at IS NOT NULL AND NEW.sent_at IS DISTINCT FROM OLD.sent_at)
       OR (OLD.cancel_wanted_at IS NOT NULL AND NEW.cancel_wanted_at IS DISTINCT FROM OLD.cancel_wanted_at) THEN
        PERFORM refuse('fulfilment_terms', format('the terms of fulfilment %s are fixed', OLD.id));
    END IF;
    IF NEW.status <> OLD.status AND NOT (
        (OLD.status, NEW.status) IN (('recorded', 'sent'), ('recorded', 'cancelled'), ('accepted', 'packed'))
        OR (OLD.status = 'sent' AND NEW.status IN ('accepted', 'packed'))
        OR (OLD.status IN ('sent', 'accepted', 'packed') AND NEW.status IN ('shipped', 'cancelled', 'refused'))) THEN
        PERFORM refuse('fulfilment_transition', format('fulfilment %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    RETURN NEW;
END $$;

-- ------------------------------------------------------------------------------------------------------------ parcels
-- Who has sent a parcel by hand, and why.
ALTER TABLE parcels
    ADD COLUMN sent_by uuid REFERENCES members (id),
    ADD COLUMN reason text CHECK (length(reason) BETWEEN 1 AND 2000),
    ADD CONSTRAINT parcels_by_hand CHECK (num_nulls(sent_by, reason) IN (0, 2));
CREATE INDEX parcels_sent_by ON parcels (sent_by) WHERE sent_by IS NOT NULL;

-- A parcel is sent by a person if, and only if, its fulfilment is by hand: then people may still send something of its
-- order, nothing of which is paid back, or to be paid back, meanwhile. The order is locked by whoever sends it.
CREATE FUNCTION parcel_born() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    sent fulfilments;
BEGIN
    SELECT * INTO sent FROM fulfilments WHERE id = NEW.fulfilment_id;
    IF sent.by_hand <> (NEW.sent_by IS NOT NULL) THEN
        PERFORM refuse('parcel_by_hand', format('parcel %s is not sent as its fulfilment is', NEW.id));
    END IF;
    IF NEW.sent_by IS NULL THEN
        RETURN NEW;
    END IF;
    IF sent.status <> 'packed' OR order_is_disputed(sent.order_id)
       OR NOT EXISTS (SELECT FROM orders WHERE id = sent.order_id AND state IN ('confirmed', 'fulfilled')
                      AND (cancel_wanted_at IS NULL OR cancel_refused_at IS NOT NULL))
       OR EXISTS (SELECT FROM refund_requests WHERE order_id = sent.order_id AND status = 'waiting') THEN
        PERFORM refuse('parcel_awaited', format('nobody may send parcel %s now', NEW.id));
    END IF;
    IF NOT EXISTS (SELECT FROM orders WHERE id = sent.order_id AND may_decide_for(NEW.sent_by, member_id)) THEN
        PERFORM refuse('own_interest', format('the admin would profit from parcel %s', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER parcel_born BEFORE INSERT ON parcels FOR EACH ROW EXECUTE FUNCTION parcel_born();

-- As before, and: who has sent it stays, and why.
CREATE OR REPLACE FUNCTION parcel_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    way text[] := ARRAY['shipped', 'in_transit', 'lost', 'delivered', 'returned'];
BEGIN
    IF (NEW.id, NEW.fulfilment_id, NEW.carrier, NEW.tracking_number, NEW.shipped_at, NEW.recorded_at, NEW.sent_by,
        NEW.reason) IS DISTINCT FROM
       (OLD.id, OLD.fulfilment_id, OLD.carrier, OLD.tracking_number, OLD.shipped_at, OLD.recorded_at, OLD.sent_by,
        OLD.reason)
       OR (OLD.delivered_at IS NOT NULL AND NEW.delivered_at IS DISTINCT FROM OLD.delivered_at) THEN
        PERFORM refuse('parcel_fixed', format('parcel %s stays what it is', OLD.id));
    END IF;
    IF array_position(way, NEW.status) < array_position(way, OLD.status) THEN
        PERFORM refuse('parcel_forward', format('parcel %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    RETURN NEW;
END $$;

-- ------------------------------------------------------------------------------------------------------------- rights
-- order_decisions: people send an order themselves, and say what became of its parcels.
GRANT INSERT (status, by_hand, sent_at, answered_at, evidence) ON fulfilments TO blakjaks_order_decisions;
GRANT UPDATE (status, answered_at, look_at) ON fulfilments TO blakjaks_order_decisions;
GRANT INSERT ON parcels, parcel_lines TO blakjaks_order_decisions;
GRANT UPDATE (status, news_at, delivered_at) ON parcels TO blakjaks_order_decisions;
GRANT INSERT (sku, kind, quantity, order_id, parcel_id, moved_at, recorded_at) ON stock_moves
    TO blakjaks_order_decisions;

-- Only jobs write the state of an order. People take one as far as its parcels go, and never make it paid or cancelled.
CREATE FUNCTION order_takes_parcels(sent uuid, reached order_state, at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE orders SET state = reached, state_at = at
    WHERE id = sent AND reached IN ('fulfilled', 'shipped', 'delivered')
$$;
REVOKE EXECUTE ON FUNCTION order_takes_parcels(uuid, order_state, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION order_takes_parcels(uuid, order_state, timestamptz)
    TO blakjaks_order_decisions, blakjaks_orders;
