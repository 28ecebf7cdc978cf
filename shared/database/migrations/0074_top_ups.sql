-- Top-ups: USDT that people send from another chain to a treasury by Stargate V2 (docs/treasury.md, "Top-ups").

-- What arrives is posted as all money that comes in (`in:<hash>:<index>`); what was lost on the way is posted here.
INSERT INTO ledger_accounts (name, description)
SELECT 'bridge_fees:' || treasury,
       format('What bridging has kept of money that was sent to the %s treasury from another chain.', treasury)
FROM unnest(ARRAY['member', 'affiliate', 'wholesale']) AS treasury;

INSERT INTO settings (name, value, description) VALUES
    ('top_up_days', '14',
     'A treasury is due for a top-up when its USDT lasts fewer days than this, by the average outflow of the last 28 days.');

-- The terms are fixed when it is asked for: two others approve exactly these, and the transaction is compared with them.
-- `source_…` is on the other chain; `home_…` is on the treasuries' own chain. Both contracts are Stargate's.
CREATE TABLE top_ups (
    id              uuid PRIMARY KEY,
    treasury        text NOT NULL REFERENCES treasuries (name) CHECK (treasury <> 'shop'),
    to_address      evm_address NOT NULL,
    source_chain_id bigint NOT NULL CHECK (source_chain_id > 0),
    source_contract evm_address NOT NULL,
    source_token    evm_address NOT NULL,
    source_address  evm_address NOT NULL,  -- the wallet that a person signs with
    source_eid      bigint NOT NULL CHECK (source_eid > 0),  -- the chains' numbers at LayerZero
    home_eid        bigint NOT NULL CHECK (home_eid > 0),
    home_contract   evm_address NOT NULL,
    amount          micro_usdt NOT NULL CHECK (amount > 0),
    quoted          micro_usdt NOT NULL CHECK (quoted > 0),  -- what Stargate said would arrive
    minimum         micro_usdt NOT NULL CHECK (minimum > 0),
    fee_wei         numeric(78, 0) NOT NULL CHECK (fee_wei >= 0),
    reason          text NOT NULL,
    requested_by    uuid NOT NULL REFERENCES members (id),
    requested_at    timestamptz NOT NULL,
    state           text NOT NULL CONSTRAINT top_ups_state_check CHECK (state IN (
                        'requested', 'prepared', 'sent', 'bridging', 'arrived', 'reverted', 'refused', 'cancelled')),
    state_at        timestamptz NOT NULL,
    transactions    jsonb NOT NULL DEFAULT '[]',  -- what was handed out for signing last
    source_hash     evm_hash,
    sent_at         timestamptz,
    fault           text,                         -- why the transaction was refused
    guid            evm_hash UNIQUE,              -- LayerZero's name of the message
    spent           micro_usdt,                   -- what the transaction took from the wallet
    bridged         micro_usdt,                   -- what it promised to arrive
    source_final_at timestamptz,
    read_to         bigint NOT NULL CHECK (read_to >= -1),  -- the newest home block that was read for its arrival
    arrival_hash    evm_hash,
    arrival_index   integer,
    direction       text NOT NULL DEFAULT 'in' CHECK (direction = 'in'),
    received        micro_usdt,
    arrived_at      timestamptz,
    late_at         timestamptz,
    twice_at        timestamptz,
    FOREIGN KEY (arrival_hash, arrival_index, direction)
        REFERENCES chain_transfers (transaction_hash, log_index, direction),
    CONSTRAINT top_ups_sent CHECK ((source_hash IS NULL) = (sent_at IS NULL)),
    CONSTRAINT top_ups_followed CHECK (
        (state IN ('sent', 'bridging', 'arrived', 'reverted', 'refused')) <= (source_hash IS NOT NULL)),
    CONSTRAINT top_ups_bridged CHECK (
        (guid IS NULL) = (source_final_at IS NULL) AND (guid IS NULL) = (spent IS NULL)
        AND (guid IS NULL) = (bridged IS NULL) AND (guid IS NULL) = (state NOT IN ('bridging', 'arrived'))),
    CONSTRAINT top_ups_arrived CHECK (
        (arrived_at IS NULL) = (arrival_hash IS NULL) AND (arrived_at IS NULL) = (arrival_index IS NULL)
        AND (arrived_at IS NULL) = (received IS NULL) AND (arrived_at IS NULL) = (state <> 'arrived'))
);
CREATE INDEX top_ups_newest ON top_ups (requested_at, id);
CREATE INDEX top_ups_pool ON top_ups (treasury, requested_at, id);
CREATE INDEX top_ups_requester ON top_ups (requested_by);
CREATE INDEX top_ups_on_the_way ON top_ups (sent_at, id) WHERE state IN ('sent', 'bridging');
CREATE INDEX top_ups_lately ON top_ups (arrived_at, id) WHERE state = 'arrived';
CREATE INDEX top_ups_final ON top_ups (source_final_at) WHERE source_final_at IS NOT NULL;
-- A transaction is of one top-up; one that was refused may turn out to be another one's.
CREATE UNIQUE INDEX top_ups_source_hash ON top_ups (source_hash) WHERE state IN ('sent', 'bridging', 'arrived');
CREATE UNIQUE INDEX top_ups_arrival ON top_ups (arrival_hash, arrival_index, direction);

CREATE TABLE top_up_approvals (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    top_up_id   uuid NOT NULL REFERENCES top_ups (id),
    approver_id uuid NOT NULL REFERENCES members (id),
    note        text NOT NULL,
    approved_at timestamptz NOT NULL,
    UNIQUE (top_up_id, approver_id)
);
CREATE INDEX top_up_approvals_approver ON top_up_approvals (approver_id);
SELECT make_append_only('top_up_approvals');

-- As of payouts: an approval counts while its giver is an active treasury admin or owner. Whoever asked, and the owner
-- of the wallet that gets unused fees back, decides nothing.
CREATE FUNCTION top_up_approvals_that_count(top_up top_ups) RETURNS integer
LANGUAGE sql STABLE AS $$
    SELECT CAST(count(*) AS integer)
    FROM top_up_approvals made JOIN members approver ON approver.id = made.approver_id
    WHERE made.top_up_id = top_up.id AND approver.status = 'active' AND approver.role IN ('treasury', 'owner')
      AND NOT is_same_person(approver.id, top_up.requested_by)
      AND NOT profits_from_wallet(approver.id, top_up.source_address)
$$;

CREATE FUNCTION top_up_approval_born() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    top_up top_ups%ROWTYPE;
BEGIN
    SELECT * INTO top_up FROM top_ups WHERE id = NEW.top_up_id;
    IF top_up.state <> 'requested' THEN
        PERFORM refuse('top_up_approvals', format('top-up %s waits for nobody', NEW.top_up_id));
    END IF;
    IF is_same_person(NEW.approver_id, top_up.requested_by)
       OR profits_from_wallet(NEW.approver_id, top_up.source_address) THEN
        PERFORM refuse('own_interest', format('top-up %s is the approver''s own', NEW.top_up_id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER top_up_approval_born BEFORE INSERT ON top_up_approvals
    FOR EACH ROW EXECUTE FUNCTION top_up_approval_born();

CREATE FUNCTION top_up_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'requested' THEN
        PERFORM refuse('top_up_state', format('top-up %s begins as a request', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER top_up_born BEFORE INSERT ON top_ups FOR EACH ROW EXECUTE FUNCTION top_up_born();

CREATE FUNCTION top_up_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.treasury, NEW.to_address, NEW.source_chain_id, NEW.source_contract, NEW.source_token,
        NEW.source_address, NEW.source_eid, NEW.home_eid, NEW.home_contract, NEW.amount, NEW.quoted, NEW.minimum,
        NEW.reason, NEW.requested_by, NEW.requested_at)
       IS DISTINCT FROM
       (OLD.id, OLD.treasury, OLD.to_address, OLD.source_chain_id, OLD.source_contract, OLD.source_token,
        OLD.source_address, OLD.source_eid, OLD.home_eid, OLD.home_contract, OLD.amount, OLD.quoted, OLD.minimum,
        OLD.reason, OLD.requested_by, OLD.requested_at)
       OR (OLD.guid IS NOT NULL AND (NEW.guid, NEW.spent, NEW.bridged, NEW.source_hash, NEW.source_final_at)
           IS DISTINCT FROM (OLD.guid, OLD.spent, OLD.bridged, OLD.source_hash, OLD.source_final_at))
       OR (OLD.arrived_at IS NOT NULL AND (NEW.arrival_hash, NEW.arrival_index, NEW.received, NEW.arrived_at)
           IS DISTINCT FROM (OLD.arrival_hash, OLD.arrival_index, OLD.received, OLD.arrived_at))
       OR NEW.read_to < OLD.read_to THEN
        PERFORM refuse('top_up_terms', format('top-up %s stays what it is', OLD.id));
    END IF;
    IF NEW.state <> OLD.state AND NOT (OLD.state || '>' || NEW.state) = ANY (ARRAY[
        'requested>prepared', 'requested>cancelled', 'prepared>sent', 'prepared>cancelled', 'sent>bridging',
        'sent>reverted', 'sent>refused', 'reverted>sent', 'refused>sent', 'reverted>cancelled', 'refused>cancelled',
        'bridging>arrived']) THEN
        PERFORM refuse('top_up_state', format('top-up %s does not go from %s to %s', OLD.id, OLD.state, NEW.state));
    END IF;
    IF NEW.transactions IS DISTINCT FROM OLD.transactions AND top_up_approvals_that_count(NEW) < 2 THEN
        PERFORM refuse('top_up_approvals', format('top-up %s waits for two people first', OLD.id));
    END IF;
    IF NEW.state = 'prepared' AND OLD.state = 'requested' AND NEW.transactions = '[]' THEN
        PERFORM refuse('top_up_approvals', format('top-up %s is prepared without transactions', OLD.id));
    END IF;
    IF NEW.state = 'arrived' AND OLD.state = 'bridging' AND NOT (
           ledger_has(format('in:%s:%s', NEW.arrival_hash, NEW.arrival_index), 'treasury:' || NEW.treasury, NEW.received)
           AND (NEW.spent = NEW.received
                OR ledger_has('top-up:' || NEW.id, 'bridge_fees:' || NEW.treasury, NEW.spent - NEW.received))) THEN
        PERFORM refuse('top_up_booked', format('top-up %s is not in the ledger', OLD.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER top_up_changed BEFORE UPDATE ON top_ups FOR EACH ROW EXECUTE FUNCTION top_up_changed();

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_top_ups') THEN
        CREATE ROLE blakjaks_top_ups NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_top_ups;
GRANT SELECT ON top_ups, top_up_approvals TO blakjaks_read;
GRANT INSERT ON top_ups, top_up_approvals TO blakjaks_approvals;
GRANT UPDATE (state, state_at, transactions, fee_wei, source_hash, sent_at, fault, late_at) ON top_ups
    TO blakjaks_approvals;
GRANT UPDATE (state, state_at, fault, guid, spent, bridged, source_final_at, read_to, arrival_hash, arrival_index,
    received, arrived_at, late_at, twice_at) ON top_ups TO blakjaks_top_ups;
GRANT INSERT, UPDATE ON chain_scans TO blakjaks_top_ups;
GRANT INSERT ON chain_transfers, ledger_journals, ledger_postings TO blakjaks_top_ups;
