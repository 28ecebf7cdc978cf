-- What the jobs that ask services of others know of them (GET /v1/admin/integrations, docs/admin.md): whether they have the
-- keys for it, when it has answered last, and its last error. A row for each service (shared/figures/integrations.py).
CREATE TABLE integration_states (
    service       text PRIMARY KEY,
    is_configured boolean,                                -- NULL until the job that has the keys has told
    answered_at   timestamptz,
    failed_at     timestamptz,
    error         text CHECK (length(error) BETWEEN 1 AND 200),
    CONSTRAINT integration_states_error CHECK ((error IS NULL) = (failed_at IS NULL))
);
GRANT SELECT ON integration_states TO blakjaks_read;
GRANT INSERT, UPDATE ON integration_states TO blakjaks_work;
