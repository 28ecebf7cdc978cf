-- Whom an affiliate has referred, clicks on referral links, the present week so far, and the program with its end.

INSERT INTO settings (name, value, description) VALUES
    ('affiliate_sunset', '{"volume": 10000000, "days": 3}',
     'How many tins a month close the program of affiliates, and on how many UTC days in a row they must be reached.');

-- ----------------------------------------------------------------------------------------------------------- program
-- While it is open, every new member is an affiliate. `step` is the last judged volume in twentieths of the one that
-- closes it; `full_days` are the days in a row, up to `full_on`, on which it was reached.
CREATE TABLE affiliate_program (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    state      text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'sunset')),
    step       integer NOT NULL DEFAULT 0 CHECK (step >= 0),
    full_on    date,
    full_days  integer NOT NULL DEFAULT 0 CHECK (full_days >= 0),
    checked_at timestamptz,
    sunset_at  timestamptz,
    weights    bigint,                -- the sum of all locked shares
    CONSTRAINT affiliate_program_full CHECK ((full_on IS NULL) = (full_days = 0)),
    CONSTRAINT affiliate_program_sunset CHECK ((state = 'sunset') = (sunset_at IS NOT NULL)
                                               AND (state = 'sunset') = (weights IS NOT NULL))
);
INSERT INTO affiliate_program DEFAULT VALUES;

-- The steps that admins were told of, each once.
CREATE TABLE sunset_notices (
    step    integer PRIMARY KEY CHECK (step BETWEEN 1 AND 20),
    volume  bigint NOT NULL CHECK (volume > 0),
    told_at timestamptz NOT NULL
);
SELECT make_append_only('sunset_notices');

-- By what the weeks after the program's end are shared: the chips that each affiliate had earned in all until then.
CREATE TABLE locked_shares (
    affiliate_id uuid PRIMARY KEY REFERENCES members (id),
    weight       integer NOT NULL CHECK (weight > 0)
);
SELECT make_append_only('locked_shares');

CREATE FUNCTION affiliate_program_is_open() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT state = 'open' FROM affiliate_program
$$;

-- Whoever signed up before the program closed is an affiliate for ever.
CREATE FUNCTION is_affiliate(signed_up_at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(signed_up_at < (SELECT sunset_at FROM affiliate_program), true)
$$;

-- The week is shared by locked shares: it began after the program had closed.
CREATE FUNCTION week_is_locked(week date) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(CAST(week - 7 AS timestamp) AT TIME ZONE 'UTC' > (SELECT sunset_at FROM affiliate_program), false)
$$;

-- The most chips of an affiliate that count in a week; null if all do.
CREATE FUNCTION week_cap(week date, chips_max integer) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN NOT week_is_locked(week) THEN chips_max END
$$;

-- A locked week has the locked shares for chips.
ALTER FUNCTION week_chips(date, bigint, bigint) RENAME TO earned_week_chips;
CREATE FUNCTION week_chips(week date, first_number bigint, last_number bigint)
RETURNS TABLE (affiliate_id uuid, scan_chips integer, brought integer, put_away integer) LANGUAGE sql STABLE AS $$
    SELECT l.affiliate_id, l.weight, 0, 0 FROM locked_shares l JOIN members m ON m.id = l.affiliate_id
    WHERE m.status <> 'deleted' AND week_is_locked(week)
    UNION ALL
    SELECT * FROM earned_week_chips(week, first_number, last_number) WHERE NOT week_is_locked(week)
$$;

-- The chips of each affiliate in all: earned, given and added to the vault, less those of scans that people have refused
-- and those that have expired in the vault.
CREATE FUNCTION lifetime_chips(at timestamptz) RETURNS TABLE (affiliate_id uuid, chips integer) LANGUAGE sql STABLE AS $$
    SELECT affiliate_id, sum(chips)::integer
    FROM (SELECT affiliate_id, earned AS chips FROM chip_counts
          UNION ALL
          SELECT affiliate_id, sum(chips) FROM chip_moves WHERE kind IN ('bonus', 'grant') GROUP BY affiliate_id
          UNION ALL
          SELECT c.affiliate_id, -count(*) FROM affiliate_chips c JOIN flagged_scans f ON f.scan_number = c.scan_number
          WHERE f.status = 'confirmed' GROUP BY c.affiliate_id
          UNION ALL
          SELECT affiliate_id, -sum(chips) FROM vault_moves WHERE kind = 'expire' GROUP BY affiliate_id
          UNION ALL  -- they are expired, and the job has not noted it yet
          SELECT affiliate_id, -sum(left_chips) FROM vault_lots WHERE expires_at <= at AND left_chips > 0
          GROUP BY affiliate_id) counted
    GROUP BY affiliate_id HAVING sum(chips) > 0
$$;

CREATE FUNCTION affiliate_program_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'sunset' AND (NEW.state, NEW.sunset_at, NEW.weights)
       IS DISTINCT FROM (OLD.state, OLD.sunset_at, OLD.weights) THEN
        PERFORM refuse('program_closed', 'the program of affiliates stays closed');
    END IF;
    IF NEW.state = 'sunset' AND OLD.state = 'open' AND (
        NEW.full_days < (SELECT (value ->> 'days')::integer FROM settings WHERE name = 'affiliate_sunset')
        OR NOT EXISTS (SELECT FROM sunset_notices WHERE step = 20)
        OR NEW.weights IS DISTINCT FROM (SELECT coalesce(sum(weight), 0) FROM locked_shares)) THEN
        PERFORM refuse('program_sunset', 'the volume that closes the program of affiliates was not reached long enough');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER affiliate_program_changed BEFORE UPDATE ON affiliate_program
    FOR EACH ROW EXECUTE FUNCTION affiliate_program_changed();

CREATE FUNCTION locked_shares_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT affiliate_program_is_open() THEN
        PERFORM refuse('program_closed', 'shares are locked once, when the program of affiliates closes');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER locked_shares_born AFTER INSERT ON locked_shares FOR EACH STATEMENT EXECUTE FUNCTION locked_shares_born();

-- --------------------------------------------------------------------------------------------------------- referrals
-- A row for each member with a referrer, from the moment at which their address was proved. `tier`, `last_scan_at` and
-- `is_active` (a scan within 30 days) are what referral_refresh last found, so that pages are read by an index alone.
CREATE TABLE referrals (
    referred_id  uuid PRIMARY KEY REFERENCES members (id),
    affiliate_id uuid NOT NULL REFERENCES members (id),
    joined_at    timestamptz NOT NULL,
    tier         tier NOT NULL DEFAULT 'standard',
    last_scan_at timestamptz,
    is_active    boolean NOT NULL DEFAULT false,
    CONSTRAINT referrals_other CHECK (referred_id <> affiliate_id),
    CONSTRAINT referrals_active CHECK (NOT is_active OR last_scan_at IS NOT NULL)
);
CREATE INDEX referrals_page ON referrals (affiliate_id, is_active, tier, joined_at, referred_id);
CREATE INDEX referrals_lapsing ON referrals (last_scan_at) WHERE is_active;

-- Members whose tier has changed otherwise than by a scan, until referral_refresh has seen it.
CREATE TABLE referral_changes (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id uuid NOT NULL REFERENCES members (id)
);
CREATE INDEX referral_changes_member ON referral_changes (member_id);

-- Up to which scan referral_refresh has come, and what the present week has so far: chips by scans up to there, chips
-- that were brought less those put away, and the pool.
CREATE TABLE referral_progress (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    last_number bigint NOT NULL,
    as_of       timestamptz NOT NULL,
    week_on     date,
    scan_chips  bigint NOT NULL DEFAULT 0 CHECK (scan_chips >= 0),
    moved_chips bigint NOT NULL DEFAULT 0,
    pool        micro_usdt NOT NULL DEFAULT 0
);
INSERT INTO referral_progress (last_number, as_of) SELECT value, now() FROM scan_counter;

INSERT INTO referrals (referred_id, affiliate_id, joined_at, tier, last_scan_at, is_active)
SELECT m.id, m.referred_by_id, coalesce(m.email_verified_at, m.created_at),
       greatest(m.permanent_tier, coalesce(q.tier, 'standard')), last.at, coalesce(last.at > now() - interval '30 days', false)
FROM members m
LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = to_char(now() AT TIME ZONE 'UTC', 'YYYY-"Q"Q')
LEFT JOIN LATERAL (SELECT scanned_at AS at FROM scans WHERE member_id = m.id ORDER BY scanned_at DESC LIMIT 1) last ON true
WHERE m.referred_by_id IS NOT NULL AND (m.email_verified_at IS NOT NULL OR EXISTS (SELECT FROM erasures WHERE member_id = m.id));

CREATE FUNCTION referral_joined() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO referrals (referred_id, affiliate_id, joined_at, tier)
    VALUES (NEW.id, NEW.referred_by_id, NEW.email_verified_at, NEW.permanent_tier) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER referral_joined AFTER UPDATE OF email_verified_at ON members FOR EACH ROW
    WHEN (NEW.referred_by_id IS NOT NULL AND NEW.email_verified_at IS NOT NULL AND OLD.email_verified_at IS NULL)
    EXECUTE FUNCTION referral_joined();
CREATE TRIGGER referral_joined_at_once AFTER INSERT ON members FOR EACH ROW
    WHEN (NEW.referred_by_id IS NOT NULL AND NEW.email_verified_at IS NOT NULL) EXECUTE FUNCTION referral_joined();

-- People have taken the credit from the referrer.
CREATE FUNCTION referral_ended() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM referrals WHERE referred_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER referral_ended AFTER UPDATE OF referred_by_id ON members FOR EACH ROW
    WHEN (OLD.referred_by_id IS NOT NULL AND NEW.referred_by_id IS NULL) EXECUTE FUNCTION referral_ended();

-- The tiers of a quarter that scans earn are found by the scans: this adds nothing to a scan.
CREATE FUNCTION referral_tier_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO referral_changes (member_id) SELECT id FROM members WHERE id = NEW.member_id AND referred_by_id IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER referral_tier_changed AFTER INSERT ON tier_history FOR EACH ROW
    WHEN (NEW.kind <> 'earned' OR NEW.is_permanent) EXECUTE FUNCTION referral_tier_changed();

-- Clicks on the links of a member, by the code that the link had (in small letters) and the UTC day.
CREATE TABLE referral_clicks (
    member_id uuid NOT NULL REFERENCES members (id),
    day       date NOT NULL,
    code      text NOT NULL CHECK (code = lower(code) AND length(code) BETWEEN 3 AND 30),
    clicks    integer NOT NULL CHECK (clicks > 0),
    PRIMARY KEY (member_id, day, code)
);

-- ------------------------------------------------------------------------------------------------------------- rights
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['clicks', 'downlines', 'sunset'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_' || name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', 'blakjaks_' || name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', 'blakjaks_' || name);
    END LOOP;
END $$;
GRANT SELECT ON affiliate_program, sunset_notices, locked_shares, referrals, referral_changes, referral_progress,
    referral_clicks TO blakjaks_read;

-- clicks: clicks on referral links are counted.
GRANT INSERT, UPDATE (clicks) ON referral_clicks TO blakjaks_clicks;

-- downlines: what scans and tiers have changed for referrals is noted.
GRANT UPDATE (tier, last_scan_at, is_active) ON referrals TO blakjaks_downlines;
GRANT DELETE ON referral_changes TO blakjaks_downlines;
GRANT UPDATE (last_number, as_of, week_on, scan_chips, moved_chips, pool) ON referral_progress TO blakjaks_downlines;

-- sunset: the volume is judged, and the program closes.
GRANT INSERT ON sunset_notices, locked_shares TO blakjaks_sunset;
GRANT UPDATE (state, step, full_on, full_days, checked_at, sunset_at, weights) ON affiliate_program TO blakjaks_sunset;

-- erasure: clicks name the codes of who leaves.
GRANT SELECT, DELETE ON referral_clicks TO blakjaks_erasure;
