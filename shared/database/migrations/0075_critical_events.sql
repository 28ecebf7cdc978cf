-- What people must hear of at once, from its beginning to its end (GET /v1/admin/critical-events, docs/alerts.md). Jobs
-- write what they have found (shared/figures/critical.py); admins say that they have seen it.
CREATE TABLE critical_events (
    id              uuid PRIMARY KEY,
    kind            text NOT NULL
        CHECK (kind IN ('treasury_paused', 'discrepancy', 'quarantine', 'stolen_key', 'certificate', 'dead_letters',
                        'node_silent', 'node_behind', 'peers_lost', 'finality_stalled', 'finality_disputed')),
    subject         text NOT NULL CHECK (length(subject) BETWEEN 1 AND 100),    -- a treasury, a payout, a key, a node
    detail          text NOT NULL CHECK (length(detail) BETWEEN 1 AND 500),     -- as it was first seen
    runbook         text NOT NULL CHECK (runbook ~ '^docs/[a-z-]+[.]md#[a-z-]+$'),
    begun_at        timestamptz NOT NULL,
    ended_at        timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by uuid REFERENCES members (id),
    CONSTRAINT critical_events_end CHECK (ended_at >= begun_at),
    CONSTRAINT critical_events_acknowledged CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
);
-- One event for each cause that lasts: whoever finds it again stores nothing.
CREATE UNIQUE INDEX critical_events_open ON critical_events (kind, subject) WHERE ended_at IS NULL;
CREATE INDEX critical_events_newest ON critical_events (begun_at, id);
CREATE INDEX critical_events_acknowledged_by ON critical_events (acknowledged_by) WHERE acknowledged_by IS NOT NULL;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_acknowledging') THEN
        CREATE ROLE blakjaks_acknowledging NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_acknowledging;
GRANT SELECT ON critical_events TO blakjaks_read;
GRANT INSERT, UPDATE (ended_at) ON critical_events TO blakjaks_watching, blakjaks_bank_sync;
GRANT UPDATE (acknowledged_at, acknowledged_by) ON critical_events TO blakjaks_acknowledging;
