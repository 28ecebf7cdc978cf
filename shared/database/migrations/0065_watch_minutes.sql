-- How the platform was in each minute, for the figures of a month (docs/insights.md). platform_watch writes a row each
-- minute; a minute without one is a minute in which it could not look.
CREATE TABLE watch_minutes (
    minute   timestamptz PRIMARY KEY CHECK (minute = date_trunc('minute', minute, 'UTC')),
    is_up    boolean NOT NULL,                                  -- the database and the Polygon nodes have answered
    probe_ms integer NOT NULL CHECK (probe_ms >= 0)             -- how long the look at the tables took
);

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_watching') THEN
        CREATE ROLE blakjaks_watching NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_watching;
GRANT SELECT ON watch_minutes TO blakjaks_read;
GRANT INSERT ON watch_minutes TO blakjaks_watching;
GRANT DELETE, UPDATE (minute) ON watch_minutes TO blakjaks_erasure;
