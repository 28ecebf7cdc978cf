-- Referrals in which referrer and referred seem to be one person, or a ring: people look at them, and what the affiliate
-- earns by them waits meanwhile (docs/affiliates.md, "Rings").

-- ------------------------------------------------------------------------------------------------------------- reviews
-- `signals` is a list of {kind, member_id, points}; `score` is what their points come to, of 100. A pair that was cleared
-- is looked at once more when there are new signals: so there is one review at most that is not cleared.
CREATE TABLE referral_reviews (
    id           uuid PRIMARY KEY,
    referred_id  uuid NOT NULL REFERENCES members (id),
    affiliate_id uuid NOT NULL REFERENCES members (id),
    score        integer NOT NULL CHECK (score BETWEEN 1 AND 100),
    signals      jsonb NOT NULL CHECK (jsonb_array_length(signals) > 0),
    status       text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'cleared', 'confirmed')),
    found_at     timestamptz NOT NULL,
    decided_at   timestamptz,
    decided_by   uuid REFERENCES members (id),
    note         text CHECK (length(note) BETWEEN 1 AND 2000),
    CONSTRAINT referral_reviews_pair CHECK (referred_id <> affiliate_id),
    CONSTRAINT referral_reviews_decided CHECK (CASE status WHEN 'open' THEN num_nonnulls(decided_at, decided_by, note) = 0
                                               ELSE num_nulls(decided_at, decided_by, note) = 0 END)
);
CREATE UNIQUE INDEX referral_reviews_withholds ON referral_reviews (referred_id) WHERE status <> 'cleared';
CREATE INDEX referral_reviews_referred ON referral_reviews (referred_id);
CREATE INDEX referral_reviews_affiliate ON referral_reviews (affiliate_id);
CREATE INDEX referral_reviews_decided_by ON referral_reviews (decided_by) WHERE decided_by IS NOT NULL;
CREATE INDEX referral_reviews_newest ON referral_reviews (found_at DESC, id DESC);
CREATE INDEX referral_reviews_status ON referral_reviews (status, found_at DESC, id DESC);

CREATE FUNCTION referral_review_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> 'open' OR (NEW.id, NEW.referred_id, NEW.affiliate_id, NEW.found_at)
       IS DISTINCT FROM (OLD.id, OLD.referred_id, OLD.affiliate_id, OLD.found_at) THEN
        PERFORM refuse('referral_review_decided', format('referral review %s is decided once', OLD.id));
    END IF;
    IF profits_from_member(NEW.decided_by, NEW.referred_id) OR is_same_person(NEW.decided_by, NEW.affiliate_id) THEN
        PERFORM refuse('own_interest', format('who decides about referral review %s would profit', OLD.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER referral_review_changed BEFORE UPDATE ON referral_reviews
    FOR EACH ROW EXECUTE FUNCTION referral_review_changed();
CREATE TRIGGER never_deleted BEFORE DELETE ON referral_reviews FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();

-- ------------------------------------------------------------------------------------------------------------- queue
-- Members with something new that tells people apart, until referral_refresh has looked at it: they were referred, have
-- signed in on a device for the first time, or have linked a wallet for the first time.
CREATE TABLE referral_checks (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id uuid NOT NULL REFERENCES members (id)
);
CREATE INDEX referral_checks_member ON referral_checks (member_id);
INSERT INTO referral_checks (member_id) SELECT referred_id FROM referrals ORDER BY joined_at, referred_id;

CREATE INDEX sessions_device ON sessions (device_id, member_id) WHERE device_id IS NOT NULL;

-- Only who was referred, or has referred somebody, is looked at.
CREATE FUNCTION check_referrals_of(member uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO referral_checks (member_id)
    SELECT member WHERE EXISTS (SELECT FROM referrals WHERE referred_id = member)
                     OR EXISTS (SELECT FROM referrals WHERE affiliate_id = member)
$$;
REVOKE EXECUTE ON FUNCTION check_referrals_of(uuid) FROM PUBLIC;

CREATE FUNCTION referral_to_check() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO referral_checks (member_id) VALUES (NEW.referred_id);
    RETURN NULL;
END $$;
CREATE TRIGGER referral_to_check AFTER INSERT ON referrals FOR EACH ROW EXECUTE FUNCTION referral_to_check();

CREATE FUNCTION device_to_check() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM sessions
                   WHERE device_id = NEW.device_id AND member_id = NEW.member_id AND id <> NEW.id) THEN
        PERFORM check_referrals_of(NEW.member_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER device_to_check AFTER INSERT ON sessions FOR EACH ROW WHEN (NEW.device_id IS NOT NULL)
    EXECUTE FUNCTION device_to_check();

CREATE FUNCTION wallet_to_check() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM check_referrals_of(NEW.member_id);
    RETURN NULL;
END $$;
CREATE TRIGGER wallet_to_check AFTER INSERT ON member_wallets FOR EACH ROW EXECUTE FUNCTION wallet_to_check();

-- ------------------------------------------------------------------------------------------------------------- chips
-- The scans of a range of numbers that people doubt or have confirmed as fraud: the scan itself, or the referral of its
-- member. One that is confirmed in either way is confirmed (the first of both words).
CREATE FUNCTION doubted_scans(first_number bigint, last_number bigint)
RETURNS TABLE (scan_number bigint, member_id uuid, status text) LANGUAGE sql STABLE AS $$
    SELECT scan_number, member_id, min(status)
    FROM (SELECT f.scan_number, f.member_id, f.status FROM flagged_scans f
          WHERE f.status <> 'cleared' AND f.scan_number BETWEEN first_number AND last_number
          UNION ALL
          SELECT s.number, s.member_id, r.status FROM referral_reviews r JOIN scans s ON s.member_id = r.referred_id
          WHERE r.status <> 'cleared' AND s.number BETWEEN first_number AND last_number) doubts
    GROUP BY scan_number, member_id
$$;

-- Whose scan it was: a review of the referral withholds it too.
ALTER TABLE withheld_chips ADD COLUMN referred_id uuid REFERENCES members (id);
UPDATE withheld_chips w SET referred_id = f.member_id FROM flagged_scans f WHERE f.scan_number = w.scan_number;
ALTER TABLE withheld_chips ALTER COLUMN referred_id SET NOT NULL;
CREATE INDEX withheld_chips_referred ON withheld_chips (referred_id);

CREATE OR REPLACE FUNCTION earned_week_chips(week date, first_number bigint, last_number bigint)
RETURNS TABLE (affiliate_id uuid, scan_chips integer, brought integer, put_away integer) LANGUAGE sql STABLE AS $$
    SELECT affiliate_id, coalesce(scanned.chips, 0), coalesce(moved.brought, 0), coalesce(moved.put_away, 0)
    FROM (SELECT c.affiliate_id, count(*)::integer AS chips
          FROM affiliate_chips c LEFT JOIN doubted_scans(first_number, last_number) d USING (scan_number)
          WHERE c.scan_number BETWEEN first_number AND last_number
          AND NOT EXISTS (SELECT FROM withheld_chips w WHERE w.scan_number = c.scan_number)
          AND (d.scan_number IS NULL OR EXISTS (SELECT FROM affiliate_weeks WHERE week_on = week))
          GROUP BY c.affiliate_id) scanned
    FULL JOIN (SELECT m.affiliate_id, coalesce(sum(m.chips) FILTER (WHERE m.kind <> 'vault'), 0)::integer AS brought,
                      coalesce(sum(m.chips) FILTER (WHERE m.kind = 'vault'), 0)::integer AS put_away
               FROM chip_moves m WHERE m.week_on = week GROUP BY m.affiliate_id) moved USING (affiliate_id)
    JOIN members ON members.id = affiliate_id AND members.status <> 'deleted'
$$;

CREATE OR REPLACE FUNCTION uncounted_chips(affiliate uuid, before timestamptz)
RETURNS TABLE (scan_chips integer, doubted integer, brought integer, put_away integer)
LANGUAGE sql STABLE SET timezone = 'UTC' AS $$
    WITH newest AS (
        SELECT coalesce(max(week_on), '-infinity'::date) AS week_on, coalesce(max(last_number), 0) AS last_number
        FROM (SELECT week_on, last_number FROM affiliate_weeks ORDER BY week_on DESC LIMIT 1) week
    ), reviewed AS (
        SELECT s.number AS scan_number, r.status
        FROM newest, referral_reviews r JOIN scans s ON s.member_id = r.referred_id
        WHERE r.affiliate_id = affiliate AND r.status <> 'cleared' AND s.number > newest.last_number
    ), scanned AS (
        SELECT count(*) FILTER (WHERE coalesce(f.status, 'cleared') = 'cleared' AND r.status IS NULL)::integer AS chips,
               count(*) FILTER (WHERE 'open' IN (f.status, r.status)
                                  AND ('confirmed' IN (f.status, r.status)) IS NOT TRUE)::integer AS doubted
        FROM newest, affiliate_chips c LEFT JOIN flagged_scans f USING (scan_number)
        LEFT JOIN reviewed r USING (scan_number)
        WHERE c.affiliate_id = affiliate AND c.scan_number > newest.last_number AND c.earned_at < before
          AND c.earned_at >= newest.week_on::timestamptz - interval '1 hour'
    ), moved AS (
        SELECT coalesce(sum(m.chips) FILTER (WHERE m.kind <> 'vault'), 0)::integer AS brought,
               coalesce(sum(m.chips) FILTER (WHERE m.kind = 'vault'), 0)::integer AS put_away
        FROM newest, chip_moves m WHERE m.affiliate_id = affiliate AND m.week_on > newest.week_on
    )
    SELECT scanned.chips, scanned.doubted, moved.brought, moved.put_away FROM scanned, moved
$$;

-- Chips that a week had counted before the referral was confirmed as fraud stay.
CREATE OR REPLACE FUNCTION lifetime_chips(at timestamptz) RETURNS TABLE (affiliate_id uuid, chips integer)
LANGUAGE sql STABLE AS $$
    SELECT affiliate_id, sum(chips)::integer
    FROM (SELECT affiliate_id, earned AS chips FROM chip_counts
          UNION ALL
          SELECT affiliate_id, sum(chips) FROM chip_moves WHERE kind IN ('bonus', 'grant') GROUP BY affiliate_id
          UNION ALL
          SELECT c.affiliate_id, -count(*) FROM affiliate_chips c JOIN flagged_scans f ON f.scan_number = c.scan_number
          WHERE f.status = 'confirmed' GROUP BY c.affiliate_id
          UNION ALL
          SELECT c.affiliate_id, -count(*)
          FROM referral_reviews r JOIN scans s ON s.member_id = r.referred_id
          JOIN affiliate_chips c ON c.scan_number = s.number
          LEFT JOIN flagged_scans f ON f.scan_number = s.number
          LEFT JOIN withheld_chips w ON w.scan_number = s.number
          WHERE r.status = 'confirmed' AND f.status IS DISTINCT FROM 'confirmed'
            AND (s.number > (SELECT coalesce(max(last_number), 0) FROM affiliate_weeks)
                 OR (w.scan_number IS NOT NULL AND w.counts IS NOT TRUE))
          GROUP BY c.affiliate_id
          UNION ALL
          SELECT affiliate_id, -sum(chips) FROM vault_moves WHERE kind = 'expire' GROUP BY affiliate_id
          UNION ALL  -- they are expired, and the job has not noted it yet
          SELECT affiliate_id, -sum(left_chips) FROM vault_lots WHERE expires_at <= at AND left_chips > 0
          GROUP BY affiliate_id) counted
    GROUP BY affiliate_id HAVING sum(chips) > 0
$$;

-- ------------------------------------------------------------------------------------------------------------ matches
CREATE INDEX affiliate_earnings_owed_match ON affiliate_earnings (referred_id)
    WHERE kind = 'prize_match' AND status = 'pending';
CREATE INDEX affiliate_earnings_match_in_review ON affiliate_earnings (referred_id)
    WHERE kind = 'prize_match' AND status = 'in_review';

-- A match that no payout may pay waits again while people look at the referral.
CREATE OR REPLACE FUNCTION affiliate_earning_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.affiliate_id, NEW.referred_id, NEW.kind, NEW.comp_id, NEW.value, NEW.percent, NEW.amount,
        NEW.earned_at, NEW.reverses_id, NEW.awarded_by, NEW.reason)
       IS DISTINCT FROM
       (OLD.id, OLD.affiliate_id, OLD.referred_id, OLD.kind, OLD.comp_id, OLD.value, OLD.percent, OLD.amount,
        OLD.earned_at, OLD.reverses_id, OLD.awarded_by, OLD.reason)
       OR (OLD.agreed_by IS NOT NULL AND NEW.agreed_by IS DISTINCT FROM OLD.agreed_by) THEN
        PERFORM refuse('earning_terms', format('the terms of earning %s are fixed', OLD.id));
    END IF;
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN
       (('in_review', 'pending'), ('in_review', 'cancelled'), ('pending', 'paid'), ('pending', 'cancelled'),
        ('pending', 'in_review')) THEN
        PERFORM refuse('earning_transition', format('earning %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    IF (OLD.status, NEW.status) = ('pending', 'in_review') AND NOT EXISTS
       (SELECT FROM referral_reviews WHERE referred_id = OLD.referred_id AND status = 'open') THEN
        PERFORM refuse('earning_transition', format('nobody looks at the referral of earning %s', OLD.id));
    END IF;
    IF NEW.status IN ('cancelled', 'in_review') AND NEW.status <> OLD.status AND EXISTS
       (SELECT FROM affiliate_payout_lines WHERE earning_id = OLD.id AND released_at IS NULL) THEN
        PERFORM refuse('earning_cancelled', format('a payout may pay earning %s: it can only be reversed', OLD.id));
    END IF;
    IF NEW.status IN ('cancelled', 'in_review') AND NEW.status <> OLD.status AND EXISTS
       (SELECT FROM affiliate_earnings WHERE reverses_id = OLD.id) THEN
        PERFORM refuse('earning_cancelled', format('earning %s was reversed', OLD.id));
    END IF;
    RETURN NEW;
END $$;

-- ------------------------------------------------------------------------------------------------------------- rights
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_referral_reviews') THEN
        CREATE ROLE blakjaks_referral_reviews NOLOGIN;
    END IF;
    GRANT USAGE ON SCHEMA public TO blakjaks_referral_reviews;
END $$;
GRANT SELECT ON referral_reviews, referral_checks TO blakjaks_read;

-- referral_reviews: rings are found, and what people decided is done.
GRANT INSERT ON referral_reviews TO blakjaks_referral_reviews;
GRANT UPDATE (score, signals) ON referral_reviews TO blakjaks_referral_reviews;
GRANT UPDATE, DELETE ON referral_checks TO blakjaks_referral_reviews;  -- who locks a row needs a right to change it
GRANT UPDATE (status, cancelled_at) ON affiliate_earnings TO blakjaks_referral_reviews;
GRANT INSERT ON affiliate_earnings, ledger_journals, ledger_postings TO blakjaks_referral_reviews;

-- downlines: tiers on their way to referrals are taken from their queue.
GRANT UPDATE ON referral_changes TO blakjaks_downlines;

-- affiliate_desk: people decide about referrals.
GRANT UPDATE (status, decided_at, decided_by, note) ON referral_reviews TO blakjaks_affiliate_desk;
