-- Figures that everybody is shown: each is worked out in one place, kept with the moment that it is true of, and read
-- from there. No request counts facts. figure_rollup alone writes these tables.

-- `value` is null where there is none, and `reason` says why: nothing is zero because nobody has counted it. A figure is
-- shown as old once `as_of` is longer ago than `fresh_seconds`.
CREATE TABLE figures (
    name          text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,59}$'),
    value         jsonb,
    reason        text CHECK (length(reason) BETWEEN 1 AND 200),
    as_of         timestamptz NOT NULL,
    fresh_seconds integer NOT NULL CHECK (fresh_seconds > 0),
    CONSTRAINT figures_known_or_why_not CHECK ((value IS NULL) = (reason IS NOT NULL))
);

CREATE FUNCTION figure_is_newer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.as_of < OLD.as_of THEN
        PERFORM refuse('figure_is_newer', format('%s would become older', OLD.name));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER figure_is_newer BEFORE UPDATE ON figures FOR EACH ROW EXECUTE FUNCTION figure_is_newer();

-- Counts and sums per UTC day. Those of scans are added in the order of the scans' numbers; those of all other facts are
-- counted anew, day by day, in place of what was there.
CREATE TABLE metric_days (
    day    date NOT NULL,
    metric text NOT NULL CHECK (metric ~ '^[a-z][a-z0-9_]{0,59}$'),
    key    text NOT NULL CHECK (length(key) <= 60),
    value  numeric(24, 6) NOT NULL,
    as_of  timestamptz NOT NULL,
    PRIMARY KEY (day, metric, key)
);
CREATE INDEX metric_days_metric ON metric_days (metric, key, day);

-- The last UTC day on which a member has scanned or paid an order, and how many members have each day as their last one:
-- who was active since a day is the sum of some rows. The trigger keeps the counts.
CREATE TABLE activity (
    member_id uuid PRIMARY KEY REFERENCES members (id),
    last_day  date NOT NULL
);
CREATE TABLE active_days (
    last_day date PRIMARY KEY,
    members  bigint NOT NULL CHECK (members >= 0)
);

CREATE FUNCTION activity_counts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO active_days AS kept (last_day, members)
    SELECT last_day, count(*) FROM added GROUP BY last_day ORDER BY last_day
    ON CONFLICT (last_day) DO UPDATE SET members = kept.members + EXCLUDED.members;
    IF TG_OP = 'UPDATE' THEN
        UPDATE active_days kept SET members = kept.members - gone.members
        FROM (SELECT last_day, count(*) AS members FROM removed GROUP BY last_day) gone
        WHERE kept.last_day = gone.last_day;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER activity_counts AFTER INSERT ON activity REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION activity_counts();
CREATE TRIGGER activity_moves AFTER UPDATE ON activity REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION activity_counts();

-- How far each kind of work has come; its row is the lock of that work. `scans`: up to which number they are added.
-- `days`: when today and yesterday were last counted anew. `periods`: when the present week and month were.
CREATE TABLE figure_progress (
    work        text PRIMARY KEY CHECK (work IN ('scans', 'days', 'periods')),
    last_number bigint NOT NULL DEFAULT 0 CHECK (last_number >= 0),
    as_of       timestamptz NOT NULL
);
INSERT INTO figure_progress (work, as_of) VALUES ('scans', '2000-01-01Z'), ('days', '2000-01-01Z'),
    ('periods', '2000-01-01Z');

-- Facts are found by the day on which they happened.
CREATE INDEX comps_paid ON comps (paid_at) WHERE status = 'paid';
CREATE INDEX comps_cancelled ON comps (cancelled_at) WHERE status = 'cancelled';
CREATE INDEX payouts_cancelled ON payouts (state_at) WHERE state = 'CANCELLED';
CREATE INDEX orders_confirmed ON orders (confirmed_at) WHERE confirmed_at IS NOT NULL;
CREATE INDEX guarantees_verified ON guarantees (verified_on);
CREATE INDEX affiliate_earnings_paid ON affiliate_earnings (paid_at) WHERE status = 'paid';
CREATE INDEX affiliate_earnings_earned ON affiliate_earnings (earned_at);
CREATE INDEX affiliate_earnings_cancelled ON affiliate_earnings (cancelled_at) WHERE status = 'cancelled';
CREATE INDEX refunds_recorded ON refunds (recorded_at);
CREATE INDEX chip_moves_moved ON chip_moves (moved_at);
CREATE INDEX vault_moves_happened ON vault_moves (happened_at);
CREATE INDEX wholesale_chips_earned ON wholesale_chips (earned_at);
CREATE INDEX feed_items_happened ON feed_items (happened_at, id);
CREATE INDEX feed_items_kind ON feed_items (kind, happened_at, id);

-- Drops the months of a table that ended before a time; how many.
CREATE FUNCTION drop_months(parent regclass, before timestamptz) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    month   text;
    dropped integer := 0;
BEGIN
    FOR month IN
        SELECT inhrelid::regclass::text FROM pg_inherits
        WHERE inhparent = parent AND inhrelid::regclass::text ~ '_\d{4}_\d\d$'
    LOOP
        IF to_date(right(month, 7), 'YYYY_MM') + interval '1 month' <= before THEN
            EXECUTE format('DROP TABLE %I', month);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN dropped;
END $$;

-- Only the schema's owner may drop a month: these two act with the owner's rights, each on its own table.
CREATE OR REPLACE FUNCTION drop_treasury_snapshots(before timestamptz) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
    SELECT drop_months('treasury_snapshots', before)
$$;
CREATE FUNCTION drop_transparency_metrics(before timestamptz) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
    SELECT drop_months('transparency_metrics', before)
$$;
REVOKE EXECUTE ON FUNCTION drop_months, drop_transparency_metrics FROM PUBLIC;

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_figure_rollups') THEN
        CREATE ROLE blakjaks_figure_rollups NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_figure_rollups;
GRANT SELECT ON figures, metric_days, activity, active_days, figure_progress TO blakjaks_read;

-- figures: what everybody may see.
GRANT SELECT ON figures, award_inputs, trip_places TO blakjaks_figures;
GRANT SELECT (id, amount, status, paid_at, transaction_hash) ON comps TO blakjaks_figures;

-- figure_rollups: figures are worked out of what has happened.
GRANT INSERT, UPDATE ON figures TO blakjaks_figure_rollups;
GRANT INSERT, UPDATE, DELETE ON metric_days TO blakjaks_figure_rollups;
GRANT INSERT, UPDATE (last_day) ON activity TO blakjaks_figure_rollups;
GRANT UPDATE (last_number, as_of) ON figure_progress TO blakjaks_figure_rollups;
GRANT INSERT ON transparency_metrics TO blakjaks_figure_rollups;

-- months: partitions are made and dropped.
GRANT EXECUTE ON FUNCTION drop_transparency_metrics TO blakjaks_months;
