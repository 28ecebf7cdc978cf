-- The card provider's own list of what it has booked and deposited, and where it differs from our rows.

INSERT INTO ledger_accounts (name, description) VALUES
    ('fees:card', 'Fees that the card provider has kept.');
-- How far the list of a day (UTC) was read: `cursor` is the next page of a reading under way, `read_at` the end of the last.
CREATE TABLE card_days (
    day      date PRIMARY KEY,
    cursor   text,
    read_at  timestamptz,
    begun_at timestamptz NOT NULL
);
CREATE INDEX card_days_unread ON card_days (day) WHERE read_at IS NULL;

-- A line of the list. It is matched with the operation that it is, exactly, or with its dispute. Its fee is in the ledger.
CREATE TABLE card_bookings (
    reference    text PRIMARY KEY CHECK (length(reference) BETWEEN 1 AND 200),
    kind         text NOT NULL
                 CHECK (kind IN ('authorize', 'capture', 'void', 'refund', 'dispute', 'dispute_reversal')),
    key          uuid,                                   -- ours, if the provider names one
    dispute      text,                                   -- the provider's name of it
    amount       usd NOT NULL CHECK (amount >= 0),
    fee          usd NOT NULL CHECK (fee >= 0),
    booked_on    date NOT NULL,
    seen_at      timestamptz NOT NULL,
    operation_id uuid UNIQUE REFERENCES payment_operations (id),
    dispute_id   uuid REFERENCES disputes (id),
    CONSTRAINT card_bookings_dispute CHECK ((kind IN ('dispute', 'dispute_reversal')) = (dispute IS NOT NULL)),
    CONSTRAINT card_bookings_matched CHECK (CASE WHEN dispute IS NULL THEN dispute_id ELSE operation_id END IS NULL)
);
CREATE INDEX card_bookings_key ON card_bookings (key) WHERE key IS NOT NULL;
CREATE INDEX card_bookings_disputes ON card_bookings (dispute_id) WHERE dispute_id IS NOT NULL;
CREATE INDEX card_bookings_unmatched ON card_bookings (seen_at, reference)
    WHERE operation_id IS NULL AND dispute_id IS NULL;

-- A transfer of the provider to our bank; negative when it took money back.
CREATE TABLE card_deposits (
    reference    text PRIMARY KEY CHECK (length(reference) BETWEEN 1 AND 200),
    amount       usd NOT NULL,
    deposited_at timestamptz NOT NULL,
    seen_at      timestamptz NOT NULL
);
SELECT make_append_only('card_deposits');

-- What the provider owes us by its own list: bookings less fees and deposits. Who compares locks the row.
CREATE TABLE card_balance (
    is_one boolean PRIMARY KEY DEFAULT true CHECK (is_one),
    owed   usd NOT NULL DEFAULT 0
);
INSERT INTO card_balance DEFAULT VALUES;

ALTER TABLE payment_operations ADD COLUMN booked_at timestamptz;  -- since when the provider's list is known to have it
CREATE INDEX payment_operations_unbooked ON payment_operations (answered_at, id)
    WHERE booked_at IS NULL AND status = 'succeeded' AND kind IN ('capture', 'refund');
ALTER TABLE disputes ADD COLUMN booked usd NOT NULL DEFAULT 0;    -- what the list has withdrawn for it, less what came back
CREATE INDEX disputes_differ ON disputes (id) WHERE withdrawn <> booked;

-- What does not agree, each named once for as long as it is open. `ref` is the booking's or deposit's reference, our
-- operation, our dispute, or the difference itself.
CREATE TABLE payment_findings (
    id           uuid PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('unknown_booking', 'missing_booking', 'amount_differs', 'booking_changed',
                                               'dispute_differs', 'balance_differs')),
    ref          text NOT NULL,
    operation_id uuid REFERENCES payment_operations (id),
    expected     usd NOT NULL,                           -- by our rows
    found        usd NOT NULL,                           -- by the provider's list
    found_at     timestamptz NOT NULL,
    resolved_at  timestamptz,
    resolved_by  uuid REFERENCES members (id),           -- empty when both sides agreed later
    resolution   text,
    CONSTRAINT payment_findings_resolved CHECK ((resolved_at IS NULL) = (resolution IS NULL)),
    CONSTRAINT payment_findings_resolver CHECK (resolved_by IS NULL OR resolved_at IS NOT NULL)
);
CREATE UNIQUE INDEX payment_findings_open ON payment_findings (kind, ref) WHERE resolved_at IS NULL;
CREATE INDEX payment_findings_ref ON payment_findings (kind, ref);
CREATE INDEX payment_findings_operation ON payment_findings (operation_id) WHERE operation_id IS NOT NULL;
CREATE INDEX payment_findings_newest ON payment_findings (found_at, id);

CREATE FUNCTION card_booking_effect(kind text, amount bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN kind IN ('capture', 'dispute_reversal') THEN amount WHEN kind IN ('refund', 'dispute') THEN -amount
                ELSE 0 END
$$;

-- A refund that the provider has refused, and that people have paid from our bank: the provider's list will never have it.
CREATE FUNCTION refund_is_paid_elsewhere(refund uuid, amount bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT ledger_has('refunded:' || refund, 'bank:operating', -amount)
$$;

-- What is booked changes what the provider owes, and never changes itself.
CREATE FUNCTION card_booked() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'card_bookings' THEN
        UPDATE card_balance SET owed = owed + card_booking_effect(NEW.kind, NEW.amount) - NEW.fee;
    ELSE
        UPDATE card_balance SET owed = owed - NEW.amount;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER card_booked AFTER INSERT ON card_bookings FOR EACH ROW EXECUTE FUNCTION card_booked();
CREATE TRIGGER card_booked AFTER INSERT ON card_deposits FOR EACH ROW EXECUTE FUNCTION card_booked();

-- A booking is matched once, with an operation that is the same in all: key, kind, name and amount.
CREATE FUNCTION card_booking_matched() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.reference, NEW.kind, NEW.key, NEW.dispute, NEW.amount, NEW.fee, NEW.booked_on, NEW.seen_at) IS DISTINCT FROM
       (OLD.reference, OLD.kind, OLD.key, OLD.dispute, OLD.amount, OLD.fee, OLD.booked_on, OLD.seen_at)
       OR num_nonnulls(OLD.operation_id, OLD.dispute_id) > 0 THEN
        PERFORM refuse('booking_fixed', format('booking %s is what the provider said, and is matched once', OLD.reference));
    END IF;
    IF NEW.operation_id IS NOT NULL THEN
        UPDATE payment_operations SET booked_at = NEW.seen_at
        WHERE id = NEW.operation_id AND id = NEW.key AND kind = NEW.kind AND status = 'succeeded'
          AND reference = NEW.reference AND amount = NEW.amount;
    ELSE
        UPDATE disputes SET booked = booked - card_booking_effect(NEW.kind, NEW.amount)
        WHERE id = NEW.dispute_id AND reference = NEW.dispute;
    END IF;
    IF NOT FOUND THEN
        PERFORM refuse('booking_differs', format('booking %s is another one than ours', NEW.reference));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER card_booking_matched BEFORE UPDATE ON card_bookings FOR EACH ROW EXECUTE FUNCTION card_booking_matched();
CREATE TRIGGER never_deleted BEFORE DELETE ON card_bookings FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON card_bookings EXECUTE FUNCTION payout_never_deleted();

-- At the commit each fee and each deposit is in the ledger.
CREATE FUNCTION card_posted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_posted boolean;
BEGIN
    IF TG_TABLE_NAME = 'card_bookings' THEN
        is_posted := NEW.fee = 0 OR ledger_has('fee:' || NEW.reference, 'fees:card', NEW.fee);
    ELSE
        is_posted := NEW.amount = 0 OR ledger_has('settlement:' || NEW.reference, 'bank:operating', NEW.amount);
    END IF;
    IF NOT is_posted THEN
        PERFORM refuse('settlement_booked', format('%s of %s is not in the ledger', TG_TABLE_NAME, NEW.reference));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER card_posted AFTER INSERT ON card_bookings DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION card_posted();
CREATE CONSTRAINT TRIGGER card_posted AFTER INSERT ON card_deposits DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION card_posted();

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_settlements') THEN
        CREATE ROLE blakjaks_settlements NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_settlements;
GRANT SELECT ON card_days, card_bookings, card_deposits, card_balance, payment_findings TO blakjaks_read;

-- settlements: the card provider's list is kept, booked and compared.
GRANT INSERT ON card_days, card_bookings, card_deposits, payment_findings, ledger_journals, ledger_postings
    TO blakjaks_settlements;
GRANT UPDATE (cursor, read_at) ON card_days TO blakjaks_settlements;
GRANT UPDATE (operation_id, dispute_id) ON card_bookings TO blakjaks_settlements;
GRANT UPDATE (is_one) ON card_balance TO blakjaks_settlements;  -- to lock it
GRANT UPDATE (resolved_at, resolution) ON payment_findings TO blakjaks_settlements;

-- explanations: people explain what differs.
GRANT UPDATE (resolved_at, resolved_by, resolution) ON payment_findings TO blakjaks_explanations;
