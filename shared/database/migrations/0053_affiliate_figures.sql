-- What admins see of all affiliates at once: figures of each, so that a page of any order is read from an index.
-- referral_refresh alone writes them. What changes them is found by the scans' numbers, or waits in a queue.

-- A row for each member who has ever had a referral, a chip by a scan or an earning that counts. `chips` are all that
-- scans have given, up to referral_progress.last_number, whatever people decided about the scans. `earned` is what
-- GET /v1/affiliate/stats calls earned_lifetime: earnings that wait for no review, and shares of approved weeks that
-- were not given up.
CREATE TABLE affiliate_figures (
    affiliate_id uuid PRIMARY KEY REFERENCES members (id),
    downline     integer NOT NULL DEFAULT 0,
    chips        bigint NOT NULL DEFAULT 0,
    earned       micro_usdt NOT NULL DEFAULT 0
);
CREATE INDEX affiliate_figures_downline ON affiliate_figures (downline, affiliate_id);
CREATE INDEX affiliate_figures_chips ON affiliate_figures (chips, affiliate_id);
CREATE INDEX affiliate_figures_earned ON affiliate_figures (earned, affiliate_id);

-- What is to be added to the figures. Whoever adds it deletes the row in the same transaction, so it is added once.
CREATE TABLE affiliate_figure_changes (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    affiliate_id uuid NOT NULL REFERENCES members (id),
    downline     integer NOT NULL DEFAULT 0,
    earned       micro_usdt NOT NULL DEFAULT 0
);
CREATE INDEX affiliate_figure_changes_affiliate ON affiliate_figure_changes (affiliate_id);

-- Approved weeks whose shares are being added, in portions: those of the affiliates up to `done_affiliate` are.
CREATE TABLE affiliate_figure_weeks (
    week_on        date PRIMARY KEY REFERENCES affiliate_weeks (week_on),
    done_affiliate uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
);

CREATE FUNCTION referral_counts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO affiliate_figure_changes (affiliate_id, downline)
    VALUES (coalesce(NEW.affiliate_id, OLD.affiliate_id), CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END);
    RETURN NULL;
END $$;
CREATE TRIGGER referral_counts AFTER INSERT OR DELETE ON referrals FOR EACH ROW EXECUTE FUNCTION referral_counts();

CREATE FUNCTION earning_counts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO affiliate_figure_changes (affiliate_id, earned)
    VALUES (NEW.affiliate_id, CASE WHEN NEW.status IN ('pending', 'paid') THEN NEW.amount ELSE -NEW.amount END);
    RETURN NULL;
END $$;
CREATE TRIGGER earning_counts AFTER INSERT ON affiliate_earnings FOR EACH ROW
    WHEN (NEW.status IN ('pending', 'paid')) EXECUTE FUNCTION earning_counts();
CREATE TRIGGER earning_counts_now AFTER UPDATE OF status ON affiliate_earnings FOR EACH ROW
    WHEN ((NEW.status IN ('pending', 'paid')) <> (OLD.status IN ('pending', 'paid'))) EXECUTE FUNCTION earning_counts();

CREATE FUNCTION week_counts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO affiliate_figure_weeks (week_on) VALUES (NEW.week_on);
    RETURN NULL;
END $$;
CREATE TRIGGER week_counts AFTER UPDATE OF approved_at ON affiliate_weeks FOR EACH ROW
    WHEN (NEW.approved_at IS NOT NULL AND OLD.approved_at IS NULL) EXECUTE FUNCTION week_counts();

-- Each share of an approved week is added, and each that was given up is taken away: in whatever order, the sum is right.
CREATE FUNCTION share_given_up() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO affiliate_figure_changes (affiliate_id, earned) VALUES (NEW.affiliate_id, -NEW.share);
    RETURN NULL;
END $$;
CREATE TRIGGER share_given_up AFTER UPDATE OF given_up ON affiliate_week_shares FOR EACH ROW
    WHEN (NEW.given_up AND NOT OLD.given_up AND NEW.share > 0) EXECUTE FUNCTION share_given_up();

-- The triggers have locked the tables against changes: what is there now is summed up here, and what comes is noted.
SELECT FROM referral_progress FOR UPDATE;
INSERT INTO affiliate_figures (affiliate_id, downline, chips, earned)
SELECT affiliate_id, sum(downline), sum(chips), sum(earned)
FROM (SELECT affiliate_id, count(*) AS downline, 0 AS chips, 0 AS earned FROM referrals GROUP BY affiliate_id
      UNION ALL
      SELECT affiliate_id, 0, sum(chips), 0 FROM affiliate_chips
      WHERE scan_number <= (SELECT last_number FROM referral_progress) GROUP BY affiliate_id
      UNION ALL
      SELECT affiliate_id, 0, 0, sum(amount) FROM affiliate_earnings
      WHERE status IN ('pending', 'paid') GROUP BY affiliate_id
      UNION ALL
      SELECT affiliate_id, 0, 0, sum(share) FROM affiliate_week_shares JOIN affiliate_weeks USING (week_on)
      WHERE approved_at IS NOT NULL AND NOT given_up AND share > 0 GROUP BY affiliate_id) found
GROUP BY affiliate_id;

-- What admins gave an affiliate is found among any number of matches.
CREATE INDEX affiliate_earnings_manual ON affiliate_earnings (affiliate_id, earned_at, id) WHERE kind = 'manual';

GRANT SELECT ON affiliate_figures, affiliate_figure_changes, affiliate_figure_weeks TO blakjaks_read;

-- downlines: what has changed is added to the figures.
GRANT INSERT, UPDATE (downline, chips, earned) ON affiliate_figures TO blakjaks_downlines;
GRANT UPDATE (done_affiliate), DELETE ON affiliate_figure_weeks TO blakjaks_downlines;
GRANT DELETE ON affiliate_figure_changes TO blakjaks_downlines;

-- Rows of queues are locked before they are deleted, which Postgres allows only to whom may update some column.
GRANT UPDATE (affiliate_id) ON affiliate_figure_changes TO blakjaks_downlines;
GRANT UPDATE (member_id) ON referral_changes TO blakjaks_downlines;
