-- Refunds in parts: of tins, of the shipping, or of an amount. An order may have several; together they never give back
-- more of a line, of the shipping or of a tax than was charged.

ALTER TABLE refunds
    ADD COLUMN tins integer NOT NULL DEFAULT 0 CHECK (tins >= 0),
    ADD COLUMN shipping_tax usd NOT NULL DEFAULT 0 CHECK (shipping_tax BETWEEN 0 AND tax),  -- the part of tax for shipping
    DROP CONSTRAINT refunds_reason_check,
    ADD CONSTRAINT refunds_reason_check
        CHECK (reason IN ('cancelled', 'short', 'faulty', 'lost', 'returned', 'goodwill'));

-- What a refund gives back of a line. A refund of an amount names no tins: it lowers what each tin of the line costs.
CREATE TABLE refund_lines (
    refund_id uuid NOT NULL REFERENCES refunds (id),
    sku       text NOT NULL REFERENCES products (sku),
    tins      integer NOT NULL CHECK (tins >= 0),
    goods     usd NOT NULL CHECK (goods >= 0),
    tax       usd NOT NULL CHECK (tax >= 0),
    PRIMARY KEY (refund_id, sku),
    CONSTRAINT refund_lines_something CHECK (tins > 0 OR goods + tax > 0)
);
CREATE INDEX refund_lines_sku ON refund_lines (sku);

-- Both are kept by a trigger. `refunded_unsent` are the tins that were refunded because they do not leave the warehouse;
-- the others were sent, and came back, were faulty or got lost.
ALTER TABLE order_items
    ADD COLUMN refunded integer NOT NULL DEFAULT 0,
    ADD COLUMN refunded_unsent integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT order_items_refunded CHECK (refunded BETWEEN refunded_unsent AND quantity),
    ADD CONSTRAINT order_items_refunded_unsent CHECK (refunded_unsent >= 0);

-- Until now a refund gave back the whole order.
ALTER TABLE refunds DISABLE TRIGGER append_only;
UPDATE refunds SET tins = orders.tins, shipping_tax = orders.shipping_tax
FROM orders WHERE orders.id = refunds.order_id;
ALTER TABLE refunds ENABLE TRIGGER append_only;
INSERT INTO refund_lines (refund_id, sku, tins, goods, tax)
SELECT refunds.id, item.sku, item.quantity, item.line_total, item.tax
FROM refunds JOIN order_items item USING (order_id);
UPDATE order_items SET refunded = quantity, refunded_unsent = quantity
WHERE order_id IN (SELECT order_id FROM refunds);
SELECT make_append_only('refund_lines');

CREATE FUNCTION refund_line_counted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    whole refunds%ROWTYPE;
BEGIN
    SELECT * INTO whole FROM refunds WHERE id = NEW.refund_id;
    UPDATE order_items
    SET refunded = refunded + NEW.tins,
        refunded_unsent = refunded_unsent + CASE WHEN whole.reason IN ('cancelled', 'short') THEN NEW.tins ELSE 0 END
    WHERE order_id = whole.order_id AND sku = NEW.sku;
    IF NOT FOUND THEN
        PERFORM refuse('refund_lines', format('order %s has no line of %s', whole.order_id, NEW.sku));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refund_line_counted AFTER INSERT ON refund_lines
    FOR EACH ROW EXECUTE FUNCTION refund_line_counted();

-- What was given back of an order.
CREATE FUNCTION order_given_back(sold uuid) RETURNS TABLE (goods bigint, shipping bigint, tax bigint, tins integer)
LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(r.goods), 0)::bigint, coalesce(sum(r.shipping), 0)::bigint, coalesce(sum(r.tax), 0)::bigint,
           coalesce(sum(r.tins), 0)::integer
    FROM refunds r WHERE r.order_id = sold
$$;

-- Of each kind, and of each line, no more is refunded than was charged; a refund is the sum of its lines and of what it
-- gives back of the shipping; and it is booked. The lines are checked with their refund, so that none is added later.
CREATE OR REPLACE FUNCTION refund_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    whole refunds%ROWTYPE;
    charged orders%ROWTYPE;
    given record;
    lines record;
BEGIN
    IF TG_TABLE_NAME = 'refund_lines' THEN
        SELECT * INTO whole FROM refunds WHERE id = NEW.refund_id;
    ELSE
        whole := NEW;
    END IF;
    SELECT * INTO charged FROM orders WHERE id = whole.order_id;
    SELECT * INTO given FROM order_given_back(whole.order_id);
    IF given.goods > charged.subtotal OR given.shipping > charged.shipping_cost OR given.tax > charged.tax_amount
       OR (SELECT sum(shipping_tax) FROM refunds WHERE order_id = whole.order_id) > charged.shipping_tax
       OR EXISTS (SELECT FROM refund_lines line
                  JOIN refunds ON refunds.id = line.refund_id JOIN order_items item USING (order_id, sku)
                  WHERE order_id = whole.order_id GROUP BY sku, item.line_total, item.tax
                  HAVING sum(line.goods) > item.line_total OR sum(line.tax) > item.tax) THEN
        PERFORM refuse('refund_fits', format('order %s was not charged so much', whole.order_id));
    END IF;
    SELECT coalesce(sum(tins), 0) AS tins, coalesce(sum(goods), 0) AS goods, coalesce(sum(tax), 0) AS tax INTO lines
    FROM refund_lines WHERE refund_id = whole.id;
    IF (lines.tins, lines.goods, lines.tax + whole.shipping_tax) <> (whole.tins, whole.goods, whole.tax) THEN
        PERFORM refuse('refund_lines', format('refund %s is not the sum of its lines', whole.id));
    END IF;
    IF NOT ledger_has('refund:' || whole.id, 'owed:refunds', -whole.amount) THEN
        PERFORM refuse('refund_booked', format('refund %s is not in the ledger', whole.id));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER refund_fits AFTER INSERT ON refund_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION refund_fits();

-- What of an order counts for the pools; no row before its sale is booked. A refund counts from its record on, with the
-- tins that it names.
CREATE OR REPLACE FUNCTION order_accruable(sold uuid)
RETURNS TABLE (turnover bigint, tins integer, cost_per_tin bigint) LANGUAGE sql STABLE AS $$
    SELECT o.subtotal - given.goods, o.tins - given.tins, o.cost_per_tin::bigint
    FROM orders o CROSS JOIN LATERAL order_given_back(o.id) given
    WHERE o.id = sold AND ledger_has('sale:' || o.id, 'turnover:shop', -o.subtotal)
$$;

-- -------------------------------------------------------------------------------------------------------------- rights
GRANT SELECT ON refund_lines TO blakjaks_read;
GRANT INSERT ON refund_lines TO blakjaks_orders;
