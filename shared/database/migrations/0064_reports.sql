-- Reports that admins ask for as CSV files. admin_analytics writes what is asked for, report_export makes the file.

-- A run of the job that makes the file holds the row until `held_until`, and prolongs that with each page; `run_id` is the
-- run that writes the file, or has written the one that is shown. A report is made of rows that were read from `read_from`
-- to `read_until`. `rows` has no header in it; `expires_at` is when the file goes, or the report failed.
CREATE TABLE report_exports (
    id         uuid PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('analytics', 'audit_log', 'users', 'orders', 'affiliates')),
    filters    jsonb NOT NULL,
    reason     text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    asked_by   uuid NOT NULL REFERENCES members (id),
    asked_at   timestamptz NOT NULL,
    state      text NOT NULL DEFAULT 'making' CHECK (state IN ('making', 'ready', 'failed', 'expired')),
    run_id     uuid,
    held_until timestamptz,
    read_from  timestamptz,
    read_until timestamptz,
    rows       bigint CHECK (rows >= 0),
    bytes      bigint CHECK (bytes > 0),
    sha256     bytea CHECK (octet_length(sha256) = 32),
    expires_at timestamptz,
    fault      text CHECK (length(fault) BETWEEN 1 AND 300),
    CONSTRAINT report_exports_whole CHECK (
        state NOT IN ('ready', 'expired') OR num_nulls(read_from, read_until, rows, bytes, sha256) = 0),
    CONSTRAINT report_exports_shown CHECK (state <> 'ready' OR run_id IS NOT NULL),
    CONSTRAINT report_exports_failed CHECK ((state = 'failed') = (fault IS NOT NULL)),
    CONSTRAINT report_exports_ends CHECK ((state = 'making') = (expires_at IS NULL))
);
CREATE INDEX report_exports_asked_by ON report_exports (asked_by);
CREATE INDEX report_exports_making ON report_exports (asked_at) WHERE state = 'making';
CREATE INDEX report_exports_ready ON report_exports (expires_at) WHERE state = 'ready';
CREATE INDEX report_exports_over ON report_exports (expires_at) WHERE state IN ('failed', 'expired');

-- The files that runs have begun. A row is there before its file, and goes after it.
CREATE TABLE report_files (
    run_id    uuid PRIMARY KEY,
    export_id uuid NOT NULL REFERENCES report_exports (id),
    begun_at  timestamptz NOT NULL
);
CREATE INDEX report_files_export ON report_files (export_id);
CREATE INDEX report_files_begun ON report_files (begun_at);

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['report_requests', 'reports'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_' || name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', 'blakjaks_' || name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', 'blakjaks_' || name);
    END LOOP;
END $$;
GRANT SELECT ON report_exports, report_files TO blakjaks_read;

-- report_requests: admins ask for reports.
GRANT INSERT ON report_exports TO blakjaks_report_requests;

-- reports: their files are made, and go.
GRANT UPDATE (state, run_id, held_until, read_from, read_until, rows, bytes, sha256, expires_at, fault)
    ON report_exports TO blakjaks_reports;
GRANT INSERT, DELETE ON report_files TO blakjaks_reports;

-- erasure: a report that may name somebody who has left goes, or is made again.
GRANT UPDATE (state, run_id, held_until), DELETE ON report_exports TO blakjaks_erasure;
