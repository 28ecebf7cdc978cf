-- Webhooks that we send, and keys by which scripts of admins read (docs/webhooks.md). What vendors send us is in
-- webhook_deliveries, which is another thing.

-- Where somebody wants to be told of events: the owners of the platform, or a wholesale account of its own orders.
-- `failing_since` is when the first try failed after the last that succeeded.
CREATE TABLE hook_endpoints (
    id            uuid PRIMARY KEY,
    account_id    uuid REFERENCES wholesale_accounts (id),  -- NULL: the owners'
    url           text NOT NULL CHECK (url ~ '^https://[a-z0-9.-]+(/|$)' AND length(url) <= 500),
    kinds         text[] NOT NULL CHECK (cardinality(kinds) BETWEEN 1 AND 20),
    state         text NOT NULL CHECK (state IN ('enabled', 'disabled', 'failing', 'gone')),
    state_at      timestamptz NOT NULL,
    created_at    timestamptz NOT NULL,
    failing_since timestamptz
);
CREATE INDEX hook_endpoints_account ON hook_endpoints (account_id, created_at);

-- The secrets by which messages are signed, sealed for their rows. One has no end; the one before it is shown as well
-- until it ends, so that a receiver has time to take over the new one.
CREATE TABLE hook_secrets (
    id          uuid PRIMARY KEY,
    endpoint_id uuid NOT NULL REFERENCES hook_endpoints (id) ON DELETE CASCADE,
    sealed      bytea NOT NULL,
    created_at  timestamptz NOT NULL,
    ends_at     timestamptz
);
CREATE UNIQUE INDEX hook_secrets_present ON hook_secrets (endpoint_id) WHERE ends_at IS NULL;
CREATE INDEX hook_secrets_endpoint ON hook_secrets (endpoint_id);
CREATE INDEX hook_secrets_ended ON hook_secrets (ends_at) WHERE ends_at IS NOT NULL;

-- One event for one endpoint, with the body that every try sends. `tries` counts all of them, `tries_before` those
-- before the present run of tries, which began when the event came or when somebody had it sent again.
CREATE TABLE hook_deliveries (
    id           uuid PRIMARY KEY,
    endpoint_id  uuid NOT NULL REFERENCES hook_endpoints (id) ON DELETE CASCADE,
    kind         text NOT NULL,
    subject      text NOT NULL CHECK (length(subject) BETWEEN 1 AND 100),
    body         text NOT NULL CHECK (length(body) BETWEEN 2 AND 20000),
    created_at   timestamptz NOT NULL,
    state        text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    tries        integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    tries_before integer NOT NULL DEFAULT 0 CHECK (tries_before BETWEEN 0 AND tries),
    next_at      timestamptz,
    done_at      timestamptz,
    CONSTRAINT hook_deliveries_once UNIQUE (endpoint_id, kind, subject),
    CONSTRAINT hook_deliveries_next CHECK ((state = 'pending') = (next_at IS NOT NULL)),
    CONSTRAINT hook_deliveries_done CHECK ((state = 'pending') = (done_at IS NULL))
);
CREATE INDEX hook_deliveries_due ON hook_deliveries (next_at) WHERE state = 'pending';
CREATE INDEX hook_deliveries_listed ON hook_deliveries (endpoint_id, created_at DESC, id DESC);
CREATE INDEX hook_deliveries_old ON hook_deliveries (done_at) WHERE done_at IS NOT NULL;

-- Each try of a delivery: recorded before it is made, and its outcome after it. Nothing of an answer is kept but its
-- status.
CREATE TABLE hook_tries (
    delivery_id uuid NOT NULL REFERENCES hook_deliveries (id) ON DELETE CASCADE,
    number      integer NOT NULL CHECK (number > 0),
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    status      integer CHECK (status BETWEEN 100 AND 999),
    fault       text CHECK (length(fault) BETWEEN 1 AND 40),
    PRIMARY KEY (delivery_id, number),
    CONSTRAINT hook_tries_outcome CHECK (num_nonnulls(status, fault) = CASE WHEN ended_at IS NULL THEN 0 ELSE 1 END)
);

-- Keys by which an owner's scripts read a few operations. Of a key we keep its hash; the key itself is shown once.
CREATE TABLE api_keys (
    id           uuid PRIMARY KEY,
    hash         bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    operations   text[] NOT NULL CHECK (cardinality(operations) BETWEEN 1 AND 50),
    made_by      uuid NOT NULL REFERENCES members (id),
    made_at      timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    revoked_by   uuid REFERENCES members (id),
    revoked_at   timestamptz,
    last_used_at timestamptz,
    CONSTRAINT api_keys_life CHECK (expires_at > made_at AND expires_at <= made_at + interval '90 days'),
    CONSTRAINT api_keys_revoked CHECK ((revoked_by IS NULL) = (revoked_at IS NULL))
);
CREATE INDEX api_keys_listed ON api_keys (made_at DESC, id DESC);
CREATE INDEX api_keys_made_by ON api_keys (made_by);
CREATE INDEX api_keys_revoked_by ON api_keys (revoked_by);

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['blakjaks_hooks', 'blakjaks_hook_sending', 'blakjaks_api_keys'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', name);
    END LOOP;
END $$;

-- Whoever records an event asks first whether somebody wants it.
GRANT SELECT ON hook_deliveries, hook_tries, api_keys TO blakjaks_read;
GRANT SELECT (id, account_id, kinds, state, state_at, created_at, failing_since) ON hook_endpoints TO blakjaks_read;
GRANT SELECT (id, endpoint_id, created_at, ends_at) ON hook_secrets TO blakjaks_read;
-- A key is used with every function of admins.
GRANT UPDATE (last_used_at) ON api_keys TO blakjaks_work;

-- hooks: people say where they want to be told of what, renew secrets, and have something sent again.
-- A URL may hold a receiver's own secret.
GRANT SELECT ON data_keys, hook_endpoints TO blakjaks_hooks;
GRANT INSERT, UPDATE, DELETE ON hook_endpoints TO blakjaks_hooks;
GRANT INSERT, UPDATE (ends_at), DELETE ON hook_secrets TO blakjaks_hooks;
GRANT UPDATE (state, tries_before, next_at, done_at) ON hook_deliveries TO blakjaks_hooks;

-- hook_sending: events are delivered.
GRANT SELECT ON hook_endpoints, hook_secrets, data_keys TO blakjaks_hook_sending;
GRANT INSERT, UPDATE ON hook_deliveries, hook_tries TO blakjaks_hook_sending;
GRANT UPDATE (state, state_at, failing_since) ON hook_endpoints TO blakjaks_hook_sending;

-- api_keys: owners make and revoke keys.
GRANT INSERT, UPDATE (revoked_by, revoked_at) ON api_keys TO blakjaks_api_keys;

-- erasure: the endpoints of a closed account go, and what is old.
GRANT DELETE, UPDATE (state) ON hook_endpoints TO blakjaks_erasure;
GRANT DELETE, UPDATE (ends_at) ON hook_secrets TO blakjaks_erasure;
GRANT DELETE, UPDATE (done_at) ON hook_deliveries TO blakjaks_erasure;
