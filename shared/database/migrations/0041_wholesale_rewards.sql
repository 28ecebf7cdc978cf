-- What wholesale orders bring their account: a chip for each tin that was sent, milestones, and comps that people award.

INSERT INTO settings (name, value, description) VALUES
    ('wholesale_milestones',
     '[{"chips": 5000, "value": 1000}, {"chips": 10000, "value": 5000}, {"chips": 25000, "value": 10000},
       {"chips": 50000, "value": 25000}, {"chips": 100000, "value": 50000}]',
     'From how many chips on a wholesale account may be awarded a comp, and of which value (USDT) at most.'),
    ('wholesale_comp_max', '10000', 'How much USDT a comp of a wholesale account has at most that is for no milestone.');

-- The chips of an order, once; a refund that names tins takes theirs back.
CREATE TABLE wholesale_chips (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL REFERENCES wholesale_accounts (id),
    order_id   uuid NOT NULL REFERENCES orders (id),
    refund_id  uuid UNIQUE REFERENCES refunds (id),
    chips      integer NOT NULL,
    earned_at  timestamptz NOT NULL,
    CONSTRAINT wholesale_chips_sign CHECK (CASE WHEN refund_id IS NULL THEN chips > 0 ELSE chips < 0 END)
);
CREATE UNIQUE INDEX wholesale_chips_once ON wholesale_chips (order_id) WHERE refund_id IS NULL;
CREATE INDEX wholesale_chips_order ON wholesale_chips (order_id);
CREATE INDEX wholesale_chips_account ON wholesale_chips (account_id, earned_at, id);
SELECT make_append_only('wholesale_chips');

-- That an account has had so many chips. `value` is the most that a comp for it may be.
CREATE TABLE wholesale_milestones (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL REFERENCES wholesale_accounts (id),
    chips      integer NOT NULL CHECK (chips > 0),
    value      micro_usdt NOT NULL CHECK (value > 0),
    reached_at timestamptz NOT NULL,
    UNIQUE (account_id, chips)
);
SELECT make_append_only('wholesale_milestones');

-- At the commit by which all of a wholesale order has left or was given up. The account comes last: whoever orders does
-- not lock its row.
CREATE FUNCTION wholesale_order_sent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    total bigint;
BEGIN
    PERFORM FROM wholesale_accounts WHERE id = NEW.account_id FOR NO KEY UPDATE;
    INSERT INTO wholesale_chips (account_id, order_id, chips, earned_at)
    SELECT NEW.account_id, NEW.id, sum(shipped), NEW.state_at FROM order_items WHERE order_id = NEW.id
    HAVING sum(shipped) > 0
    ON CONFLICT (order_id) WHERE refund_id IS NULL DO NOTHING;
    UPDATE wholesale_accounts SET status = 'active', activated_at = NEW.state_at
    WHERE id = NEW.account_id AND status = 'approved';
    SELECT sum(chips) INTO total FROM wholesale_chips WHERE account_id = NEW.account_id;
    INSERT INTO wholesale_milestones (account_id, chips, value, reached_at)
    SELECT NEW.account_id, (step ->> 'chips')::integer, (step ->> 'value')::numeric * 1000000, NEW.state_at
    FROM settings CROSS JOIN LATERAL jsonb_array_elements(value) AS step
    WHERE name = 'wholesale_milestones' AND (step ->> 'chips')::integer <= total
    ON CONFLICT (account_id, chips) DO NOTHING;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER wholesale_order_sent AFTER UPDATE OF state ON orders DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.kind = 'wholesale' AND NEW.state IN ('shipped', 'delivered')
                       AND OLD.state NOT IN ('shipped', 'delivered'))
    EXECUTE FUNCTION wholesale_order_sent();

-- What was refunded before the order was sent has brought no chips.
CREATE FUNCTION wholesale_chips_refunded() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO wholesale_chips (account_id, order_id, refund_id, chips, earned_at)
    SELECT account_id, order_id, NEW.id, -least(NEW.tins, sum(chips)), NEW.recorded_at
    FROM wholesale_chips WHERE order_id = NEW.order_id GROUP BY account_id, order_id HAVING sum(chips) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER wholesale_chips_refunded AFTER INSERT ON refunds
    FOR EACH ROW WHEN (NEW.tins > 0) EXECUTE FUNCTION wholesale_chips_refunded();

-- ------------------------------------------------------------------------------------------------------------- comps
-- A comp that an admin has awarded, for a milestone once, or for none. Its payout is of source `wholesale_comp`; what
-- became of it is said there.
CREATE TABLE wholesale_comps (
    id           uuid PRIMARY KEY,
    account_id   uuid NOT NULL REFERENCES wholesale_accounts (id),
    milestone_id uuid UNIQUE REFERENCES wholesale_milestones (id),
    amount       micro_usdt NOT NULL CHECK (amount > 0),
    reason       text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    awarded_by   uuid NOT NULL REFERENCES members (id),
    awarded_at   timestamptz NOT NULL
);
CREATE INDEX wholesale_comps_account ON wholesale_comps (account_id, awarded_at, id);
SELECT make_append_only('wholesale_comps');

CREATE FUNCTION wholesale_comp_born() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    account wholesale_accounts%ROWTYPE;
    most bigint;
BEGIN
    SELECT * INTO account FROM wholesale_accounts WHERE id = NEW.account_id FOR SHARE;
    IF account.status NOT IN ('approved', 'active') THEN
        PERFORM refuse('wholesale_comp_account', format('account %s is %s', account.id, account.status));
    END IF;
    IF profits_from_member(NEW.awarded_by, account.member_id) THEN
        PERFORM refuse('own_interest', format('account %s profits whoever awards', account.id));
    END IF;
    IF NEW.milestone_id IS NULL THEN
        SELECT (value #>> '{}')::numeric * 1000000 INTO most FROM settings WHERE name = 'wholesale_comp_max';
    ELSE
        SELECT value INTO most FROM wholesale_milestones WHERE id = NEW.milestone_id AND account_id = NEW.account_id;
    END IF;
    IF most IS NULL OR NEW.amount > most THEN
        PERFORM refuse('wholesale_comp_value', format('comp %s is more than may be awarded', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER wholesale_comp_born BEFORE INSERT ON wholesale_comps
    FOR EACH ROW EXECUTE FUNCTION wholesale_comp_born();

-- At the commit a comp is owed, and asked for.
CREATE FUNCTION wholesale_comp_owed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT ledger_has('wholesale-comp:' || NEW.id, 'owed:wholesale', NEW.amount)
       OR NOT ledger_has('wholesale-comp:' || NEW.id, 'pool:wholesale', -NEW.amount)
       OR NOT EXISTS (SELECT FROM payouts WHERE source_kind = 'wholesale_comp' AND source_id = NEW.id::text) THEN
        PERFORM refuse('wholesale_comp_owed', format('comp %s is not owed to anybody', NEW.id));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER wholesale_comp_owed AFTER INSERT ON wholesale_comps DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wholesale_comp_owed();

-- Such a payout is of a comp, of its amount, to the wallet that its member has now and that does not rest.
CREATE FUNCTION payout_of_wholesale_comp_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.treasury <> 'wholesale' OR NOT EXISTS (
        SELECT FROM wholesale_comps comp JOIN wholesale_accounts account ON account.id = comp.account_id
        JOIN members ON members.id = account.member_id
        WHERE comp.id::text = NEW.source_id AND comp.amount = NEW.amount AND comp.awarded_by = NEW.requested_by
          AND members.id = NEW.member_id AND members.wallet_address = NEW.recipient_address
          AND coalesce(members.wallet_rests_until <= NEW.requested_at, true)) THEN
        PERFORM refuse('wholesale_comp_payout', format('payout %s is not what was awarded', NEW.id));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payout_of_wholesale_comp_born AFTER INSERT ON payouts FOR EACH ROW
    WHEN (NEW.source_kind = 'wholesale_comp') EXECUTE FUNCTION payout_of_wholesale_comp_born();

-- As before (0020), and: nobody awards a comp of a wholesale account alone.
CREATE OR REPLACE FUNCTION needs_second_person(payout payouts) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN payout.source_kind = 'wholesale_comp'
        OR (payout.source_kind = 'comp' AND payout.source_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
            AND EXISTS (SELECT FROM manual_awards WHERE comp_id = payout.source_id::uuid AND NOT alone));
END $$;

-- -------------------------------------------------------------------------------------------------------------- rights
GRANT SELECT ON wholesale_chips, wholesale_milestones, wholesale_comps TO blakjaks_read;
GRANT INSERT ON wholesale_comps, payouts, ledger_journals, ledger_postings TO blakjaks_wholesale_decisions;
