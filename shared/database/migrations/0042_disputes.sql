-- Disputes: a buyer's bank wants a card payment back. The provider decides, and takes or gives back the money meanwhile.

INSERT INTO ledger_accounts (name, description) VALUES
    ('excess:disputes', 'Withdrawn for disputes beyond what was left of an order: people settle it with the provider.');

-- `withdrawn` is what the provider has taken from us for it now. The provider's word is the truth: it may win after it was
-- lost. `looked_at` is when the provider was asked for what the row says, so that an older answer changes nothing.
CREATE TABLE disputes (
    id          uuid PRIMARY KEY,
    payment_id  uuid NOT NULL REFERENCES payments (id),
    reference   text NOT NULL UNIQUE CHECK (length(reference) BETWEEN 1 AND 200),  -- the provider's name for it
    state       text NOT NULL CHECK (state IN ('inquiry', 'open', 'won', 'lost')),
    reason      text NOT NULL,
    amount      usd NOT NULL CHECK (amount > 0),
    withdrawn   usd NOT NULL DEFAULT 0 CHECK (withdrawn >= 0),
    evidence_by timestamptz,
    opened_at   timestamptz NOT NULL,
    noticed_at  timestamptz NOT NULL,
    looked_at   timestamptz NOT NULL,
    decided_at  timestamptz,
    CONSTRAINT disputes_decided CHECK ((state IN ('won', 'lost')) = (decided_at IS NOT NULL))
);
CREATE INDEX disputes_payment ON disputes (payment_id);
CREATE INDEX disputes_newest ON disputes (opened_at, id);
CREATE INDEX disputes_undecided ON disputes (looked_at) WHERE decided_at IS NULL;
CREATE TRIGGER never_deleted BEFORE DELETE ON disputes FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON disputes EXECUTE FUNCTION payout_never_deleted();

-- What was taken for a dispute (or, negative, given back), by what it takes from the order. A part that leaves goods in the
-- order names no tins. `excess` is what is more than was left of the order.
CREATE TABLE dispute_movements (
    dispute_id uuid NOT NULL REFERENCES disputes (id),
    sequence   integer NOT NULL CHECK (sequence > 0),
    goods      usd NOT NULL,
    shipping   usd NOT NULL,
    tax        usd NOT NULL,
    excess     usd NOT NULL,
    amount     usd NOT NULL CHECK (amount <> 0),
    tins       integer NOT NULL,
    moved_at   timestamptz NOT NULL,
    PRIMARY KEY (dispute_id, sequence),
    CONSTRAINT dispute_movements_amount CHECK (amount = goods + shipping + tax + excess)
);
SELECT make_append_only('dispute_movements');

-- No more is paid back and taken for disputes than was captured.
ALTER TABLE payments
    ADD COLUMN disputed usd NOT NULL DEFAULT 0 CHECK (disputed >= 0),
    DROP CONSTRAINT payments_refunds,
    ADD CONSTRAINT payments_refunds
        CHECK (refund_open + refunded + disputed <= CASE state WHEN 'captured' THEN amount ELSE 0 END);

CREATE FUNCTION dispute_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.payment_id, NEW.reference, NEW.noticed_at)
       IS DISTINCT FROM (OLD.id, OLD.payment_id, OLD.reference, OLD.noticed_at) OR NEW.looked_at < OLD.looked_at THEN
        PERFORM refuse('dispute_terms', format('what dispute %s is about is fixed, and no older answer counts', OLD.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER dispute_changed BEFORE UPDATE ON disputes FOR EACH ROW EXECUTE FUNCTION dispute_changed();

-- A movement counts at once for the dispute, its payment, and what the pools have of the order.
CREATE FUNCTION dispute_moved() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    disputed_payment uuid;
BEGIN
    UPDATE disputes SET withdrawn = withdrawn + NEW.amount WHERE id = NEW.dispute_id
    RETURNING payment_id INTO disputed_payment;
    UPDATE payments SET disputed = disputed + NEW.goods + NEW.shipping + NEW.tax WHERE id = disputed_payment;
    UPDATE orders SET accrual_due_at = coalesce(accrual_due_at, NEW.moved_at)
    WHERE id = (SELECT order_id FROM payments WHERE id = disputed_payment);
    RETURN NULL;
END $$;
CREATE TRIGGER dispute_moved AFTER INSERT ON dispute_movements FOR EACH ROW EXECUTE FUNCTION dispute_moved();

-- At the commit a movement follows the one before, is booked, and takes from the order no more than it was charged.
CREATE FUNCTION dispute_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    charged orders%ROWTYPE;
    taken record;
BEGIN
    IF NEW.sequence > 1 AND NOT EXISTS (SELECT FROM dispute_movements
                                        WHERE dispute_id = NEW.dispute_id AND sequence = NEW.sequence - 1) THEN
        PERFORM refuse('dispute_sequence', format('movement %s of dispute %s has no predecessor', NEW.sequence, NEW.dispute_id));
    END IF;
    IF NOT ledger_has(format('dispute:%s:%s', NEW.dispute_id, NEW.sequence), 'takings:card', -NEW.amount) THEN
        PERFORM refuse('dispute_booked', format('movement %s of dispute %s is not in the ledger', NEW.sequence, NEW.dispute_id));
    END IF;
    SELECT o.* INTO charged FROM disputes JOIN payments ON payments.id = payment_id JOIN orders o ON o.id = order_id
    WHERE disputes.id = NEW.dispute_id;
    SELECT * INTO taken FROM order_disputed(charged.id);
    IF taken.goods NOT BETWEEN 0 AND charged.subtotal OR taken.shipping NOT BETWEEN 0 AND charged.shipping_cost
       OR taken.tax NOT BETWEEN 0 AND charged.tax_amount OR taken.tins NOT BETWEEN 0 AND charged.tins THEN
        PERFORM refuse('dispute_fits', format('order %s was not charged so much', charged.id));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER dispute_fits AFTER INSERT ON dispute_movements DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION dispute_fits();

-- What disputes have taken from an order.
CREATE FUNCTION order_disputed(sold uuid) RETURNS TABLE (goods bigint, shipping bigint, tax bigint, tins integer)
LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(m.goods), 0)::bigint, coalesce(sum(m.shipping), 0)::bigint, coalesce(sum(m.tax), 0)::bigint,
           coalesce(sum(m.tins), 0)::integer
    FROM payments JOIN disputes d ON d.payment_id = payments.id JOIN dispute_movements m ON m.dispute_id = d.id
    WHERE payments.order_id = sold
$$;

-- What was given back of an order: by refunds from their record on, and by disputes while the money is withdrawn.
CREATE OR REPLACE FUNCTION order_given_back(sold uuid)
RETURNS TABLE (goods bigint, shipping bigint, tax bigint, tins integer) LANGUAGE sql STABLE AS $$
    SELECT refunded.goods + d.goods, refunded.shipping + d.shipping, refunded.tax + d.tax, refunded.tins + d.tins
    FROM (SELECT coalesce(sum(r.goods), 0)::bigint AS goods, coalesce(sum(r.shipping), 0)::bigint AS shipping,
                 coalesce(sum(r.tax), 0)::bigint AS tax, coalesce(sum(r.tins), 0)::integer AS tins
          FROM refunds r WHERE r.order_id = sold) refunded, order_disputed(sold) d
$$;

-- A dispute of the order is open, or has taken money that has not come back: it is not sent.
CREATE FUNCTION order_is_disputed(sold uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM payments JOIN disputes ON disputes.payment_id = payments.id
                   WHERE payments.order_id = sold AND (disputes.state = 'open' OR disputes.withdrawn > 0))
$$;

-- A dispute of the order is open: it is not cancelled before the provider has decided.
CREATE FUNCTION order_has_open_dispute(sold uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM payments JOIN disputes ON disputes.payment_id = payments.id
                   WHERE payments.order_id = sold AND disputes.state = 'open')
$$;

-- Disputes of the order have taken more than was left of it: what refunds had promised is with the bank.
CREATE FUNCTION order_is_overdrawn(sold uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(m.excess), 0) > 0
    FROM payments JOIN disputes d ON d.payment_id = payments.id JOIN dispute_movements m ON m.dispute_id = d.id
    WHERE payments.order_id = sold
$$;

-- The buyer would get the money twice: no refund is recorded or sent while a dispute is open, and none is sent while the
-- bank has what refunds had promised. What a lost dispute has left of the payment may be refunded.
CREATE FUNCTION refund_undisputed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sold uuid := (SELECT order_id FROM payments WHERE id = NEW.payment_id);
BEGIN
    IF order_has_open_dispute(sold) OR TG_OP = 'UPDATE' AND order_is_overdrawn(sold) THEN
        PERFORM refuse('payment_disputed', format('payment %s is disputed: no refund', NEW.payment_id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refund_undisputed BEFORE INSERT ON payment_operations
    FOR EACH ROW WHEN (NEW.kind = 'refund') EXECUTE FUNCTION refund_undisputed();
CREATE TRIGGER refund_sent_undisputed BEFORE UPDATE OF status ON payment_operations
    FOR EACH ROW WHEN (NEW.kind = 'refund' AND OLD.status = 'recorded' AND NEW.status = 'sent')
    EXECUTE FUNCTION refund_undisputed();

-- As before, and: two people may say that the bank has paid a refund that was never sent, once the dispute is decided.
CREATE OR REPLACE FUNCTION operation_waits_for_people(asked payment_operations, outcome text, at timestamptz)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE asked.status
        WHEN 'recorded' THEN asked.kind = 'refund' AND outcome = 'paid_elsewhere' AND EXISTS (
            SELECT FROM payments WHERE id = asked.payment_id
            AND order_is_overdrawn(order_id) AND NOT order_has_open_dispute(order_id))
        WHEN 'sent' THEN asked.sent_at <= at - interval '23 hours' AND outcome IN ('done', 'not_done')
        WHEN 'failed' THEN asked.sent_at IS NOT NULL
            AND (outcome = 'done' AND asked.kind IN ('void', 'refund')
                 OR outcome = 'paid_elsewhere' AND asked.kind = 'refund')
        ELSE false END
$$;

CREATE FUNCTION order_undisputed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF order_has_open_dispute(NEW.id) THEN
        PERFORM refuse('order_disputed', format('order %s is disputed', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER order_undisputed BEFORE UPDATE OF state ON orders
    FOR EACH ROW WHEN (NEW.state = 'cancelled' AND OLD.state <> 'cancelled') EXECUTE FUNCTION order_undisputed();

-- An order is confirmed once its whole amount is captured and its sale is booked. It is cancelled once it holds no money,
-- may get none any more, and holds no stock.
CREATE OR REPLACE FUNCTION order_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.number, NEW.member_id, NEW.cart_id, NEW.placed_at, NEW.tins, NEW.subtotal, NEW.shipping_cost,
        NEW.shipping_tax, NEW.tax_amount, NEW.total_amount, NEW.cost_per_tin, NEW.ship_state, NEW.ship_zip, NEW.doorstep,
        NEW.kind, NEW.account_id, NEW.certificate_id)
       IS DISTINCT FROM
       (OLD.id, OLD.number, OLD.member_id, OLD.cart_id, OLD.placed_at, OLD.tins, OLD.subtotal, OLD.shipping_cost,
        OLD.shipping_tax, OLD.tax_amount, OLD.total_amount, OLD.cost_per_tin, OLD.ship_state, OLD.ship_zip, OLD.doorstep,
        OLD.kind, OLD.account_id, OLD.certificate_id)
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
    IF NEW.state = 'payment_processing' AND NEW.kind = 'retail' AND NOT EXISTS
       (SELECT FROM age_checks WHERE id = NEW.age_check_id AND member_id = NEW.member_id AND status = 'accepted'
                                 AND valid_until > NEW.state_at) THEN
        PERFORM refuse('order_age', format('order %s has no accepted age check of its member', NEW.id));
    END IF;
    IF NEW.state = 'confirmed' AND NOT (
        EXISTS (SELECT FROM payments WHERE order_id = NEW.id AND state = 'captured' AND amount = NEW.total_amount
                                       AND refund_open + refunded + disputed = 0)
        AND ledger_has('sale:' || NEW.id, 'turnover:shop', -NEW.subtotal)) THEN
        PERFORM refuse('order_paid', format('order %s is not paid, or its sale is not booked', NEW.id));
    END IF;
    IF NEW.state = 'cancelled' AND EXISTS (
        SELECT FROM payments WHERE order_id = NEW.id
        AND (state IN ('pending', 'authorized') OR (state = 'captured' AND refunded + disputed <> amount))) THEN
        PERFORM refuse('order_money', format('order %s holds money, or may', NEW.id));
    END IF;
    IF NEW.state = 'cancelled' AND EXISTS (SELECT FROM order_items WHERE order_id = NEW.id AND promised <> released) THEN
        PERFORM refuse('order_stock', format('order %s holds stock', NEW.id));
    END IF;
    INSERT INTO order_events (order_id, state, reason, happened_at)
    VALUES (NEW.id, NEW.state, CASE NEW.state WHEN 'cancelled' THEN NEW.cancel_reason END, NEW.state_at);
    RETURN NEW;
END $$;

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_disputes') THEN
        CREATE ROLE blakjaks_disputes NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_disputes;
GRANT SELECT ON disputes, dispute_movements TO blakjaks_read;
GRANT SELECT (disputed) ON payments TO blakjaks_read;

-- disputes: what the provider says of disputes is kept, and booked.
GRANT INSERT ON disputes, dispute_movements TO blakjaks_disputes;
GRANT UPDATE (state, reason, amount, evidence_by, looked_at, decided_at) ON disputes TO blakjaks_disputes;
