-- An award is a function of its scan number: what decides it is kept in numbered revisions that are never changed, and
-- the count itself knows which database it was counted in.

INSERT INTO settings (name, value, description) VALUES
    ('match_percent', '21', 'What an affiliate earns of each comp of a member they referred, in percent of its value.'),
    ('rules_notice', '500', 'For so many scan numbers terms stay as they were after they were made worse.');

-- Number n is ruled by the highest revision whose from_number is not above n. `body` holds the prizes of the count by
-- type, the scans per quarter that earn each tier, the match in percent, and the tins per month that unlock prizes.
CREATE TABLE award_inputs (
    revision    bigint PRIMARY KEY CHECK (revision > 0),
    from_number bigint NOT NULL CHECK (from_number > 0),
    body        jsonb NOT NULL,
    written_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX award_inputs_from ON award_inputs (from_number, revision);
SELECT make_append_only('award_inputs');
REVOKE INSERT ON award_inputs FROM blakjaks_app;

-- What comp_rules, settings and sales_volume say now.
CREATE FUNCTION award_terms() RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'match_percent', (SELECT value FROM settings WHERE name = 'match_percent'),
        'tier_thresholds', (SELECT value FROM settings WHERE name = 'tier_thresholds'),
        'tins_per_month', (SELECT tins_per_month FROM sales_volume),
        'prizes', (SELECT coalesce(jsonb_object_agg(type, jsonb_build_object(
                              'amount', amount, 'enabled', enabled, 'interval', "interval", 'tier', tier,
                              'unlock_volume', unlock_volume, 'unlocked_by_admin', unlocked_by_admin)), '{}')
                   FROM comp_rules WHERE "interval" IS NOT NULL))
$$;

-- Whether somebody could win less, or on fewer numbers.
CREATE FUNCTION prize_is_worse(before jsonb, after jsonb) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce((before ->> 'enabled')::boolean, false) AND (
        after IS NULL
        OR NOT (after ->> 'enabled')::boolean
        OR (before ->> 'interval')::bigint % (after ->> 'interval')::bigint <> 0
        OR (after ->> 'amount')::bigint < (before ->> 'amount')::bigint
        OR (after ->> 'tier')::tier > (before ->> 'tier')::tier
        OR NOT (after ->> 'unlocked_by_admin')::boolean
           AND ((before ->> 'unlocked_by_admin')::boolean
                OR (after ->> 'unlock_volume')::bigint > (before ->> 'unlock_volume')::bigint))
$$;
CREATE FUNCTION thresholds_are_worse(before jsonb, after jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT bool_or((after ->> tier)::bigint > needed::bigint) FROM jsonb_each_text(before) AS was (tier, needed)
$$;

-- `wanted`, but what is worse in it than what was promised stays as promised. The volume is a fact and no promise.
CREATE FUNCTION award_terms_in_notice(promised jsonb, wanted jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT wanted || jsonb_build_object(
        'match_percent', greatest((promised ->> 'match_percent')::integer, (wanted ->> 'match_percent')::integer),
        'tier_thresholds', CASE WHEN thresholds_are_worse(promised -> 'tier_thresholds', wanted -> 'tier_thresholds')
                                THEN promised ELSE wanted END -> 'tier_thresholds',
        'prizes', (SELECT coalesce(jsonb_object_agg(type, CASE WHEN prize_is_worse(was, shall) THEN was ELSE shall END),
                                   '{}')
                   FROM jsonb_each(promised -> 'prizes') AS before (type, was)
                   FULL JOIN jsonb_each(wanted -> 'prizes') AS after (type, shall) USING (type)))
$$;

CREATE FUNCTION award_terms_at(number bigint) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT body FROM award_inputs WHERE from_number <= number ORDER BY revision DESC LIMIT 1
$$;

INSERT INTO award_inputs (revision, from_number, body) SELECT 1, value + 1, award_terms() FROM scan_counter;
ALTER TABLE scan_counter
    ADD COLUMN revision bigint NOT NULL DEFAULT 1 REFERENCES award_inputs (revision),  -- the newest
    ADD COLUMN lineage text;  -- of the database that it counts in; another one after a restore
UPDATE scan_counter SET lineage = database_lineage();
ALTER TABLE scan_counter ALTER COLUMN revision DROP DEFAULT, ALTER COLUMN lineage SET NOT NULL;

-- A number that was given keeps its inputs.
CREATE FUNCTION award_inputs_born() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.from_number <= (SELECT value FROM scan_counter) THEN
        PERFORM refuse('award_inputs_past', format('number %s was given already', NEW.from_number));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER award_inputs_born BEFORE INSERT ON award_inputs FOR EACH ROW EXECUTE FUNCTION award_inputs_born();

-- Writes the revisions that follow from what the tables say now, from the next number on, and from the end of the
-- notice on. Revisions that are still to come are written anew behind them, with what has changed. Nothing is written
-- when nothing has changed.
CREATE FUNCTION keep_award_inputs() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    given bigint;
    newest bigint;
    notice bigint;
    wanted jsonb;
    part record;
    terms jsonb;
    written jsonb;
BEGIN
    SELECT value, revision INTO given, newest FROM scan_counter WHERE only_row FOR NO KEY UPDATE;
    wanted := award_terms();
    notice := (SELECT value::text::bigint FROM settings WHERE name = 'rules_notice');
    FOR part IN
        SELECT starts, award_terms_at(starts) AS promised
        FROM (SELECT given + 1 AS starts
              UNION SELECT given + 1 + notice
              UNION SELECT from_number FROM award_inputs WHERE from_number > given + 1) AS cuts
        ORDER BY starts
    LOOP
        terms := CASE WHEN part.starts > given + notice OR part.promised IS NULL THEN wanted
                      ELSE award_terms_in_notice(part.promised, wanted) END;
        CONTINUE WHEN terms IS NOT DISTINCT FROM coalesce(written, part.promised);
        newest := newest + 1;
        INSERT INTO award_inputs (revision, from_number, body) VALUES (newest, part.starts, terms);
        written := terms;
    END LOOP;
    IF written IS NOT NULL THEN
        UPDATE scan_counter SET revision = newest WHERE only_row;
    END IF;
END $$;

-- Whoever changes the tables waits for the count at the commit, after everything else: nobody who holds the count
-- waits for these rows. While the count is being compared nothing is numbered: let_count_go_on looks at them.
CREATE FUNCTION award_terms_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (SELECT lineage = database_lineage() FROM scan_counter) THEN
        PERFORM keep_award_inputs();
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER award_terms_changed AFTER INSERT OR UPDATE OR DELETE ON comp_rules
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION award_terms_changed();
CREATE CONSTRAINT TRIGGER award_terms_changed AFTER UPDATE ON settings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.name IN ('match_percent', 'tier_thresholds'))
    EXECUTE FUNCTION award_terms_changed();
CREATE CONSTRAINT TRIGGER award_terms_changed AFTER UPDATE ON sales_volume
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.tins_per_month <> OLD.tins_per_month)
    EXECUTE FUNCTION award_terms_changed();

-- The scan number from which a prize's rule holds, when that is still to come.
CREATE FUNCTION prize_holds_from(prize comp_type) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT (SELECT min(a.from_number) FROM award_inputs a
            WHERE a.from_number > c.value + 1 AND award_terms_at(a.from_number) -> 'prizes' -> prize::text = w.rule)
    FROM scan_counter c, (SELECT award_terms() -> 'prizes' -> prize::text AS rule) AS w
    WHERE award_terms_at(c.value + 1) -> 'prizes' -> prize::text <> w.rule
$$;

-- The trips that use up the months' places: from the first number that comes after the trip to the last one before it
-- was cancelled. A trip that a scan won counts from the next number on.
CREATE TABLE trip_places (
    comp_id      uuid PRIMARY KEY REFERENCES comps (id),
    month        date NOT NULL CHECK (month = date_trunc('month', month)),
    from_number  bigint NOT NULL,
    freed_number bigint CHECK (freed_number >= from_number)
);
CREATE INDEX trip_places_month ON trip_places (month);
INSERT INTO trip_places (comp_id, month, from_number, freed_number)
SELECT id, date_trunc('month', awarded_at AT TIME ZONE 'UTC'), coalesce(scan_number, 0) + 1,
       CASE WHEN comps.status = 'cancelled' THEN scan_counter.value + 1 END
FROM comps, scan_counter WHERE type = 'trip';
REVOKE INSERT, UPDATE, DELETE ON trip_places FROM blakjaks_app;

CREATE FUNCTION trip_placed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    given bigint := NEW.scan_number;
BEGIN
    IF given IS NULL OR NEW.status = 'cancelled' THEN
        SELECT value INTO given FROM scan_counter WHERE only_row FOR NO KEY UPDATE;
    END IF;
    INSERT INTO trip_places (comp_id, month, from_number)
    VALUES (NEW.id, date_trunc('month', NEW.awarded_at AT TIME ZONE 'UTC'), given + 1)
    ON CONFLICT (comp_id) DO UPDATE SET freed_number = greatest(trip_places.from_number, EXCLUDED.from_number);
    RETURN NULL;
END $$;
CREATE TRIGGER trip_placed AFTER INSERT ON comps
    FOR EACH ROW WHEN (NEW.type = 'trip') EXECUTE FUNCTION trip_placed();
CREATE TRIGGER trip_freed AFTER UPDATE OF status ON comps
    FOR EACH ROW WHEN (NEW.type = 'trip' AND NEW.status = 'cancelled' AND OLD.status <> 'cancelled')
    EXECUTE FUNCTION trip_placed();

-- When the count was compared with what was published, in a database that is another one than before: the numbers from
-- value_before to value, without the first, may have been given in the lost one and are given to nobody.
CREATE TABLE count_comparisons (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lineage_before  text NOT NULL,
    lineage         text NOT NULL,
    value_before    bigint NOT NULL,
    published       bigint NOT NULL CHECK (published >= 0),
    margin          bigint NOT NULL CHECK (margin >= 0),
    value           bigint NOT NULL CHECK (value = greatest(value_before, published + margin)),
    source          text NOT NULL,
    compared_at     timestamptz NOT NULL
);
SELECT make_append_only('count_comparisons');
REVOKE INSERT ON count_comparisons FROM blakjaks_app;

-- The count goes on above all that may have been given; changes nothing when it was compared already. The value.
CREATE FUNCTION let_count_go_on(published bigint, margin bigint, source text, at timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    counter scan_counter;
    above bigint;
BEGIN
    SELECT * INTO counter FROM scan_counter WHERE only_row FOR NO KEY UPDATE;
    IF counter.lineage = database_lineage() THEN
        RETURN counter.value;
    END IF;
    above := greatest(counter.value, published + margin);
    UPDATE scan_counter SET value = above, lineage = database_lineage() WHERE only_row;
    INSERT INTO count_comparisons (lineage_before, lineage, value_before, published, margin, value, source, compared_at)
    VALUES (counter.lineage, database_lineage(), counter.value, published, margin, above, source, at);
    PERFORM keep_award_inputs();
    RETURN above;
END $$;

-- For whoever is about to take numbers, before any lock.
CREATE FUNCTION require_compared_count() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT lineage <> database_lineage() FROM scan_counter) THEN
        PERFORM refuse('count_compared', 'the count of this database has not been compared with what was published');
    END IF;
END $$;

-- A match is paid at the rate that was promised with the scan's number.
ALTER TABLE affiliate_earnings
    ADD COLUMN percent integer NOT NULL DEFAULT 21 CHECK (percent BETWEEN 1 AND 100),
    DROP CONSTRAINT affiliate_earnings_check2,  -- that of 21 %
    ADD CONSTRAINT affiliate_earnings_rate CHECK (kind <> 'prize_match' OR amount = value * percent / 100);

-- Whoever holds the count waits for nobody: what belongs to a row that somebody else has locked at that moment is left
-- here, and added by the next one who has the row. Readers add both.
CREATE TABLE late_counts (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind      text NOT NULL CHECK (kind IN ('unread', 'chips')),
    member_id uuid NOT NULL REFERENCES members (id),
    change    integer NOT NULL
);
CREATE INDEX late_counts_member ON late_counts (member_id, kind);

-- For one member at a time: joined to many rows, the views would add up everybody's.
CREATE VIEW inbox_counts AS
    SELECT member_id, sum(unread)::integer AS unread, max(all_read_at) AS all_read_at, sum(revision)::bigint AS revision
    FROM (SELECT member_id, unread, all_read_at, revision FROM inboxes
          UNION ALL SELECT member_id, change, NULL, 1 FROM late_counts WHERE kind = 'unread') AS counts
    GROUP BY member_id;
CREATE VIEW chip_counts AS
    SELECT affiliate_id, sum(earned)::bigint AS earned
    FROM (SELECT affiliate_id, earned FROM chip_balances
          UNION ALL SELECT member_id, change FROM late_counts WHERE kind = 'chips') AS counts
    GROUP BY affiliate_id;

-- Balances in shards. A transaction keeps to that of its first journal as long as nobody else has it locked; else a
-- posting takes any that is free, or one of its connection's own. So nobody waits for a row that is there.
CREATE OR REPLACE FUNCTION ledger_posting_kept() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    own_shard text := current_setting('ledger.shard', true);
    forced_shard text := nullif(current_setting('ledger.forced_shard', true), '');  -- by a benchmark
    free_shard integer;
BEGIN
    IF (SELECT written_by FROM ledger_journals WHERE id = NEW.journal_id) <> pg_current_xact_id() THEN
        PERFORM refuse('I12_append_only', format('journal %s is closed', NEW.journal_id));
    END IF;
    IF coalesce(own_shard, '') = '' THEN
        own_shard := set_config('ledger.shard', (NEW.journal_id % 16)::text, true);
    END IF;
    free_shard := coalesce(forced_shard, own_shard)::integer;
    IF forced_shard IS NULL AND EXISTS
       (SELECT FROM ledger_balances WHERE account = NEW.account AND shard = free_shard) THEN
        SELECT shard INTO free_shard FROM ledger_balances WHERE account = NEW.account
        ORDER BY shard <> own_shard::smallint, shard LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
        free_shard := coalesce(free_shard, 16 + pg_backend_pid() % 16384);
    END IF;
    INSERT INTO ledger_balances AS kept (account, shard, balance)
    VALUES (NEW.account, free_shard, NEW.amount)
    ON CONFLICT (account, shard) DO UPDATE SET balance = kept.balance + EXCLUDED.balance;
    RETURN NULL;
END $$;
