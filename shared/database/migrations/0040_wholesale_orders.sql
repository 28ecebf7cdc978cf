-- Orders of wholesale accounts, by the same machine as members': at a price of their own, without age check and shipping,
-- paid by card or by invoice, and free of sales tax with a resale certificate.

INSERT INTO ledger_accounts (name, description) VALUES
    ('takings:bank', 'Received at our bank for invoices, less what was paid back.');

INSERT INTO settings (name, value, description) VALUES
    ('wholesale_orders', '{"invoice_days": 7, "unpaid_max": 50000}',
     'For how many days an invoice may be paid, and how much (USD) an account''s unpaid orders may cost together.'),
    ('invoice_details', '{"sender": ["BlakJaks"], "bank": []}',
     'Lines that invoices show: who sends them, and the bank account to which they are paid. Without lines of the bank an invoice says whom to ask.');

-- --------------------------------------------------------------------------------------------------- resale certificates
-- A business with a certificate of a state buys for resale there, and is charged no sales tax. The newest row of an
-- account and state counts, until its last day (UTC) is over. Rows stay: they prove for the state why nothing was charged.
CREATE TABLE resale_certificates (
    id          uuid PRIMARY KEY,
    account_id  uuid NOT NULL REFERENCES wholesale_accounts (id),
    state       text NOT NULL CHECK (state ~ '^[A-Z]{2}$'),
    number      text NOT NULL CHECK (length(number) BETWEEN 1 AND 50),
    valid_until date NOT NULL,
    recorded_by uuid NOT NULL REFERENCES members (id),
    reason      text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    recorded_at timestamptz NOT NULL
);
CREATE INDEX resale_certificates_account ON resale_certificates (account_id, state, recorded_at, id);
SELECT make_append_only('resale_certificates');

-- Only what was approved once has certificates: a rejected account is deleted when it is old.
CREATE FUNCTION resale_certificate_born() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    account wholesale_accounts%ROWTYPE;
BEGIN
    SELECT * INTO account FROM wholesale_accounts WHERE id = NEW.account_id;
    IF account.status NOT IN ('approved', 'active', 'suspended') THEN
        PERFORM refuse('certificate_account', format('account %s is %s', account.id, account.status));
    END IF;
    IF profits_from_member(NEW.recorded_by, account.member_id) THEN
        PERFORM refuse('own_interest', format('account %s profits whoever records its certificate', account.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER resale_certificate_born BEFORE INSERT ON resale_certificates
    FOR EACH ROW EXECUTE FUNCTION resale_certificate_born();

-- The certificate that frees an account from a state's tax on a day; NULL if there is none.
CREATE FUNCTION resale_certificate_of(account uuid, in_state text, on_day date) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN valid_until >= on_day THEN id END FROM resale_certificates
    WHERE account_id = account AND state = in_state ORDER BY recorded_at DESC, id DESC LIMIT 1
$$;

-- -------------------------------------------------------------------------------------------------------------- orders
ALTER TABLE orders
    ADD COLUMN kind text NOT NULL DEFAULT 'retail' CHECK (kind IN ('retail', 'wholesale')),
    ADD COLUMN account_id uuid REFERENCES wholesale_accounts (id),
    ADD COLUMN certificate_id uuid REFERENCES resale_certificates (id),
    ALTER COLUMN cart_id DROP NOT NULL,
    ALTER COLUMN doorstep DROP NOT NULL,
    ALTER COLUMN tax_quote_id DROP NOT NULL,
    ADD CONSTRAINT orders_retail CHECK (
        kind <> 'retail' OR (num_nulls(cart_id, doorstep) = 0 AND num_nonnulls(account_id, certificate_id) = 0)),
    ADD CONSTRAINT orders_wholesale CHECK (
        kind <> 'wholesale' OR (account_id IS NOT NULL AND num_nonnulls(cart_id, doorstep, age_check_id) = 0
                                AND shipping_cost = 0)),
    ADD CONSTRAINT orders_taxed CHECK (
        CASE WHEN certificate_id IS NULL THEN tax_quote_id IS NOT NULL ELSE tax_amount = 0 AND tax_quote_id IS NULL END);
CREATE INDEX orders_account ON orders (account_id, placed_at, id) WHERE account_id IS NOT NULL;
CREATE INDEX orders_of_accounts ON orders (placed_at, id) WHERE account_id IS NOT NULL;
CREATE INDEX orders_certificate ON orders (certificate_id) WHERE certificate_id IS NOT NULL;

-- ------------------------------------------------------------------------------------------------------------- invoices
ALTER TABLE payments
    DROP CONSTRAINT payments_provider_check,
    ADD CONSTRAINT payments_provider_check CHECK (provider IN ('card', 'usdt', 'invoice'));

ALTER TABLE payment_operations
    DROP CONSTRAINT payment_operations_evidence_check,
    ADD CONSTRAINT payment_operations_evidence_check CHECK (evidence IN ('reply', 'lookup', 'person', 'never_sent', 'bank'));

-- An invoice is a payment that waits for a transfer to our bank. Its order keeps its tins until it is due.
CREATE TABLE invoices (
    payment_id uuid PRIMARY KEY REFERENCES payments (id),
    serial     bigint NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,  -- gaps are fine
    -- what people call it by: INV-2026-0042
    number     text NOT NULL GENERATED ALWAYS AS (
                   'INV-' || CAST(extract(year FROM issued_at AT TIME ZONE 'UTC') AS text) || '-'
                   || lpad(CAST(serial AS text), greatest(length(CAST(serial AS text)), 4), '0')) STORED,
    issued_at  timestamptz NOT NULL,
    due_at     timestamptz NOT NULL CHECK (due_at > issued_at)
);
SELECT make_append_only('invoices');

-- A transfer that people have found on our bank statement, by the bank's reference: what it pays, or pays back. Nobody
-- is asked about the operations of invoices: such a row is the word that ends them.
CREATE TABLE bank_transfers (
    operation_id uuid PRIMARY KEY REFERENCES payment_operations (id),
    reference    text NOT NULL UNIQUE CHECK (reference ~ '^[A-Z0-9][A-Z0-9./-]{2,63}$'),  -- one spelling for one transfer
    booked_by    uuid NOT NULL REFERENCES members (id),
    reason       text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    booked_at    timestamptz NOT NULL
);
SELECT make_append_only('bank_transfers');

-- What nobody has sent yet is little at any time: most of it waits for a transfer.
CREATE INDEX payment_operations_unsent_yet ON payment_operations (recorded_at, id) WHERE status = 'recorded';

CREATE FUNCTION bank_transfer_booked() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    of_order orders%ROWTYPE;
    waiting boolean;
BEGIN
    SELECT o.* INTO of_order FROM orders o JOIN payments p ON p.order_id = o.id
    JOIN payment_operations operation ON operation.payment_id = p.id
    WHERE operation.id = NEW.operation_id FOR NO KEY UPDATE OF o;
    SELECT operation.status = 'recorded' AND p.provider = 'invoice' INTO waiting
    FROM payment_operations operation JOIN payments p ON p.id = operation.payment_id WHERE operation.id = NEW.operation_id;
    IF waiting IS NOT TRUE THEN
        PERFORM refuse('transfer_awaited', format('operation %s waits for no transfer', NEW.operation_id));
    END IF;
    IF profits_from_member(NEW.booked_by, of_order.member_id) THEN
        PERFORM refuse('own_interest', format('order %s is of whoever books its transfer', of_order.id));
    END IF;
    UPDATE payment_operations SET status = 'sent', sent_at = NEW.booked_at WHERE id = NEW.operation_id;
    UPDATE payment_operations SET status = 'succeeded', evidence = 'bank', reference = 'bank:' || NEW.reference,
                                  answered_at = NEW.booked_at, look_at = NULL
    WHERE id = NEW.operation_id;
    RETURN NEW;
END $$;
CREATE TRIGGER bank_transfer_booked BEFORE INSERT ON bank_transfers
    FOR EACH ROW EXECUTE FUNCTION bank_transfer_booked();

-- As before (0032), and: the money of an invoice is never held, it is received at once.
CREATE OR REPLACE FUNCTION payment_operation_born() RETURNS trigger
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
    IF payment.state <> (CASE WHEN NEW.kind = 'refund' THEN 'captured' WHEN NEW.kind = 'authorize' THEN 'pending'
                              WHEN NEW.kind = 'capture' AND payment.provider = 'invoice' THEN 'pending'
                              ELSE 'authorized' END) THEN
        PERFORM refuse('operation_order', format('payment %s is %s: no %s', payment.id, payment.state, NEW.kind));
    END IF;
    IF NEW.kind = 'refund' THEN
        UPDATE payments SET refund_open = refund_open + NEW.amount WHERE id = payment.id;
    END IF;
    RETURN NEW;
END $$;

-- As before (0032), and: an invoice that nobody waits for any more has failed; its transfers are booked, never asked for.
CREATE OR REPLACE FUNCTION payment_operation_changed() RETURNS trigger
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
       (('recorded', 'sent'), ('recorded', 'failed'), ('sent', 'succeeded'), ('sent', 'failed'))
       AND NOT (OLD.status = 'failed' AND NEW.status = 'succeeded' AND OLD.sent_at IS NOT NULL
                AND NEW.kind IN ('void', 'refund') AND NEW.evidence = 'person') THEN
        PERFORM refuse('operation_transition', format('operation %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    IF NEW.evidence = 'person' AND NOT operation_is_resolved(NEW.id, NEW.status, NEW.reference) THEN
        PERFORM refuse('operation_second_person', format('two people have not said so of operation %s', OLD.id));
    END IF;
    IF NEW.status = 'succeeded' THEN
        UPDATE payments SET
            state = CASE NEW.kind WHEN 'authorize' THEN 'authorized' WHEN 'capture' THEN 'captured'
                                  WHEN 'void' THEN 'voided' ELSE state END,
            token = NULL,
            refund_open = refund_open
                - CASE WHEN NEW.kind = 'refund' AND OLD.status <> 'failed' THEN NEW.amount ELSE 0 END,
            refunded = refunded + CASE NEW.kind WHEN 'refund' THEN NEW.amount ELSE 0 END
        WHERE id = NEW.payment_id;
    ELSIF NEW.status = 'failed' AND NEW.kind = 'refund' THEN
        UPDATE payments SET refund_open = refund_open - NEW.amount WHERE id = NEW.payment_id;
    ELSIF NEW.status = 'failed' THEN
        UPDATE payments SET state = 'failed', token = NULL
        WHERE id = NEW.payment_id AND (NEW.kind = 'authorize' OR (NEW.kind = 'capture' AND provider = 'invoice'));
    END IF;
    RETURN NEW;
END $$;

-- At the commit an operation of an invoice that has succeeded is a transfer that somebody has booked.
CREATE FUNCTION payment_operation_booked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM payments WHERE id = NEW.payment_id AND provider = 'invoice')
       AND NOT EXISTS (SELECT FROM bank_transfers WHERE operation_id = NEW.id) THEN
        PERFORM refuse('transfer_booked', format('nobody has booked the transfer of operation %s', NEW.id));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER payment_operation_booked AFTER UPDATE OF status ON payment_operations
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status = 'sent' OR NEW.status = 'succeeded')
    EXECUTE FUNCTION payment_operation_booked();

-- The provider has refused to let go of the order's money, or to pay it back, or people must pay it back at the bank:
-- nothing more happens by itself.
CREATE OR REPLACE FUNCTION order_waits_for_people(waiting uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM payments JOIN payment_operations asked ON asked.payment_id = payments.id
                   WHERE payments.order_id = waiting AND asked.kind IN ('void', 'refund')
                     AND (asked.status = 'failed' OR (payments.provider = 'invoice' AND asked.status = 'recorded')))
$$;

-- --------------------------------------------------------------------------------------------------- the order's rules
-- As before (0032), and: an order of a wholesale account has no cart; it is taxed, or has a certificate of its state; an
-- invoice is for wholesale, and due when its order expires.
CREATE OR REPLACE FUNCTION order_whole() RETURNS trigger LANGUAGE plpgsql AS $$
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
    IF EXISTS (SELECT FROM payments p LEFT JOIN invoices i ON i.payment_id = p.id
               WHERE p.order_id = NEW.id AND p.provider = 'invoice'
                 AND (NEW.kind <> 'wholesale' OR i.due_at IS DISTINCT FROM NEW.expires_at)) THEN
        PERFORM refuse('order_invoice', format('order %s has no invoice that is due when it expires', NEW.id));
    END IF;
    IF NEW.kind = 'retail' AND NOT EXISTS
       (SELECT FROM carts WHERE id = NEW.cart_id AND status = 'ordered' AND member_id = NEW.member_id) THEN
        PERFORM refuse('order_cart', format('cart %s is open, or somebody else''s', NEW.cart_id));
    END IF;
    IF NEW.certificate_id IS NOT NULL AND NOT EXISTS
       (SELECT FROM resale_certificates WHERE id = NEW.certificate_id AND account_id = NEW.account_id
        AND state = NEW.ship_state AND valid_until >= CAST(NEW.placed_at AT TIME ZONE 'UTC' AS date)) THEN
        PERFORM refuse('order_certificate', format('order %s has no valid certificate of %s', NEW.id, NEW.ship_state));
    END IF;
    RETURN NULL;
END $$;

-- As before (0032), and: an order of a wholesale account is born while the account may order.
CREATE OR REPLACE FUNCTION order_born() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.state <> 'pending' THEN
        PERFORM refuse('order_born', format('order %s is born pending', NEW.id));
    END IF;
    IF NEW.kind = 'wholesale' AND NOT EXISTS
       (SELECT FROM wholesale_accounts WHERE id = NEW.account_id AND member_id = NEW.member_id
                                         AND status IN ('approved', 'active')) THEN
        PERFORM refuse('order_account', format('account %s may not order, or is somebody else''s', NEW.account_id));
    END IF;
    INSERT INTO order_events (order_id, state, happened_at) VALUES (NEW.id, NEW.state, NEW.state_at);
    RETURN NULL;
END $$;

-- As before (0032), and: the kind is a term too, and a business has no age.
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

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_invoices') THEN
        CREATE ROLE blakjaks_invoices NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_invoices;
GRANT SELECT ON resale_certificates, invoices, bank_transfers TO blakjaks_read;
GRANT SELECT (kind, account_id, certificate_id) ON orders TO blakjaks_read;

-- wholesale: an account orders, pays again, wants to cancel.
GRANT SELECT ON orders TO blakjaks_wholesale;
GRANT INSERT ON tax_quotes, orders, order_items, payments, invoices TO blakjaks_wholesale;
GRANT INSERT (sku, kind, quantity, order_id, moved_at, recorded_at) ON stock_moves TO blakjaks_wholesale;
GRANT UPDATE (cancel_wanted_at, cancel_reason, expires_at) ON orders TO blakjaks_wholesale;

-- wholesale_decisions: people record certificates.
GRANT INSERT ON resale_certificates TO blakjaks_wholesale_decisions;

-- invoices: people book what has come to our bank, and what was paid back from it.
GRANT INSERT ON bank_transfers, ledger_journals, ledger_postings TO blakjaks_invoices;
