-- Accounts at banks, read by Teller, and what they have held.

-- What an owner has connected by signing in at a bank. The token is sealed for its row, and goes when the bank has been
-- told of the end (`is_live` is false then). Only the newest try (`last_tried_at`) decides about the state. `refusals`
-- counts tries in a row at which the token was refused; `told_at` is when the admins were last told of the state.
CREATE TABLE teller_enrollments (
    id                   uuid PRIMARY KEY,
    teller_enrollment_id text NOT NULL CHECK (teller_enrollment_id ~ '^[A-Za-z0-9_]{1,100}$'),
    institution          text NOT NULL CHECK (length(institution) BETWEEN 1 AND 100),
    sealed_token         bytea,
    is_live              boolean NOT NULL GENERATED ALWAYS AS (sealed_token IS NOT NULL) STORED,
    state                text NOT NULL CHECK (state IN ('active', 'needs_reauth', 'disconnected')),
    state_at             timestamptz NOT NULL,
    connected_at         timestamptz NOT NULL,
    reconnected_at       timestamptz,
    refusals             integer NOT NULL DEFAULT 0 CHECK (refusals >= 0),
    last_error           text CHECK (length(last_error) BETWEEN 1 AND 200),
    last_tried_at        timestamptz,
    last_synced_at       timestamptz,
    told_at              timestamptz NOT NULL,
    CONSTRAINT teller_enrollments_token CHECK (state = 'disconnected' OR is_live)
);
-- An enrollment is one row as long as we hold a token of it.
CREATE UNIQUE INDEX teller_enrollments_live ON teller_enrollments (teller_enrollment_id)
    WHERE is_live;

-- The accounts of an enrollment to which the owner has given a name. A closed one keeps its balances.
CREATE TABLE teller_connections (
    id                uuid PRIMARY KEY,
    enrollment_id     uuid NOT NULL REFERENCES teller_enrollments (id),
    teller_account_id text NOT NULL CHECK (teller_account_id ~ '^[A-Za-z0-9_]{1,100}$'),
    name              text NOT NULL CHECK (name IN ('operating', 'reserve', 'comp_pool')),
    institution       text NOT NULL,
    last_four         text NOT NULL CHECK (last_four ~ '^[0-9]{4}$'),
    currency          text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    closed_at         timestamptz
);
CREATE INDEX teller_connections_enrollment ON teller_connections (enrollment_id);
CREATE UNIQUE INDEX teller_connections_account ON teller_connections (teller_account_id) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX teller_connections_name ON teller_connections (name) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX teller_connections_same ON teller_connections (institution, last_four, currency)
    WHERE closed_at IS NULL;

-- In the account's currency; null is what the bank does not tell.
CREATE TABLE bank_balances (
    connection_id uuid NOT NULL REFERENCES teller_connections (id),
    at            timestamptz NOT NULL,
    ledger        numeric(18, 2),
    available     numeric(18, 2),
    PRIMARY KEY (connection_id, at)
);

-- What Teller Connect signs together with a new token, so that a token is taken once, and from whom we have asked.
CREATE TABLE bank_nonces (
    id         uuid PRIMARY KEY,
    admin_id   uuid NOT NULL REFERENCES members (id),
    expires_at timestamptz NOT NULL,
    spent_at   timestamptz
);
CREATE INDEX bank_nonces_admin ON bank_nonces (admin_id);
CREATE INDEX bank_nonces_old ON bank_nonces (expires_at);

ALTER TABLE webhook_deliveries
    DROP CONSTRAINT webhook_deliveries_source_check,
    ADD CONSTRAINT webhook_deliveries_source_check
        CHECK (source IN ('card', 'agechecker', 'selery', 'kintsugi', 'teller'));

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['blakjaks_banks', 'blakjaks_bank_sync'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
    END LOOP;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_banks, blakjaks_bank_sync;
GRANT SELECT (id, teller_enrollment_id, institution, is_live, state, state_at, connected_at, reconnected_at, refusals, last_error,
    last_tried_at, last_synced_at, told_at) ON teller_enrollments TO blakjaks_read;
GRANT SELECT ON teller_connections, bank_balances, bank_nonces TO blakjaks_read;

-- banks: owners connect accounts at banks, and end that.
GRANT SELECT ON data_keys TO blakjaks_banks;
GRANT INSERT ON teller_enrollments, teller_connections, bank_nonces TO blakjaks_banks;
GRANT UPDATE (sealed_token, institution, state, state_at, reconnected_at, refusals, last_error, last_tried_at, told_at)
    ON teller_enrollments TO blakjaks_banks;
GRANT UPDATE (closed_at) ON teller_connections TO blakjaks_banks;
GRANT UPDATE (spent_at) ON bank_nonces TO blakjaks_banks;

-- bank_sync: balances are read with the token of an enrollment, and what becomes of it is noted.
GRANT SELECT ON data_keys, teller_enrollments TO blakjaks_bank_sync;
GRANT INSERT ON bank_balances TO blakjaks_bank_sync;
GRANT UPDATE (sealed_token, state, state_at, refusals, last_error, last_tried_at, last_synced_at, told_at)
    ON teller_enrollments TO blakjaks_bank_sync;
GRANT UPDATE (closed_at) ON teller_connections TO blakjaks_bank_sync;

-- erasure: what is old goes.
GRANT UPDATE (spent_at), DELETE ON bank_nonces TO blakjaks_erasure;
