-- When each schedule of each job has ended last (GET /v1/admin/health compares it with its crontab), and what the
-- dashboard counts (docs/admin.md).

-- A row for each schedule, written by shared/job.py after each run, however it ended.
CREATE TABLE job_runs (
    job          text NOT NULL,
    schedule     text NOT NULL,
    ended_at     timestamptz,                            -- of the last run that did its work
    milliseconds integer CHECK (milliseconds >= 0),      -- how long that run took
    failed_at    timestamptz,                            -- of the last run that failed
    PRIMARY KEY (job, schedule),
    CONSTRAINT job_runs_ended CHECK ((ended_at IS NULL) = (milliseconds IS NULL)),
    CONSTRAINT job_runs_seen CHECK (ended_at IS NOT NULL OR failed_at IS NOT NULL)
);

CREATE INDEX affiliate_earnings_in_review ON affiliate_earnings (earned_at) WHERE status = 'in_review' AND kind = 'manual';
CREATE INDEX trips_open ON trips (chosen_at) WHERE state <> 'chip_mailed';

GRANT SELECT ON job_runs TO blakjaks_read;
GRANT INSERT, UPDATE ON job_runs TO blakjaks_work;
