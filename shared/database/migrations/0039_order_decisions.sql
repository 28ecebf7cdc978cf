-- Decisions of people about orders: refunds that they ask for, a second person's approval of the large ones, and what
-- became of an operation that the provider cannot tell or has refused, which two people say alike.

INSERT INTO settings (name, value, description) VALUES
    ('refund_limits', '{"single": 100, "day": 5}',
     'USD that one admin may refund alone by one refund, and how many refunds on one UTC day. Whatever is more waits '
     'for a second person.');

INSERT INTO ledger_accounts (name, description) VALUES
    ('bank:operating', 'Our bank account, as far as the shop moves it: what was paid out of it is negative.')
ON CONFLICT DO NOTHING;

-- Tins that did not stay in the warehouse are refunded once they have left it.
ALTER TABLE order_items ADD CONSTRAINT order_items_refunded_sent CHECK (refunded - refunded_unsent <= shipped);

CREATE INDEX orders_placed ON orders (placed_at, id);
CREATE INDEX orders_under_way ON orders (state, placed_at, id) WHERE state NOT IN ('delivered', 'cancelled');

-- A payment in a word.
CREATE FUNCTION payment_word(state text, amount usd, refunded usd) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN state = 'voided' THEN 'failed'
                WHEN state = 'captured' AND refunded = amount THEN 'refunded' ELSE state END
$$;

-- How an order is paid, and how much was paid back: only its newest payment may have paid.
CREATE FUNCTION order_paid(sold uuid) RETURNS TABLE (status text, refunded bigint) LANGUAGE sql STABLE AS $$
    SELECT payment_word(p.state, p.amount, p.refunded), p.refunded::bigint
    FROM payments p WHERE p.order_id = sold ORDER BY p.created_at DESC, p.id DESC LIMIT 1
$$;

-- Orders are listed by how they are paid, newest first: so a payment has the moment at which its order was placed.
ALTER TABLE payments ADD COLUMN ordered_at timestamptz;
UPDATE payments SET ordered_at = placed_at FROM orders WHERE orders.id = order_id;
ALTER TABLE payments ALTER COLUMN ordered_at SET NOT NULL;
CREATE INDEX payments_listed ON payments (payment_word(state, amount, refunded), ordered_at, order_id);
GRANT SELECT (ordered_at) ON payments TO blakjaks_read;

CREATE FUNCTION payment_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT placed_at INTO NEW.ordered_at FROM orders WHERE id = NEW.order_id;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_born BEFORE INSERT ON payments FOR EACH ROW EXECUTE FUNCTION payment_born();

-- They may decide now about what the member is charged or gets back.
CREATE FUNCTION may_decide_for(person uuid, buyer uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM members WHERE id = person AND status = 'active' AND role IN ('operations', 'owner'))
       AND NOT profits_from_member(person, buyer)
$$;

-- ------------------------------------------------------------------------------------------------------------- refunds
-- A refund that an admin asks for; once it is recorded, the refund has the same id. `amount` is all that it gives back.
-- A refund by tins names them by SKU; goodwill is an amount, because its tins stay sold. `needs_approval` is set by the
-- trigger below.
CREATE TABLE refund_requests (
    id             uuid PRIMARY KEY,
    order_id       uuid NOT NULL REFERENCES orders (id),
    kind           text NOT NULL CHECK (kind IN ('tins', 'shipping', 'amount')),
    tins           jsonb NOT NULL DEFAULT '{}',
    amount         usd NOT NULL CHECK (amount > 0),
    reason         text NOT NULL CHECK (reason IN ('faulty', 'lost', 'returned', 'goodwill')),
    note           text NOT NULL,
    status         text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'recorded', 'rejected')),
    needs_approval boolean NOT NULL,
    requested_by   uuid NOT NULL REFERENCES members (id),
    requested_at   timestamptz NOT NULL,
    decided_by     uuid REFERENCES members (id),
    decided_at     timestamptz,
    decision_note  text,
    CONSTRAINT refund_requests_tins CHECK ((kind = 'tins') = (tins <> '{}')),
    CONSTRAINT refund_requests_goodwill CHECK (kind <> 'tins' OR reason <> 'goodwill'),
    CONSTRAINT refund_requests_decided CHECK ((status = 'waiting') = (decided_at IS NULL)),
    CONSTRAINT refund_requests_by CHECK ((decided_by IS NULL) = (decision_note IS NULL)
                                         AND (status <> 'waiting' OR decided_by IS NULL)
                                         AND (status <> 'rejected' OR decided_by IS NOT NULL))
);
CREATE INDEX refund_requests_newest ON refund_requests (requested_at, id);
CREATE INDEX refund_requests_status ON refund_requests (status, requested_at, id);
CREATE INDEX refund_requests_order ON refund_requests (order_id, requested_at);
CREATE INDEX refund_requests_admin ON refund_requests (requested_by, requested_at);
CREATE INDEX refund_requests_decider ON refund_requests (decided_by) WHERE decided_by IS NOT NULL;

-- The requests of one admin are counted one after the other.
CREATE FUNCTION refund_request_born() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    limits jsonb;
BEGIN
    IF NEW.status <> 'waiting' THEN
        PERFORM refuse('refund_request_decided', format('refund %s is born waiting', NEW.id));
    END IF;
    IF NOT EXISTS (SELECT FROM orders WHERE id = NEW.order_id AND may_decide_for(NEW.requested_by, member_id)) THEN
        PERFORM refuse('own_interest', format('the admin would profit from refund %s', NEW.id));
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('refunds of ' || NEW.requested_by, 0));
    SELECT value INTO limits FROM settings WHERE name = 'refund_limits';
    NEW.needs_approval := NEW.amount > (limits ->> 'single')::numeric * 1000000
        OR (SELECT count(*) FROM refund_requests
            WHERE requested_by = NEW.requested_by AND status <> 'rejected'
              AND requested_at >= date_trunc('day', NEW.requested_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')
           >= (limits ->> 'day')::numeric;
    RETURN NEW;
END $$;
CREATE TRIGGER refund_request_born BEFORE INSERT ON refund_requests
    FOR EACH ROW EXECUTE FUNCTION refund_request_born();

CREATE FUNCTION refund_request_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.order_id, NEW.kind, NEW.tins, NEW.amount, NEW.reason, NEW.note, NEW.needs_approval,
        NEW.requested_by, NEW.requested_at)
       IS DISTINCT FROM
       (OLD.id, OLD.order_id, OLD.kind, OLD.tins, OLD.amount, OLD.reason, OLD.note, OLD.needs_approval,
        OLD.requested_by, OLD.requested_at) OR OLD.status <> 'waiting' THEN
        PERFORM refuse('refund_request_decided', format('refund %s is decided, or its terms are fixed', OLD.id));
    END IF;
    IF NEW.status <> 'recorded' THEN
        RETURN NEW;
    END IF;
    IF NEW.needs_approval AND NEW.decided_by IS NULL OR NEW.decided_by IS NOT NULL AND (
        is_same_person(NEW.decided_by, NEW.requested_by)
        OR NOT EXISTS (SELECT FROM orders WHERE id = NEW.order_id AND may_decide_for(NEW.decided_by, member_id))) THEN
        PERFORM refuse('refund_second_person', format('refund %s needs a second person', NEW.id));
    END IF;
    IF NOT EXISTS (SELECT FROM refunds WHERE id = NEW.id AND order_id = NEW.order_id AND amount = NEW.amount
                                         AND reason = NEW.reason) THEN
        PERFORM refuse('refund_asked', format('refund %s is not recorded as it was asked for', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refund_request_changed BEFORE UPDATE ON refund_requests
    FOR EACH ROW EXECUTE FUNCTION refund_request_changed();
CREATE TRIGGER never_deleted BEFORE DELETE ON refund_requests FOR EACH ROW EXECUTE FUNCTION append_only();

-- For these reasons no machine refunds: somebody has asked for it, and whoever must has approved it.
CREATE FUNCTION refund_asked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM refund_requests WHERE id = NEW.id AND status = 'recorded') THEN
        PERFORM refuse('refund_asked', format('nobody has asked for refund %s', NEW.id));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER refund_asked AFTER INSERT ON refunds DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.reason IN ('faulty', 'returned', 'goodwill')) EXECUTE FUNCTION refund_asked();

-- --------------------------------------------------------------------------------------------------------- resolutions
-- What people say became of an operation, with their evidence: the provider has done it, or it has not, or a refund that
-- it has refused was paid in another way. `reference` names it there.
CREATE TABLE operation_resolutions (
    operation_id uuid NOT NULL REFERENCES payment_operations (id),
    person_id    uuid NOT NULL REFERENCES members (id),
    outcome      text NOT NULL CHECK (outcome IN ('done', 'not_done', 'paid_elsewhere')),
    reference    text CHECK (length(reference) BETWEEN 1 AND 200),
    why          text NOT NULL,
    said_at      timestamptz NOT NULL,
    PRIMARY KEY (operation_id, person_id),
    CONSTRAINT operation_resolutions_reference CHECK ((outcome = 'not_done') = (reference IS NULL))
);
CREATE INDEX operation_resolutions_person ON operation_resolutions (person_id);
CREATE TRIGGER never_deleted BEFORE DELETE ON operation_resolutions FOR EACH ROW EXECUTE FUNCTION append_only();

-- People decide about what the provider may have forgotten, which it does after 24 hours, and about money that it has
-- refused to let go of or to pay back.
CREATE FUNCTION operation_waits_for_people(asked payment_operations, outcome text, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT CASE asked.status
        WHEN 'sent' THEN asked.sent_at <= at - interval '23 hours' AND outcome IN ('done', 'not_done')
        WHEN 'failed' THEN asked.sent_at IS NOT NULL
            AND (outcome = 'done' AND asked.kind IN ('void', 'refund')
                 OR outcome = 'paid_elsewhere' AND asked.kind = 'refund')
        ELSE false END
$$;

CREATE FUNCTION resolution_said() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM payment_operations o WHERE o.id = NEW.operation_id
                   AND operation_waits_for_people(o, NEW.outcome, NEW.said_at)) THEN
        PERFORM refuse('operation_question', format('operation %s is no such question', NEW.operation_id));
    END IF;
    IF NOT EXISTS (SELECT FROM payment_operations o JOIN payments p ON p.id = o.payment_id
                   JOIN orders ON orders.id = p.order_id
                   WHERE o.id = NEW.operation_id AND may_decide_for(NEW.person_id, orders.member_id)) THEN
        PERFORM refuse('own_interest', format('the admin would profit from operation %s', NEW.operation_id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER resolution_said BEFORE INSERT OR UPDATE ON operation_resolutions
    FOR EACH ROW EXECUTE FUNCTION resolution_said();

-- Two people who may decide say the same of the operation, with the same reference.
CREATE FUNCTION operation_is_resolved(asked uuid, into_status text, named text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM operation_resolutions one JOIN operation_resolutions other USING (operation_id, outcome)
        JOIN payment_operations o ON o.id = operation_id JOIN payments p ON p.id = o.payment_id
        JOIN orders ON orders.id = p.order_id
        WHERE operation_id = asked AND NOT is_same_person(one.person_id, other.person_id)
          AND one.reference IS NOT DISTINCT FROM named AND other.reference IS NOT DISTINCT FROM named
          AND (outcome = 'not_done') = (into_status = 'failed')
          AND may_decide_for(one.person_id, orders.member_id) AND may_decide_for(other.person_id, orders.member_id))
$$;

-- As before, and: an operation ends by the word of people only when two say it. What the provider has refused to let go
-- of, or to pay back, may still end well by it.
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
    ELSIF NEW.status = 'failed' AND NEW.kind = 'authorize' THEN
        UPDATE payments SET state = 'failed', token = NULL WHERE id = NEW.payment_id;
    ELSIF NEW.status = 'failed' AND NEW.kind = 'refund' THEN
        UPDATE payments SET refund_open = refund_open - NEW.amount WHERE id = NEW.payment_id;
    END IF;
    RETURN NEW;
END $$;

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_order_decisions') THEN
        CREATE ROLE blakjaks_order_decisions NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_order_decisions;
GRANT SELECT ON refund_requests, operation_resolutions TO blakjaks_read;

-- order_decisions: people look at orders, want them cancelled, refund, and say what became of operations.
GRANT SELECT ON orders, data_keys TO blakjaks_order_decisions;
GRANT UPDATE (cancel_wanted_at, cancel_reason) ON orders TO blakjaks_order_decisions;
GRANT INSERT ON refunds, refund_lines, refund_requests, operation_resolutions, payment_operations, ledger_journals,
    ledger_postings TO blakjaks_order_decisions;
GRANT INSERT (id, order_id, recorded_at, look_at) ON fulfilments TO blakjaks_order_decisions;
GRANT INSERT ON fulfilment_lines TO blakjaks_order_decisions;
GRANT UPDATE (status, decided_by, decided_at, decision_note) ON refund_requests TO blakjaks_order_decisions;
GRANT UPDATE (outcome, reference, why, said_at) ON operation_resolutions TO blakjaks_order_decisions;
GRANT UPDATE (status, look_at, answered_at, evidence, reference, reason) ON payment_operations
    TO blakjaks_order_decisions;
