-- What every function needs: roles, settings, idempotency, the outbox, leases, the audit log, partitions by month.
-- Times are given by the caller (:now), so that a test clock moves all of them; amounts are whole micro-USDT.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_app') THEN
        CREATE ROLE blakjaks_app NOLOGIN;  -- what the functions may do; their logins are members of it
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO blakjaks_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO blakjaks_app;

CREATE DOMAIN micro_usdt AS bigint;
CREATE DOMAIN evm_address AS text CHECK (VALUE ~ '^0x[0-9a-fA-F]{40}$');
CREATE DOMAIN evm_hash AS text CHECK (VALUE ~ '^0x[0-9a-f]{64}$');

-- Refuses what it is attached to, under a name that the caller can match.
CREATE FUNCTION refuse(rule text, explanation text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', rule, explanation USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = rule;
END $$;

CREATE FUNCTION append_only() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse('append_only', format('%s rows are never changed or removed', TG_TABLE_NAME));
    RETURN NULL;
END $$;

-- Makes a table append-only for everybody, its owner included.
CREATE FUNCTION make_append_only(target regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %s
                    FOR EACH ROW EXECUTE FUNCTION append_only()', target);
    EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON %s
                    FOR EACH STATEMENT EXECUTE FUNCTION append_only()', target);
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM blakjaks_app', target);
END $$;

-- Makes the monthly partitions of a table from one month on. A default partition catches what lies outside,
-- so that a late migration never refuses a scan.
CREATE FUNCTION ensure_month_partitions(target text, first_month date, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    month date := date_trunc('month', first_month);
    made integer := 0;
    name text;
BEGIN
    EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I DEFAULT', target || '_other', target);
    FOR step IN 0 .. months - 1 LOOP
        name := target || to_char(month + make_interval(months => step), '_YYYY_MM');
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name, target,
                           month + make_interval(months => step), month + make_interval(months => step + 1));
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;

CREATE TABLE settings (
    name        text PRIMARY KEY,
    value       jsonb NOT NULL,
    description text NOT NULL
);

-- One row per mutating request that came with an Idempotency-Key. It is inserted first, in the request's own
-- transaction: a twin waits on the primary key and then reads the reply. A sealed reply can be opened only by
-- somebody who sends the same key and body again.
CREATE TABLE idempotency_keys (
    scope        text NOT NULL,
    key_hash     bytea NOT NULL,
    request_hash bytea NOT NULL,
    status       smallint,
    reply        bytea,
    headers      jsonb,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (scope, key_hash)
);

-- Messages and tasks that a transaction causes. outbox_relay publishes them after commit, at least once;
-- the id is the receiver's key for recognising a second delivery.
CREATE TABLE outbox (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL CHECK (kind IN ('event', 'task')),
    destination   text NOT NULL,
    function      text,
    body          jsonb NOT NULL,
    task_name     text,
    deliver_at    timestamptz,
    created_at    timestamptz NOT NULL,
    claimed_until timestamptz,
    attempts      integer NOT NULL DEFAULT 0,
    published_at  timestamptz,
    CHECK (kind = 'task' OR (task_name IS NULL AND deliver_at IS NULL)),
    CHECK ((kind = 'task') = (function IS NOT NULL))
);
CREATE INDEX outbox_waiting ON outbox (id) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

-- What a job could not do and will not try again: recorded, acknowledged, looked at by a person.
CREATE TABLE job_faults (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job         text NOT NULL,
    delivery_id text NOT NULL,
    body        text NOT NULL,
    reason      text NOT NULL,
    happened_at timestamptz NOT NULL,
    UNIQUE (job, delivery_id)
);

-- Who may do something that only one may do at a time.
CREATE TABLE leases (
    name       text PRIMARY KEY,
    holder     uuid NOT NULL,
    held_until timestamptz NOT NULL
);

CREATE TABLE audit_logs (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    actor_id      uuid,
    action        text NOT NULL,
    resource_type text NOT NULL,
    resource_id   text NOT NULL,
    changes       jsonb NOT NULL DEFAULT '{}',
    ip_address    inet,
    user_agent    text,
    created_at    timestamptz NOT NULL
);
CREATE INDEX audit_logs_actor ON audit_logs (actor_id, created_at);
CREATE INDEX audit_logs_action ON audit_logs (action, created_at);
SELECT make_append_only('audit_logs');
