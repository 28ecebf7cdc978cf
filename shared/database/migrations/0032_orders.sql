-- Orders of the shop: what was bought at which price, how old the buyer is, what was asked of the card's provider, and
-- what was paid back. Amounts are micro-dollars in whole cents (1 USD = 1 USDT), so that they are ledger amounts.

CREATE DOMAIN usd AS bigint CHECK (VALUE % 10000 = 0);

INSERT INTO ledger_accounts (name, description) VALUES
    ('takings:card', 'Captured by card, less what was paid back: what the provider owes us.'),
    ('turnover:shop', 'Goods sold to members (negative), less refunds.'),
    ('shipping:shop', 'Shipping that members were charged (negative), less refunds.'),
    ('sales_tax:shop', 'Sales tax collected and owed to the states (negative), less refunds.'),
    ('owed:refunds', 'Refunds that buyers were promised and have not got yet (negative).');

INSERT INTO settings (name, value, description) VALUES
    ('shop_cost_per_tin', '2.00', 'USD that a tin costs us, in whole cents. Each order keeps the cost of its moment.'),
    ('shop_limits', '{"unpaid": 2, "tins": 200, "tins_in_30_days": 600}',
     'Limits of unpaid orders per member, of tins per order, and of tins in 30 days per member and per address.'),
    ('shop_age_valid_hours', '24', 'For how many hours an accepted age check serves its member''s orders.'),
    ('shop_destinations', '{}',
     'The states that are served, by their two letters. A state that is not in it is not served.');

-- --------------------------------------------------------------------------------------------------- quotes and checks
-- The tax service's answer for certain goods, prices, shipping and one address, all of which `basis` stands for.
CREATE TABLE tax_quotes (
    id         uuid PRIMARY KEY,
    member_id  uuid NOT NULL REFERENCES members (id),
    basis      bytea NOT NULL CHECK (octet_length(basis) = 32),
    tax        usd NOT NULL CHECK (tax >= 0),
    shipping   usd NOT NULL CHECK (shipping BETWEEN 0 AND tax),  -- the part of the tax that is for shipping
    lines      jsonb NOT NULL,      -- the rest, in micro-dollars by SKU
    breakdown  jsonb NOT NULL,      -- the whole, by jurisdiction
    quoted_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > quoted_at)
);
CREATE INDEX tax_quotes_basis ON tax_quotes (member_id, basis, expires_at);
CREATE INDEX tax_quotes_old ON tax_quotes (expires_at);

-- A check of a member's age. It is recorded before the provider is asked, and decided once.
CREATE TABLE age_checks (
    id          uuid PRIMARY KEY,
    member_id   uuid NOT NULL REFERENCES members (id),
    status      text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'accepted', 'denied')),
    reference   text UNIQUE,         -- the provider's name for it, once it has answered
    url         text,                -- where the member proves more, when the provider asks for that
    reason      text,
    recorded_at timestamptz NOT NULL,
    looked_at   timestamptz,
    decided_at  timestamptz,
    valid_until timestamptz,
    CONSTRAINT age_checks_decided CHECK ((status = 'pending') = (decided_at IS NULL)),
    CONSTRAINT age_checks_valid CHECK ((status = 'accepted') = (valid_until IS NOT NULL)),
    CONSTRAINT age_checks_known CHECK (status = 'pending' OR reference IS NOT NULL)
);
CREATE INDEX age_checks_member ON age_checks (member_id, recorded_at);
CREATE UNIQUE INDEX age_checks_one_pending ON age_checks (member_id) WHERE status = 'pending';

CREATE FUNCTION age_check_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.member_id, NEW.recorded_at) IS DISTINCT FROM (OLD.id, OLD.member_id, OLD.recorded_at)
       OR (OLD.reference IS NOT NULL AND NEW.reference IS DISTINCT FROM OLD.reference)
       OR (OLD.status <> 'pending' AND (NEW.status, NEW.valid_until) IS DISTINCT FROM (OLD.status, OLD.valid_until)) THEN
        PERFORM refuse('age_check_decided', format('age check %s is decided once', OLD.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER age_check_changed BEFORE UPDATE ON age_checks FOR EACH ROW EXECUTE FUNCTION age_check_changed();

-- -------------------------------------------------------------------------------------------------------------- orders
CREATE TYPE order_state AS ENUM ('pending', 'age_verification', 'payment_processing', 'confirmed', 'cancelled');

-- `address` is sealed (name, street, city); state and ZIP code decide the tax and whether we ship there. `doorstep` is a
-- keyed fingerprint of the address, by which tins are limited.
CREATE TABLE orders (
    id               uuid PRIMARY KEY,
    number           bigint NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,  -- what people call it by
    member_id        uuid NOT NULL REFERENCES members (id),
    cart_id          uuid NOT NULL UNIQUE REFERENCES carts (id),
    state            order_state NOT NULL DEFAULT 'pending',
    state_at         timestamptz NOT NULL,
    placed_at        timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,     -- of what it waits for, until it is confirmed
    tins             integer NOT NULL CHECK (tins > 0),
    subtotal         usd NOT NULL CHECK (subtotal > 0),
    shipping_cost    usd NOT NULL CHECK (shipping_cost >= 0),
    shipping_tax     usd NOT NULL CHECK (shipping_tax >= 0),
    tax_amount       usd NOT NULL CHECK (tax_amount >= shipping_tax),
    total_amount     usd NOT NULL,
    cost_per_tin     usd NOT NULL CHECK (cost_per_tin >= 0),
    tax_quote_id     uuid NOT NULL,            -- quotes are removed when they are old; the order keeps what it took
    tax_breakdown    jsonb NOT NULL,
    address          bytea,                    -- NULL once it was removed
    ship_state       text NOT NULL CHECK (ship_state ~ '^[A-Z]{2}$'),
    ship_zip         text NOT NULL CHECK (ship_zip ~ '^\d{5}(-\d{4})?$'),
    doorstep         bytea NOT NULL CHECK (octet_length(doorstep) = 32),
    age_check_id     uuid REFERENCES age_checks (id),
    confirmed_at     timestamptz,
    cancel_wanted_at timestamptz,
    cancel_reason    text CHECK (cancel_reason IN ('member', 'expired', 'age_denied', 'people')),
    CONSTRAINT orders_total CHECK (total_amount = subtotal + shipping_cost + tax_amount),
    CONSTRAINT orders_confirmed CHECK (state <> 'confirmed' OR confirmed_at IS NOT NULL),
    CONSTRAINT orders_cancel_wanted CHECK ((cancel_wanted_at IS NULL) = (cancel_reason IS NULL)),
    CONSTRAINT orders_cancelled CHECK (state <> 'cancelled' OR cancel_reason IS NOT NULL)
);
CREATE INDEX orders_member ON orders (member_id, placed_at, id);
CREATE INDEX orders_doorstep ON orders (doorstep, placed_at);
CREATE INDEX orders_age_check ON orders (age_check_id) WHERE age_check_id IS NOT NULL;
CREATE INDEX orders_waiting ON orders (expires_at) WHERE state IN ('pending', 'age_verification', 'payment_processing');
CREATE INDEX orders_leaving ON orders (cancel_wanted_at) WHERE cancel_wanted_at IS NOT NULL AND state <> 'cancelled';

-- The order may still come to nothing without anybody having been charged for good (orders_waiting).
CREATE FUNCTION order_is_unpaid(state order_state) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT state IN ('pending', 'age_verification', 'payment_processing')
$$;

-- `promised` and `released` are kept by a trigger: each tin is promised once, and then released at most once.
CREATE TABLE order_items (
    order_id     uuid NOT NULL REFERENCES orders (id),
    sku          text NOT NULL REFERENCES products (sku),
    product_name text NOT NULL,
    quantity     integer NOT NULL CHECK (quantity > 0),
    unit_price   usd NOT NULL CHECK (unit_price > 0),
    line_total   usd NOT NULL,
    tax          usd NOT NULL CHECK (tax >= 0),
    promised     integer NOT NULL DEFAULT 0,
    released     integer NOT NULL DEFAULT 0 CHECK (released >= 0),
    PRIMARY KEY (order_id, sku),
    CONSTRAINT order_items_line CHECK (line_total = quantity * unit_price),
    CONSTRAINT order_items_promised CHECK (promised IN (0, quantity)),
    CONSTRAINT order_items_once CHECK (released <= promised)
);
CREATE INDEX order_items_sku ON order_items (sku);
REVOKE UPDATE, DELETE ON order_items FROM blakjaks_app;

CREATE TABLE order_events (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id    uuid NOT NULL REFERENCES orders (id),
    state       order_state NOT NULL,
    reason      text,
    happened_at timestamptz NOT NULL
);
CREATE INDEX order_events_order ON order_events (order_id, id);
SELECT make_append_only('order_events');

CREATE TABLE order_transitions (
    from_state order_state NOT NULL,
    to_state   order_state NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
INSERT INTO order_transitions (from_state, to_state) VALUES
    ('pending', 'age_verification'), ('pending', 'payment_processing'), ('pending', 'cancelled'),
    ('age_verification', 'payment_processing'), ('age_verification', 'cancelled'),
    ('payment_processing', 'confirmed'), ('payment_processing', 'cancelled'),
    ('confirmed', 'cancelled');
REVOKE INSERT, UPDATE, DELETE ON order_transitions FROM blakjaks_app;

-- --------------------------------------------------------------------------------------------------------------- stock
ALTER TABLE stock_moves
    ADD COLUMN order_id uuid,
    DROP CONSTRAINT stock_moves_kind_check,
    ADD CONSTRAINT stock_moves_kind_check CHECK (kind IN ('count', 'promise', 'release')),
    ADD CONSTRAINT stock_moves_order CHECK ((kind = 'count') = (order_id IS NULL)),
    ADD CONSTRAINT stock_moves_tins CHECK (kind = 'count' OR quantity > 0),
    ADD CONSTRAINT stock_moves_item FOREIGN KEY (order_id, sku) REFERENCES order_items (order_id, sku);
CREATE UNIQUE INDEX stock_moves_once ON stock_moves (order_id, sku, kind) WHERE kind <> 'count';

-- Orders first, then the goods, which others wait for from here to the commit: move stock last.
CREATE OR REPLACE FUNCTION stock_moved() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    named text;
BEGIN
    UPDATE order_items item SET promised = item.promised + m.promised, released = item.released + m.released
    FROM (SELECT order_id, sku, coalesce(sum(quantity) FILTER (WHERE kind = 'promise'), 0) AS promised,
                 coalesce(sum(quantity) FILTER (WHERE kind = 'release'), 0) AS released
          FROM moved WHERE order_id IS NOT NULL GROUP BY order_id, sku) m
    WHERE item.order_id = m.order_id AND item.sku = m.sku;
    PERFORM FROM stock WHERE sku IN (SELECT sku FROM moved) ORDER BY sku FOR NO KEY UPDATE;
    SELECT string_agg(DISTINCT sku, ', ' ORDER BY sku) INTO named
    FROM moved JOIN stock USING (sku) WHERE kind = 'count' AND moved_at <= counted_at;
    IF named IS NOT NULL THEN
        PERFORM refuse('stock_count_old', format('%s was counted later', named));
    END IF;
    UPDATE stock SET on_hand = newest.quantity, counted_at = newest.moved_at
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

-- ------------------------------------------------------------------------------------------------------------ payments
-- One payment at a time may become money of an order; another one follows when a card was declined.
CREATE TABLE payments (
    id          uuid PRIMARY KEY,
    order_id    uuid NOT NULL REFERENCES orders (id),
    provider    text NOT NULL CHECK (provider IN ('card')),
    amount      usd NOT NULL CHECK (amount > 0),
    state       text NOT NULL DEFAULT 'pending'
                CHECK (state IN ('pending', 'authorized', 'captured', 'failed', 'voided')),
    refund_open usd NOT NULL DEFAULT 0 CHECK (refund_open >= 0),
    refunded    usd NOT NULL DEFAULT 0 CHECK (refunded >= 0),
    token       bytea,                         -- of the card, sealed; removed once it is spent
    action_url  text,                          -- where the bank wants to see the buyer
    reason      text,                          -- of a declined one
    created_at  timestamptz NOT NULL,
    CONSTRAINT payments_refunds CHECK (refund_open + refunded <= CASE state WHEN 'captured' THEN amount ELSE 0 END),
    CONSTRAINT payments_token CHECK (token IS NULL OR state = 'pending')
);
CREATE INDEX payments_order ON payments (order_id, created_at);
CREATE INDEX payments_unfinished ON payments (created_at) WHERE state IN ('pending', 'authorized');
CREATE UNIQUE INDEX payments_live ON payments (order_id) WHERE state IN ('pending', 'authorized', 'captured');

-- Everything that is asked of a provider. Its id is the key that it is asked with. It is committed as `sent` before the
-- first byte goes out, and what was sent ends by the provider's word alone, never because nobody answered.
CREATE TABLE payment_operations (
    id           uuid PRIMARY KEY,
    payment_id   uuid NOT NULL REFERENCES payments (id),
    kind         text NOT NULL CHECK (kind IN ('authorize', 'capture', 'void', 'refund')),
    amount       usd NOT NULL CHECK (amount > 0),
    status       text NOT NULL DEFAULT 'recorded' CHECK (status IN ('recorded', 'sent', 'succeeded', 'failed')),
    recorded_at  timestamptz NOT NULL,
    sent_at      timestamptz,
    look_at      timestamptz,                  -- when it is looked after next
    answered_at  timestamptz,
    evidence     text CHECK (evidence IN ('reply', 'lookup', 'person', 'never_sent')),
    reference    text,                         -- the provider's name for it
    reason       text,
    CONSTRAINT payment_operations_ended
        CHECK ((status IN ('succeeded', 'failed')) = (answered_at IS NOT NULL AND evidence IS NOT NULL)),
    CONSTRAINT payment_operations_unsent CHECK (status <> 'recorded' OR sent_at IS NULL),
    CONSTRAINT payment_operations_sent CHECK (status NOT IN ('sent', 'succeeded') OR sent_at IS NOT NULL),
    CONSTRAINT payment_operations_never_sent
        CHECK (evidence IS DISTINCT FROM 'never_sent' OR (sent_at IS NULL AND status = 'failed')),
    CONSTRAINT payment_operations_known CHECK (status <> 'succeeded' OR reference IS NOT NULL),
    CONSTRAINT payment_operations_looked_after CHECK ((look_at IS NULL) = (status IN ('succeeded', 'failed')))
);
CREATE INDEX payment_operations_payment ON payment_operations (payment_id, recorded_at);
CREATE UNIQUE INDEX payment_operations_one_open ON payment_operations (payment_id)
    WHERE status IN ('recorded', 'sent') AND kind <> 'refund';
CREATE UNIQUE INDEX payment_operations_once ON payment_operations (payment_id, kind)
    WHERE status = 'succeeded' AND kind <> 'refund';
CREATE UNIQUE INDEX payment_operations_reference ON payment_operations (kind, reference) WHERE status = 'succeeded';
CREATE INDEX payment_operations_due ON payment_operations (look_at) WHERE look_at IS NOT NULL;

CREATE FUNCTION payment_operation_born() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    payment payments%ROWTYPE;
BEGIN
    SELECT * INTO payment FROM payments WHERE id = NEW.payment_id FOR NO KEY UPDATE;
    IF NEW.status <> 'recorded' THEN
        PERFORM refuse('operation_born', format('operation %s is born recorded', NEW.id));
    END IF;
    IF NEW.kind <> 'refund' AND NEW.amount <> payment.amount THEN
        PERFORM refuse('operation_amount', format('payment %s is of another amount', payment.id));
    END IF;
    IF payment.state <> (CASE NEW.kind WHEN 'authorize' THEN 'pending' WHEN 'refund' THEN 'captured'
                                       ELSE 'authorized' END) THEN
        PERFORM refuse('operation_order', format('payment %s is %s: no %s', payment.id, payment.state, NEW.kind));
    END IF;
    IF NEW.kind = 'refund' THEN
        UPDATE payments SET refund_open = refund_open + NEW.amount WHERE id = payment.id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_operation_born BEFORE INSERT ON payment_operations
    FOR EACH ROW EXECUTE FUNCTION payment_operation_born();

-- A payment's state and what was paid back follow its operations.
CREATE FUNCTION payment_operation_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.payment_id, NEW.kind, NEW.amount, NEW.recorded_at)
       IS DISTINCT FROM (OLD.id, OLD.payment_id, OLD.kind, OLD.amount, OLD.recorded_at)
       OR (OLD.sent_at IS NOT NULL AND NEW.sent_at IS DISTINCT FROM OLD.sent_at) THEN
        PERFORM refuse('operation_terms', format('the terms of operation %s are fixed', OLD.id));
    END IF;
    IF NEW.status = OLD.status THEN
        RETURN NEW;
    END IF;
    IF (OLD.status, NEW.status) NOT IN
       (('recorded', 'sent'), ('recorded', 'failed'), ('sent', 'succeeded'), ('sent', 'failed')) THEN
        PERFORM refuse('operation_transition', format('operation %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    IF NEW.status = 'succeeded' THEN
        UPDATE payments SET
            state = CASE NEW.kind WHEN 'authorize' THEN 'authorized' WHEN 'capture' THEN 'captured'
                                  WHEN 'void' THEN 'voided' ELSE state END,
            token = NULL,
            refund_open = refund_open - CASE NEW.kind WHEN 'refund' THEN NEW.amount ELSE 0 END,
            refunded = refunded + CASE NEW.kind WHEN 'refund' THEN NEW.amount ELSE 0 END
        WHERE id = NEW.payment_id;
    ELSIF NEW.status = 'failed' AND NEW.kind = 'authorize' THEN
        UPDATE payments SET state = 'failed', token = NULL WHERE id = NEW.payment_id;
    ELSIF NEW.status = 'failed' AND NEW.kind = 'refund' THEN
        UPDATE payments SET refund_open = refund_open - NEW.amount WHERE id = NEW.payment_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_operation_changed BEFORE UPDATE ON payment_operations
    FOR EACH ROW EXECUTE FUNCTION payment_operation_changed();

-- The provider has refused to let go of the order's money, or to pay it back: nothing more happens by itself.
CREATE FUNCTION order_waits_for_people(waiting uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM payments JOIN payment_operations refused ON refused.payment_id = payments.id
                   WHERE payments.order_id = waiting AND refused.kind IN ('void', 'refund') AND refused.status = 'failed')
$$;

-- A refund is a debt from its record on: its journal takes the sale back, its operation pays it. Its id is also that of
-- the operation.
CREATE TABLE refunds (
    id           uuid PRIMARY KEY,
    order_id     uuid NOT NULL REFERENCES orders (id),
    goods        usd NOT NULL CHECK (goods >= 0),
    shipping     usd NOT NULL CHECK (shipping >= 0),
    tax          usd NOT NULL CHECK (tax >= 0),
    amount       usd NOT NULL CHECK (amount > 0),
    reason       text NOT NULL CHECK (reason IN ('cancelled')),
    recorded_at  timestamptz NOT NULL,
    CONSTRAINT refunds_amount CHECK (amount = goods + shipping + tax),
    FOREIGN KEY (id) REFERENCES payment_operations (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX refunds_order ON refunds (order_id);
SELECT make_append_only('refunds');

-- Of each kind no more is refunded than was charged, and each refund is booked.
CREATE FUNCTION refund_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    charged orders%ROWTYPE;
    given record;
BEGIN
    SELECT * INTO charged FROM orders WHERE id = NEW.order_id;
    SELECT sum(goods) AS goods, sum(shipping) AS shipping, sum(tax) AS tax INTO given
    FROM refunds WHERE order_id = NEW.order_id;
    IF given.goods > charged.subtotal OR given.shipping > charged.shipping_cost OR given.tax > charged.tax_amount THEN
        PERFORM refuse('refund_fits', format('order %s was not charged so much', NEW.order_id));
    END IF;
    IF NOT ledger_has('refund:' || NEW.id, 'owed:refunds', -NEW.amount) THEN
        PERFORM refuse('refund_booked', format('refund %s is not in the ledger', NEW.id));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER refund_fits AFTER INSERT ON refunds DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION refund_fits();

-- --------------------------------------------------------------------------------------------------- the order's rules
-- At the commit of its birth an order is whole: its lines add up, its tins are promised, a payment of its total waits,
-- and its cart is closed.
CREATE FUNCTION order_whole() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    items record;
BEGIN
    SELECT count(*) AS lines, sum(quantity) AS tins, sum(line_total) AS total, sum(tax) AS tax,
           bool_and(promised = quantity) AS promised
    INTO items FROM order_items WHERE order_id = NEW.id;
    IF items.lines = 0 OR items.tins <> NEW.tins OR items.total <> NEW.subtotal
       OR items.tax + NEW.shipping_tax <> NEW.tax_amount THEN
        PERFORM refuse('order_adds_up', format('order %s is not the sum of its lines', NEW.id));
    END IF;
    IF NOT items.promised THEN
        PERFORM refuse('order_promised', format('order %s has no stock', NEW.id));
    END IF;
    IF NOT EXISTS (SELECT FROM payments WHERE order_id = NEW.id AND amount = NEW.total_amount) THEN
        PERFORM refuse('order_payment', format('order %s has no payment of its total', NEW.id));
    END IF;
    IF NOT EXISTS (SELECT FROM carts WHERE id = NEW.cart_id AND status = 'ordered' AND member_id = NEW.member_id) THEN
        PERFORM refuse('order_cart', format('cart %s is open, or somebody else''s', NEW.cart_id));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER order_whole AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION order_whole();

CREATE FUNCTION order_born() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.state <> 'pending' THEN
        PERFORM refuse('order_born', format('order %s is born pending', NEW.id));
    END IF;
    INSERT INTO order_events (order_id, state, happened_at) VALUES (NEW.id, NEW.state, NEW.state_at);
    RETURN NULL;
END $$;
CREATE TRIGGER order_born AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION order_born();

-- An order is confirmed once its whole amount is captured and its sale is booked. It is cancelled once it holds no money,
-- may get none any more, and holds no stock.
CREATE FUNCTION order_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.number, NEW.member_id, NEW.cart_id, NEW.placed_at, NEW.tins, NEW.subtotal, NEW.shipping_cost,
        NEW.shipping_tax, NEW.tax_amount, NEW.total_amount, NEW.cost_per_tin, NEW.ship_state, NEW.ship_zip, NEW.doorstep)
       IS DISTINCT FROM
       (OLD.id, OLD.number, OLD.member_id, OLD.cart_id, OLD.placed_at, OLD.tins, OLD.subtotal, OLD.shipping_cost,
        OLD.shipping_tax, OLD.tax_amount, OLD.total_amount, OLD.cost_per_tin, OLD.ship_state, OLD.ship_zip, OLD.doorstep)
       OR (NEW.address IS DISTINCT FROM OLD.address AND NEW.address IS NOT NULL) THEN
        PERFORM refuse('order_terms', format('the terms of order %s are fixed', OLD.id));
    END IF;
    IF OLD.cancel_wanted_at IS NOT NULL AND NEW.cancel_wanted_at IS NULL THEN
        PERFORM refuse('order_cancel_stays', format('order %s stays cancelled', OLD.id));
    END IF;
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    IF NOT EXISTS (SELECT FROM order_transitions WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        PERFORM refuse('order_transition', format('order %s: %s to %s', NEW.id, OLD.state, NEW.state));
    END IF;
    IF NEW.state = 'payment_processing' AND NOT EXISTS
       (SELECT FROM age_checks WHERE id = NEW.age_check_id AND member_id = NEW.member_id AND status = 'accepted'
                                 AND valid_until > NEW.state_at) THEN
        PERFORM refuse('order_age', format('order %s has no accepted age check of its member', NEW.id));
    END IF;
    IF NEW.state = 'confirmed' AND NOT (
        EXISTS (SELECT FROM payments WHERE order_id = NEW.id AND state = 'captured' AND amount = NEW.total_amount
                                       AND refund_open + refunded = 0)
        AND ledger_has('sale:' || NEW.id, 'turnover:shop', -NEW.subtotal)) THEN
        PERFORM refuse('order_paid', format('order %s is not paid, or its sale is not booked', NEW.id));
    END IF;
    IF NEW.state = 'cancelled' AND EXISTS (
        SELECT FROM payments WHERE order_id = NEW.id
        AND (state IN ('pending', 'authorized') OR (state = 'captured' AND refunded <> amount))) THEN
        PERFORM refuse('order_money', format('order %s holds money, or may', NEW.id));
    END IF;
    IF NEW.state = 'cancelled' AND EXISTS (SELECT FROM order_items WHERE order_id = NEW.id AND promised <> released) THEN
        PERFORM refuse('order_stock', format('order %s holds stock', NEW.id));
    END IF;
    INSERT INTO order_events (order_id, state, reason, happened_at)
    VALUES (NEW.id, NEW.state, CASE NEW.state WHEN 'cancelled' THEN NEW.cancel_reason END, NEW.state_at);
    RETURN NEW;
END $$;
CREATE TRIGGER order_changed BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION order_changed();

CREATE FUNCTION order_never_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse('order_never_deleted', format('order %s stays', OLD.id));
    RETURN NULL;
END $$;
CREATE TRIGGER never_deleted BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION order_never_deleted();

-- ------------------------------------------------------------------------------------------------------------ webhooks
-- A vendor has something to tell, under the name that it gives the message: kept first, then the vendor is asked.
CREATE TABLE webhook_deliveries (
    source      text NOT NULL CHECK (source IN ('card', 'agechecker')),
    event_id    text NOT NULL CHECK (length(event_id) BETWEEN 1 AND 200),
    subject     text NOT NULL CHECK (length(subject) BETWEEN 1 AND 200),  -- our key, or the vendor's reference
    received_at timestamptz NOT NULL,
    PRIMARY KEY (source, event_id)
);
CREATE INDEX webhook_deliveries_old ON webhook_deliveries (received_at);

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['checkout', 'orders', 'webhooks'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_' || name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', 'blakjaks_' || name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', 'blakjaks_' || name);
    END LOOP;
END $$;
GRANT SELECT ON tax_quotes, age_checks, order_items, order_events, order_transitions, refunds, payment_operations,
    webhook_deliveries TO blakjaks_read;
GRANT SELECT (id, number, member_id, cart_id, state, state_at, placed_at, expires_at, tins, subtotal, shipping_cost,
    shipping_tax, tax_amount, total_amount, cost_per_tin, tax_quote_id, tax_breakdown, ship_state, ship_zip, doorstep,
    age_check_id, confirmed_at, cancel_wanted_at, cancel_reason) ON orders TO blakjaks_read;
GRANT SELECT (id, order_id, provider, amount, state, refund_open, refunded, action_url, reason, created_at)
    ON payments TO blakjaks_read;

-- checkout: a member asks for the tax, orders what is in the cart, pays again, wants to cancel.
GRANT SELECT ON orders, payments, data_keys TO blakjaks_checkout;
GRANT INSERT ON tax_quotes, orders, order_items, payments TO blakjaks_checkout;
GRANT INSERT (sku, kind, quantity, order_id, moved_at, recorded_at) ON stock_moves TO blakjaks_checkout;
GRANT UPDATE (status, ordered_at, changed_at) ON carts TO blakjaks_checkout;
GRANT UPDATE (cancel_wanted_at, cancel_reason, expires_at) ON orders TO blakjaks_checkout;

-- orders: the machine that takes orders further, asks the providers, books sales and refunds.
GRANT SELECT ON orders, payments, data_keys TO blakjaks_orders;
GRANT INSERT ON age_checks, payment_operations, refunds, ledger_journals, ledger_postings TO blakjaks_orders;
GRANT INSERT (sku, kind, quantity, order_id, moved_at, recorded_at) ON stock_moves TO blakjaks_orders;
GRANT UPDATE (status, reference, url, reason, looked_at, decided_at, valid_until) ON age_checks TO blakjaks_orders;
GRANT UPDATE (state, state_at, expires_at, age_check_id, confirmed_at, cancel_wanted_at, cancel_reason)
    ON orders TO blakjaks_orders;
GRANT UPDATE (action_url, reason) ON payments TO blakjaks_orders;
GRANT UPDATE (status, sent_at, look_at, answered_at, evidence, reference, reason)
    ON payment_operations TO blakjaks_orders;

-- webhooks: what a vendor tells is kept.
GRANT INSERT ON webhook_deliveries TO blakjaks_webhooks;

-- erasure: quotes, unneeded checks and kept messages go when they are old, the address when nobody needs it any more.
GRANT UPDATE (expires_at), DELETE ON tax_quotes TO blakjaks_erasure;
GRANT UPDATE (received_at), DELETE ON webhook_deliveries TO blakjaks_erasure;
GRANT SELECT (address), UPDATE (address) ON orders TO blakjaks_erasure;
