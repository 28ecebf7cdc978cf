-- The weeks of affiliates: which scans a week has, how its pool is divided by chips, who agreed to it, and what is paid.

INSERT INTO ledger_accounts (name, description) VALUES
    ('week:affiliate', 'What weeks took from the pool of affiliates and have not promised yet.'),
    ('award:affiliate', 'What admins gave affiliates by hand (negative), less what was taken back.');

INSERT INTO settings (name, value, description) VALUES
    ('affiliate_week', '{"chips_max": 1000, "payout_min": "1.00", "approval": "manual", "award_alone_max": "1000.00"}',
     'Most chips of an affiliate that count in a week (the rest is vaulted), the least that is paid, in USDT, whether people approve each week (manual) or only those beyond the day limit (automatic), and the most that one admin gives an affiliate by hand alone.');

-- ------------------------------------------------------------------------------------------------------------- marks
-- A member is published under a mark, another one in each context: nobody can tell whose it is or tie two of them
-- together before the member shows how it was made. docs/affiliates.md has the formula.
CREATE TABLE mark_secrets (
    member_id uuid PRIMARY KEY REFERENCES members (id),
    secret    bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
              CHECK (octet_length(secret) = 32)
);

-- The 32 bytes of a key with each eight of them XORed with `pad`.
CREATE FUNCTION hmac_block(secret bytea, pad bigint) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT int8send(('x' || encode(substr(secret, 1, 8), 'hex'))::bit(64)::bigint # pad)
        || int8send(('x' || encode(substr(secret, 9, 8), 'hex'))::bit(64)::bigint # pad)
        || int8send(('x' || encode(substr(secret, 17, 8), 'hex'))::bit(64)::bigint # pad)
        || int8send(('x' || encode(substr(secret, 25, 8), 'hex'))::bit(64)::bigint # pad)
$$;

-- HMAC-SHA-256 (RFC 2104) under a key of 32 bytes.
CREATE FUNCTION hmac_sha256(secret bytea, message bytea) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT sha256(hmac_block(secret, 6655295901103053916) || decode(repeat('5c', 32), 'hex')
        || sha256(hmac_block(secret, 3906369333256140342) || decode(repeat('36', 32), 'hex') || message))
$$;

CREATE FUNCTION member_mark(secret bytea, context text) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT sha256(hmac_sha256(secret, convert_to(context, 'UTF8')) || sha256('person'::bytea || secret))
$$;

-- ------------------------------------------------------------------------------------------------------------- weeks
-- A week ends on the Sunday `week_on`, 00:00 UTC. It is a range of scan numbers, so that each scan is in one week.
CREATE TABLE affiliate_weeks (
    week_on        date PRIMARY KEY CHECK (extract(isodow FROM week_on) = 7),
    state          text NOT NULL DEFAULT 'opened'
                   CHECK (state IN ('opened', 'counted', 'ready', 'approved', 'requested', 'told', 'completed')),
    outcome        text CHECK (outcome IN ('shared', 'no_pool', 'no_chips')),
    first_number   bigint NOT NULL,
    last_number    bigint NOT NULL,
    pool           micro_usdt NOT NULL CHECK (pool >= 0),
    chips_max      integer NOT NULL CHECK (chips_max > 0),
    payout_min     micro_usdt NOT NULL CHECK (payout_min >= 0),
    chips          bigint,            -- all that count
    affiliates     integer,           -- that have chips
    recipients     integer,           -- that are to be paid at once
    proposed       micro_usdt,        -- to them
    approvals      smallint,          -- that are needed
    digest         bytea CHECK (octet_length(digest) = 32),           -- of the published list of shares
    payment_digest bytea CHECK (octet_length(payment_digest) = 32),   -- of that and of what is to be paid to whom
    done_affiliate uuid,              -- how far the present state's portions have come
    paced_at       timestamptz,       -- the run that asked for payouts last, and what the treasury had asked for in the
    paced          micro_usdt,        -- hour before it and in it
    opened_at      timestamptz NOT NULL,
    ready_at       timestamptz,
    approved_at    timestamptz,
    completed_at   timestamptz,
    CONSTRAINT affiliate_weeks_range CHECK (last_number >= first_number - 1),
    CONSTRAINT affiliate_weeks_counted CHECK (state = 'opened' OR (chips, affiliates, outcome) IS NOT NULL),
    CONSTRAINT affiliate_weeks_ready CHECK (state IN ('opened', 'counted') OR outcome <> 'shared'
        OR (digest, payment_digest, recipients, proposed, approvals, ready_at) IS NOT NULL),
    CONSTRAINT affiliate_weeks_nothing CHECK (outcome IS NULL OR outcome = 'shared' OR state = 'completed'),
    CONSTRAINT affiliate_weeks_approved CHECK (state IN ('opened', 'counted', 'ready') OR outcome <> 'shared'
        OR approved_at IS NOT NULL),
    CONSTRAINT affiliate_weeks_completed CHECK ((state = 'completed') = (completed_at IS NOT NULL))
);
CREATE INDEX affiliate_weeks_open ON affiliate_weeks (week_on) WHERE state <> 'completed';

-- One row for each affiliate with chips: `put_away` were vaulted by hand, `brought` came from the vault or otherwise.
CREATE TABLE affiliate_week_shares (
    week_on      date NOT NULL REFERENCES affiliate_weeks (week_on),
    affiliate_id uuid NOT NULL REFERENCES members (id),
    mark         bytea NOT NULL CHECK (octet_length(mark) = 32),
    scan_chips   integer NOT NULL CHECK (scan_chips >= 0),
    brought      integer NOT NULL CHECK (brought >= 0),
    put_away     integer NOT NULL CHECK (put_away >= 0),
    chips        integer NOT NULL CHECK (chips >= 0),
    overflow     integer NOT NULL CHECK (overflow >= 0),
    share        micro_usdt NOT NULL CHECK (share >= 0),
    settled_at   timestamptz,          -- when it was paid, or given up
    given_up     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (week_on, affiliate_id),
    CONSTRAINT affiliate_week_shares_mark UNIQUE (week_on, mark),
    CONSTRAINT affiliate_week_shares_chips CHECK (chips + overflow = scan_chips + brought - put_away),
    CONSTRAINT affiliate_week_shares_given_up CHECK (NOT given_up OR settled_at IS NOT NULL)
);
CREATE INDEX affiliate_week_shares_affiliate ON affiliate_week_shares (affiliate_id, week_on);
CREATE INDEX affiliate_week_shares_owed ON affiliate_week_shares (affiliate_id) WHERE share > 0 AND settled_at IS NULL;

-- What people decided about a week; `ready_at` names its version, since a rejected week is counted anew. Approvals are of
-- exactly what was shown.
CREATE TABLE affiliate_week_decisions (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    week_on        date NOT NULL REFERENCES affiliate_weeks (week_on),
    ready_at       timestamptz NOT NULL,
    admin_id       uuid NOT NULL REFERENCES members (id),
    verdict        text NOT NULL CHECK (verdict IN ('approve', 'reject', 'hold', 'release')),
    payment_digest bytea NOT NULL,
    reason         text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    decided_at     timestamptz NOT NULL
);
CREATE UNIQUE INDEX affiliate_week_decisions_once ON affiliate_week_decisions (week_on, ready_at, admin_id)
    WHERE verdict = 'approve';
CREATE INDEX affiliate_week_decisions_week ON affiliate_week_decisions (week_on, ready_at, id);
CREATE INDEX affiliate_week_decisions_admin ON affiliate_week_decisions (admin_id);
SELECT make_append_only('affiliate_week_decisions');

CREATE FUNCTION affiliate_week_decided() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM affiliate_weeks WHERE week_on = NEW.week_on AND state = 'ready' AND ready_at = NEW.ready_at
                                   AND payment_digest = NEW.payment_digest FOR SHARE;
    IF NOT FOUND THEN
        PERFORM refuse('week_decision', format('the week of %s is not what was shown', NEW.week_on));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER affiliate_week_decided BEFORE INSERT ON affiliate_week_decisions
    FOR EACH ROW EXECUTE FUNCTION affiliate_week_decided();

-- The approvals of a week as it is now, by people who may still give them.
CREATE FUNCTION week_approvals_given(week affiliate_weeks) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT count(DISTINCT d.admin_id)::integer FROM affiliate_week_decisions d
    JOIN members m ON m.id = d.admin_id AND m.status = 'active' AND m.role IN ('treasury', 'owner')
    WHERE d.week_on = week.week_on AND d.ready_at = week.ready_at AND d.payment_digest = week.payment_digest
      AND d.verdict = 'approve'
$$;

CREATE FUNCTION week_is_rejected(week affiliate_weeks) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM affiliate_week_decisions d
                   WHERE d.week_on = week.week_on AND d.ready_at = week.ready_at AND d.verdict = 'reject')
$$;

-- Somebody has held the week and nobody has released it since: approvals wait.
CREATE FUNCTION week_is_held(week affiliate_weeks) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT d.verdict = 'hold' FROM affiliate_week_decisions d
                     WHERE d.week_on = week.week_on AND d.ready_at = week.ready_at AND d.verdict IN ('hold', 'release')
                     ORDER BY d.id DESC LIMIT 1), false)
$$;

-- What orders that were not shipped at that moment had given the pool of affiliates: they might still be cancelled.
CREATE INDEX orders_unshipped ON orders (confirmed_at) WHERE state IN ('confirmed', 'fulfilled');
CREATE INDEX orders_moved ON orders (state_at) WHERE confirmed_at IS NOT NULL;
CREATE FUNCTION unshipped_affiliate_accruals(at timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(last.affiliate), 0)::bigint
    FROM (SELECT id FROM orders WHERE state IN ('confirmed', 'fulfilled') AND confirmed_at < at
          UNION SELECT id FROM orders WHERE state_at >= at AND confirmed_at < at) unshipped
    CROSS JOIN LATERAL (SELECT affiliate FROM sale_accruals
                        WHERE order_id = unshipped.id AND accrued_at < at ORDER BY sequence DESC LIMIT 1) last
    WHERE NOT EXISTS (SELECT FROM order_events
                      WHERE order_id = unshipped.id AND state IN ('shipped', 'delivered') AND happened_at < at)
$$;
CREATE INDEX ledger_journals_posted ON ledger_journals USING brin (posted_at);  -- they come nearly in this order

-- ------------------------------------------------------------------------------------------------------------- chips
-- Chips of scans that people had not cleared when their week was counted, and that it leaves out. Those of fraud never
-- count; the others wait until they are judged, and count in a later week once they are cleared.
CREATE TABLE withheld_chips (
    scan_number  bigint PRIMARY KEY REFERENCES affiliate_chips (scan_number),
    affiliate_id uuid NOT NULL REFERENCES members (id),
    week_on      date NOT NULL REFERENCES affiliate_weeks (week_on),
    judged_at    timestamptz,
    counts       boolean,
    CONSTRAINT withheld_chips_judged CHECK ((judged_at IS NULL) = (counts IS NULL))
);
CREATE INDEX withheld_chips_waiting ON withheld_chips (scan_number) WHERE judged_at IS NULL;
CREATE INDEX withheld_chips_affiliate ON withheld_chips (affiliate_id);
CREATE INDEX withheld_chips_week ON withheld_chips (week_on);

-- Vaulted chips; each is good for 365 days. What an affiliate has beyond the most that count in a week is vaulted by itself.
CREATE TABLE vault_lots (
    id           uuid PRIMARY KEY,
    affiliate_id uuid NOT NULL REFERENCES members (id),
    kind         text NOT NULL CHECK (kind IN ('manual', 'overflow')),
    week_on      date NOT NULL,
    chips        integer NOT NULL CHECK (chips > 0),
    left_chips   integer NOT NULL,
    vaulted_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    CONSTRAINT vault_lots_left CHECK (left_chips BETWEEN 0 AND chips),
    CONSTRAINT vault_lots_life CHECK (expires_at = vaulted_at + interval '365 days')
);
CREATE UNIQUE INDEX vault_lots_overflow ON vault_lots (affiliate_id, week_on) WHERE kind = 'overflow';
CREATE INDEX vault_lots_affiliate ON vault_lots (affiliate_id, expires_at, id) WHERE left_chips > 0;
CREATE INDEX vault_lots_expiring ON vault_lots (expires_at, id) WHERE left_chips > 0;

-- What is added to a coming week, and taken out of it, beside its scans.
CREATE TABLE chip_moves (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    affiliate_id uuid NOT NULL REFERENCES members (id),
    week_on      date NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('vault', 'withdraw', 'bonus', 'grant', 'cleared', 'carried')),
    chips        integer NOT NULL CHECK (chips > 0),
    source       text NOT NULL,        -- makes it once
    moved_at     timestamptz NOT NULL,
    UNIQUE (kind, source)
);
CREATE INDEX chip_moves_week ON chip_moves (week_on, affiliate_id);
CREATE INDEX chip_moves_affiliate ON chip_moves (affiliate_id, id);
SELECT make_append_only('chip_moves');

-- A week's chips: of its scans, without those that are withheld (while the week is not opened: whose scan is doubted), and
-- what was brought and put away, by affiliate with an account.
CREATE FUNCTION week_chips(week date, first_number bigint, last_number bigint)
RETURNS TABLE (affiliate_id uuid, scan_chips integer, brought integer, put_away integer) LANGUAGE sql STABLE AS $$
    SELECT affiliate_id, coalesce(scanned.chips, 0), coalesce(moved.brought, 0), coalesce(moved.put_away, 0)
    FROM (SELECT c.affiliate_id, count(*)::integer AS chips FROM affiliate_chips c
          WHERE c.scan_number BETWEEN first_number AND last_number
          AND NOT EXISTS (SELECT FROM withheld_chips w WHERE w.scan_number = c.scan_number)
          AND (EXISTS (SELECT FROM affiliate_weeks WHERE week_on = week) OR NOT EXISTS (
               SELECT FROM flagged_scans f WHERE f.scan_number = c.scan_number AND f.status <> 'cleared'))
          GROUP BY c.affiliate_id) scanned
    FULL JOIN (SELECT m.affiliate_id, coalesce(sum(m.chips) FILTER (WHERE m.kind <> 'vault'), 0)::integer AS brought,
                      coalesce(sum(m.chips) FILTER (WHERE m.kind = 'vault'), 0)::integer AS put_away
               FROM chip_moves m WHERE m.week_on = week GROUP BY m.affiliate_id) moved USING (affiliate_id)
    JOIN members ON members.id = affiliate_id AND members.status <> 'deleted'
$$;

-- The week to which a move of now belongs. Between Sunday 00:00 and the opening of the week that ended then there is
-- none: its range is not fixed yet. Whoever opens a week waits for the moves that have asked. A step of the newest week
-- does not hold up the moves of the next one, nor they it: neither changes the key of the row.
CREATE FUNCTION chip_week(at timestamptz) RETURNS date LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    today date := (at AT TIME ZONE 'UTC')::date;
    last_sunday date := today - extract(dow FROM today)::integer;
    newest date;
BEGIN
    SELECT week_on INTO newest FROM affiliate_weeks ORDER BY week_on DESC LIMIT 1 FOR KEY SHARE;
    IF newest < last_sunday THEN
        PERFORM refuse('week_closing', format('the week of %s is not opened yet', last_sunday));
    END IF;
    RETURN greatest(last_sunday, newest) + 7;
END $$;

CREATE FUNCTION chip_move_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.week_on <> chip_week(NEW.moved_at) THEN
        PERFORM refuse('chip_move_week', format('a move of %s is not of the week of %s', NEW.moved_at, NEW.week_on));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER chip_move_born BEFORE INSERT ON chip_moves FOR EACH ROW EXECUTE FUNCTION chip_move_born();

-- ---------------------------------------------------------------------------------------------------------- earnings
-- A match that can no longer be cancelled is taken back by a negative earning.
ALTER TABLE affiliate_earnings
    ALTER COLUMN referred_id DROP NOT NULL,
    ALTER COLUMN value DROP NOT NULL,
    ADD COLUMN reverses_id uuid UNIQUE REFERENCES affiliate_earnings (id),
    ADD COLUMN awarded_by uuid REFERENCES members (id),
    ADD COLUMN agreed_by uuid REFERENCES members (id),
    ADD COLUMN reason text CHECK (length(reason) BETWEEN 1 AND 2000),
    DROP CONSTRAINT affiliate_earnings_kind_check,
    DROP CONSTRAINT affiliate_earnings_amount_check,
    ADD CONSTRAINT affiliate_earnings_kind_check CHECK (kind IN ('prize_match', 'manual', 'reversal')),
    ADD CONSTRAINT affiliate_earnings_amount_check
        CHECK (amount <> 0 AND (amount < 0) = (kind = 'reversal')),
    ADD CONSTRAINT affiliate_earnings_match CHECK ((kind = 'prize_match') = (value IS NOT NULL)),
    ADD CONSTRAINT affiliate_earnings_referred CHECK (kind <> 'prize_match' OR referred_id IS NOT NULL),
    ADD CONSTRAINT affiliate_earnings_manual CHECK ((kind = 'manual') = (awarded_by IS NOT NULL)
                                                    AND (kind <> 'manual' OR reason IS NOT NULL)),
    ADD CONSTRAINT affiliate_earnings_reverses CHECK ((kind = 'reversal') = (reverses_id IS NOT NULL));
CREATE INDEX affiliate_earnings_awarded_by ON affiliate_earnings (awarded_by) WHERE awarded_by IS NOT NULL;
CREATE INDEX affiliate_earnings_agreed_by ON affiliate_earnings (agreed_by) WHERE agreed_by IS NOT NULL;

-- What an admin gives an affiliate by hand: above the bound of one person, a second one agrees; nobody to themselves.
CREATE FUNCTION earning_by_hand() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF profits_from_member(NEW.awarded_by, NEW.affiliate_id) OR profits_from_member(NEW.agreed_by, NEW.affiliate_id)
       OR is_same_person(NEW.awarded_by, NEW.agreed_by) THEN
        PERFORM refuse('earning_own', format('earning %s would profit who decides about it', NEW.id));
    END IF;
    IF NEW.status = 'pending' AND NEW.agreed_by IS NULL AND NEW.amount >
       (SELECT (value ->> 'award_alone_max')::numeric * 1000000 FROM settings WHERE name = 'affiliate_week') THEN
        PERFORM refuse('earning_second_person', format('earning %s waits for a second person', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER earning_by_hand BEFORE INSERT OR UPDATE OF status, agreed_by ON affiliate_earnings FOR EACH ROW
    WHEN (NEW.kind = 'manual' AND NEW.status IN ('in_review', 'pending')) EXECUTE FUNCTION earning_by_hand();

CREATE FUNCTION earning_reverses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM affiliate_earnings WHERE id = NEW.reverses_id AND affiliate_id = NEW.affiliate_id
                                                    AND amount = -NEW.amount AND status <> 'cancelled') THEN
        PERFORM refuse('earning_reverses', format('earning %s takes back another one', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER earning_reverses BEFORE INSERT ON affiliate_earnings FOR EACH ROW
    WHEN (NEW.reverses_id IS NOT NULL) EXECUTE FUNCTION earning_reverses();

-- ----------------------------------------------------------------------------------------------------------- payouts
-- What an affiliate is paid in one transfer: of a week (proposed to people first), or because a wallet was linked.
CREATE TABLE affiliate_payouts (
    id           uuid PRIMARY KEY,
    affiliate_id uuid NOT NULL REFERENCES members (id),
    week_on      date REFERENCES affiliate_weeks (week_on),
    address      text NOT NULL CHECK (address ~ '^0x[0-9A-Fa-f]{40}$'),
    amount       micro_usdt NOT NULL CHECK (amount > 0),
    state        text NOT NULL DEFAULT 'proposed' CHECK (state IN ('proposed', 'requested', 'paid', 'cancelled')),
    payout_id    uuid UNIQUE REFERENCES payouts (id),
    made_at      timestamptz NOT NULL,
    state_at     timestamptz NOT NULL,
    CONSTRAINT affiliate_payouts_requested CHECK (state NOT IN ('requested', 'paid') OR payout_id IS NOT NULL),
    CONSTRAINT affiliate_payouts_proposed CHECK (state <> 'proposed' OR payout_id IS NULL)
);
CREATE UNIQUE INDEX affiliate_payouts_week ON affiliate_payouts (week_on, affiliate_id) WHERE state <> 'cancelled';
CREATE INDEX affiliate_payouts_affiliate ON affiliate_payouts (affiliate_id, made_at, id);
CREATE INDEX affiliate_payouts_open ON affiliate_payouts (week_on, affiliate_id) WHERE state IN ('proposed', 'requested');

-- A payout's parts: shares of weeks, and earnings. A part is in one payout that may still pay it.
CREATE TABLE affiliate_payout_lines (
    payout_id    uuid NOT NULL REFERENCES affiliate_payouts (id),
    affiliate_id uuid NOT NULL,
    share_week   date,
    earning_id   uuid REFERENCES affiliate_earnings (id),
    amount       micro_usdt NOT NULL CHECK (amount <> 0),
    released_at  timestamptz,
    CONSTRAINT affiliate_payout_lines_part CHECK ((share_week IS NULL) <> (earning_id IS NULL)),
    FOREIGN KEY (share_week, affiliate_id) REFERENCES affiliate_week_shares (week_on, affiliate_id)
);
CREATE INDEX affiliate_payout_lines_payout ON affiliate_payout_lines (payout_id);
CREATE UNIQUE INDEX affiliate_payout_lines_share ON affiliate_payout_lines (affiliate_id, share_week)
    WHERE share_week IS NOT NULL AND released_at IS NULL;
CREATE UNIQUE INDEX affiliate_payout_lines_earning ON affiliate_payout_lines (earning_id)
    WHERE earning_id IS NOT NULL AND released_at IS NULL;
CREATE INDEX affiliate_payout_lines_share_all ON affiliate_payout_lines (share_week, affiliate_id);
CREATE INDEX affiliate_payout_lines_earning_all ON affiliate_payout_lines (earning_id);

-- All lines of a payout come in one statement, each of a part that is owed, and sum to its amount. Each is looked up by
-- the key of what it pays: a statement may bring thousands of lines beside any number of others.
CREATE FUNCTION affiliate_lines_fit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM affiliate_earnings
    WHERE id = ANY(ARRAY(SELECT earning_id FROM added WHERE earning_id IS NOT NULL)) ORDER BY id FOR SHARE;
    IF EXISTS (SELECT FROM added WHERE earning_id IS NOT NULL AND amount IS DISTINCT FROM
               (SELECT e.amount FROM affiliate_earnings e
                WHERE e.id = added.earning_id AND e.affiliate_id = added.affiliate_id AND e.status = 'pending'))
       OR EXISTS (SELECT FROM added WHERE share_week IS NOT NULL AND amount IS DISTINCT FROM
                  (SELECT s.share FROM affiliate_week_shares s
                   WHERE s.week_on = added.share_week AND s.affiliate_id = added.affiliate_id
                     AND s.settled_at IS NULL)) THEN
        PERFORM refuse('affiliate_line_owed', 'a line pays what is not owed');
    END IF;
    IF EXISTS (SELECT FROM (SELECT payout_id, affiliate_id, sum(amount) AS amount FROM added
                            GROUP BY payout_id, affiliate_id) whole
               WHERE amount IS DISTINCT FROM
               (SELECT p.amount FROM affiliate_payouts p
                WHERE p.id = whole.payout_id AND p.affiliate_id = whole.affiliate_id AND p.state = 'proposed')) THEN
        PERFORM refuse('affiliate_lines_sum', 'the lines of a payout are not its amount');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER affiliate_lines_fit AFTER INSERT ON affiliate_payout_lines REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION affiliate_lines_fit();

CREATE FUNCTION affiliate_line_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (to_jsonb(NEW) - 'released_at') <> (to_jsonb(OLD) - 'released_at') OR OLD.released_at IS NOT NULL
       OR NOT EXISTS (SELECT FROM affiliate_payouts WHERE id = NEW.payout_id AND state = 'cancelled') THEN
        PERFORM refuse('affiliate_line_stays', format('a line of payout %s is released once, with it', NEW.payout_id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER affiliate_line_changed BEFORE UPDATE ON affiliate_payout_lines
    FOR EACH ROW EXECUTE FUNCTION affiliate_line_changed();

-- What is paid out of a week is what people agreed to: its payouts are requested once the week is approved, and each
-- with the terms that it was proposed with.
CREATE FUNCTION affiliate_payout_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.affiliate_id, NEW.week_on, NEW.address, NEW.amount, NEW.made_at)
       IS DISTINCT FROM (OLD.id, OLD.affiliate_id, OLD.week_on, OLD.address, OLD.amount, OLD.made_at)
       OR (OLD.payout_id IS NOT NULL AND NEW.payout_id <> OLD.payout_id) THEN
        PERFORM refuse('affiliate_payout_terms', format('the terms of payout %s are fixed', OLD.id));
    END IF;
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    IF (OLD.state, NEW.state) NOT IN (('proposed', 'requested'), ('proposed', 'cancelled'), ('requested', 'paid'),
                                      ('requested', 'cancelled')) THEN
        PERFORM refuse('affiliate_payout_transition', format('payout %s: %s to %s', OLD.id, OLD.state, NEW.state));
    END IF;
    IF NEW.state = 'requested' AND (
        NOT EXISTS (SELECT FROM payouts WHERE id = NEW.payout_id AND source_kind = 'affiliate_payout'
                    AND source_id = NEW.id::text AND amount = NEW.amount AND member_id = NEW.affiliate_id
                    AND lower(recipient_address) = lower(NEW.address))
        OR (SELECT sum(amount) FROM affiliate_payout_lines WHERE payout_id = NEW.id) IS DISTINCT FROM NEW.amount) THEN
        PERFORM refuse('affiliate_payout_promised', format('payout %s is promised on other terms', NEW.id));
    END IF;
    IF NEW.state = 'requested' AND NEW.week_on IS NOT NULL AND NOT EXISTS
       (SELECT FROM affiliate_weeks WHERE week_on = NEW.week_on AND state = 'approved') THEN
        PERFORM refuse('affiliate_payout_agreed', format('nobody has agreed to payout %s', NEW.id));
    END IF;
    IF NEW.state = 'paid' AND NOT EXISTS (SELECT FROM payouts WHERE id = NEW.payout_id AND state = 'PAID') THEN
        PERFORM refuse('affiliate_payout_paid', format('payout %s is not paid', NEW.id));
    END IF;
    IF NEW.state = 'cancelled' AND EXISTS (SELECT FROM payouts WHERE id = NEW.payout_id AND state <> 'CANCELLED') THEN
        PERFORM refuse('affiliate_payout_open', format('payout %s may still be paid', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER affiliate_payout_changed BEFORE UPDATE ON affiliate_payouts
    FOR EACH ROW EXECUTE FUNCTION affiliate_payout_changed();

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
       (('in_review', 'pending'), ('in_review', 'cancelled'), ('pending', 'paid'), ('pending', 'cancelled')) THEN
        PERFORM refuse('earning_transition', format('earning %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    IF NEW.status = 'cancelled' AND OLD.status <> 'cancelled' AND EXISTS
       (SELECT FROM affiliate_payout_lines WHERE earning_id = OLD.id AND released_at IS NULL) THEN
        PERFORM refuse('earning_cancelled', format('a payout may pay earning %s: it can only be reversed', OLD.id));
    END IF;
    IF NEW.status = 'cancelled' AND OLD.status <> 'cancelled' AND EXISTS
       (SELECT FROM affiliate_earnings WHERE reverses_id = OLD.id) THEN
        PERFORM refuse('earning_cancelled', format('earning %s was reversed', OLD.id));
    END IF;
    RETURN NEW;
END $$;

-- A payout of affiliates is born for one of these rows only.
CREATE FUNCTION payout_of_affiliate_born() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.source_id !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
        PERFORM refuse('affiliate_payout_known', format('%s is no id of an affiliate payout', NEW.source_id));
    ELSIF NOT EXISTS (SELECT FROM affiliate_payouts WHERE id = NEW.source_id::uuid AND state = 'proposed') THEN
        PERFORM refuse('affiliate_payout_known', format('there is no affiliate payout %s', NEW.source_id));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payout_of_affiliate_born AFTER INSERT ON payouts FOR EACH ROW
    WHEN (NEW.source_kind = 'affiliate_payout') EXECUTE FUNCTION payout_of_affiliate_born();

-- --------------------------------------------------------------------------------------------------- the week's rules
CREATE FUNCTION affiliate_week_born() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before affiliate_weeks%ROWTYPE;
BEGIN
    SELECT * INTO before FROM affiliate_weeks ORDER BY week_on DESC LIMIT 1;
    IF NEW.state <> 'opened' OR (before.week_on IS NOT NULL AND (NEW.week_on, NEW.first_number)
                                 IS DISTINCT FROM (before.week_on + 7, before.last_number + 1)) THEN
        PERFORM refuse('week_follows', format('the week of %s does not follow the one before', NEW.week_on));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER affiliate_week_born BEFORE INSERT ON affiliate_weeks
    FOR EACH ROW EXECUTE FUNCTION affiliate_week_born();

CREATE FUNCTION affiliate_week_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    counted record;
BEGIN
    IF (NEW.week_on, NEW.first_number, NEW.last_number, NEW.pool, NEW.chips_max, NEW.payout_min, NEW.opened_at)
       IS DISTINCT FROM
       (OLD.week_on, OLD.first_number, OLD.last_number, OLD.pool, OLD.chips_max, OLD.payout_min, OLD.opened_at) THEN
        PERFORM refuse('week_terms', format('the range and the pool of the week of %s are fixed', OLD.week_on));
    END IF;
    IF OLD.approved_at IS NOT NULL AND (NEW.approved_at, NEW.ready_at, NEW.digest, NEW.payment_digest, NEW.chips)
       IS DISTINCT FROM (OLD.approved_at, OLD.ready_at, OLD.digest, OLD.payment_digest, OLD.chips) THEN
        PERFORM refuse('week_agreed', format('people have agreed to the week of %s', OLD.week_on));
    END IF;
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    IF (OLD.state, NEW.state) NOT IN
       (('opened', 'counted'), ('counted', 'ready'), ('ready', 'opened'), ('ready', 'approved'),
        ('approved', 'requested'), ('requested', 'told'), ('told', 'completed'), ('opened', 'completed')) THEN
        PERFORM refuse('week_transition', format('week of %s: %s to %s', OLD.week_on, OLD.state, NEW.state));
    END IF;
    IF NEW.state = 'counted' THEN
        SELECT count(*) AS rows, coalesce(sum(chips), 0) AS chips, coalesce(sum(share), 0) AS share INTO counted
        FROM affiliate_week_shares WHERE week_on = NEW.week_on;
        IF (counted.chips, counted.share, counted.rows) IS DISTINCT FROM (NEW.chips, NEW.pool::numeric, NEW.affiliates::bigint) THEN
            PERFORM refuse('week_adds_up', format('the shares of the week of %s are not its pool', OLD.week_on));
        END IF;
    END IF;
    IF NEW.state = 'approved' AND (week_is_rejected(NEW) OR week_is_held(NEW)
                                       OR week_approvals_given(NEW) < NEW.approvals) THEN
        PERFORM refuse('week_approved', format('too few people have agreed to the week of %s', OLD.week_on));
    END IF;
    IF NEW.state = 'approved' AND NOT ledger_has('week:' || NEW.week_on, 'week:affiliate', -NEW.pool) THEN
        PERFORM refuse('week_booked', format('the shares of the week of %s are not promised', OLD.week_on));
    END IF;
    IF NEW.state IN ('requested', 'completed') AND EXISTS (SELECT FROM affiliate_payouts
        WHERE week_on = NEW.week_on AND state = ANY(CASE NEW.state WHEN 'requested' THEN ARRAY['proposed']
                                                    ELSE ARRAY['proposed', 'requested'] END)) THEN
        PERFORM refuse('week_open', format('payouts of the week of %s are open', OLD.week_on));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER affiliate_week_changed BEFORE UPDATE ON affiliate_weeks
    FOR EACH ROW EXECUTE FUNCTION affiliate_week_changed();

CREATE FUNCTION affiliate_week_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse('week_stays', format('the week of %s stays', OLD.week_on));
    RETURN NULL;
END $$;
CREATE TRIGGER affiliate_week_stays BEFORE DELETE ON affiliate_weeks FOR EACH ROW EXECUTE FUNCTION affiliate_week_stays();

-- Shares are made while their week is counted; a rejected week's are made anew. Then only their end is noted.
CREATE FUNCTION affiliate_shares_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM changed JOIN affiliate_weeks USING (week_on) WHERE state <> 'opened') THEN
        PERFORM refuse('week_shares', 'the shares of a week are made while it is counted');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER affiliate_shares_made AFTER INSERT ON affiliate_week_shares REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION affiliate_shares_made();
CREATE TRIGGER affiliate_shares_unmade AFTER DELETE ON affiliate_week_shares REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION affiliate_shares_made();

CREATE FUNCTION affiliate_share_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (to_jsonb(NEW) - 'settled_at' - 'given_up') <> (to_jsonb(OLD) - 'settled_at' - 'given_up')
       OR OLD.settled_at IS NOT NULL THEN
        PERFORM refuse('week_share_terms', format('a share of the week of %s is fixed', OLD.week_on));
    END IF;
    IF NEW.given_up AND EXISTS (SELECT FROM affiliate_payout_lines
        WHERE share_week = NEW.week_on AND affiliate_id = NEW.affiliate_id AND released_at IS NULL) THEN
        PERFORM refuse('week_share_open', format('a payout may pay the share of the week of %s', OLD.week_on));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER affiliate_share_changed BEFORE UPDATE ON affiliate_week_shares
    FOR EACH ROW EXECUTE FUNCTION affiliate_share_changed();

-- The member may be paid now: to a wallet of their own that does not rest.
CREATE FUNCTION affiliate_is_payable(member members, at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT member.status = 'active' AND member.wallet_address IS NOT NULL
       AND (member.wallet_rests_until IS NULL OR member.wallet_rests_until <= at)
       AND NOT EXISTS (SELECT FROM signers WHERE lower(address) = lower(member.wallet_address))
       AND NOT EXISTS (SELECT FROM treasuries WHERE lower(token_address) = lower(member.wallet_address))
$$;

-- The affiliate has approved the week that pays them.
CREATE FUNCTION approved_own_week(payout payouts) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT payout.source_kind = 'affiliate_payout' AND EXISTS (
        SELECT FROM affiliate_payouts p JOIN affiliate_weeks w USING (week_on)
        JOIN affiliate_week_decisions d USING (week_on, ready_at)
        WHERE p.payout_id = payout.id AND d.verdict = 'approve' AND is_same_person(d.admin_id, p.affiliate_id))
$$;

-- People have agreed to the payout with its week: the machine's day limit does not hold it.
CREATE FUNCTION agreed_in_week(payout payouts) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT payout.source_kind = 'affiliate_payout' AND EXISTS (
        SELECT FROM affiliate_payouts p JOIN affiliate_weeks w USING (week_on)
        WHERE p.payout_id = payout.id AND w.approved_at IS NOT NULL) AND NOT approved_own_week(payout)
$$;

-- What people agreed to with a week does not use up the day of what needs no people. (After payout_changed, by its name.)
CREATE FUNCTION payout_of_week() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.counted_on IS DISTINCT FROM OLD.counted_on AND agreed_in_week(NEW) THEN
        NEW.counted_on := OLD.counted_on;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payout_of_week BEFORE UPDATE ON payouts FOR EACH ROW
    WHEN (NEW.source_kind = 'affiliate_payout') EXECUTE FUNCTION payout_of_week();

-- Proposals of a week go with its shares, when it was rejected; also those that were withdrawn before anybody agreed.
CREATE FUNCTION affiliate_proposals_unmade() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM changed LEFT JOIN affiliate_weeks w USING (week_on)
               WHERE w.state IS DISTINCT FROM 'opened' OR changed.payout_id IS NOT NULL
                  OR changed.state NOT IN ('proposed', 'cancelled')) THEN
        PERFORM refuse('affiliate_payout_stays', 'only proposals of a rejected week are removed');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER affiliate_proposals_unmade AFTER DELETE ON affiliate_payouts REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION affiliate_proposals_unmade();

ALTER TABLE wallet_transactions
    DROP CONSTRAINT wallet_transactions_type_check,
    ADD CONSTRAINT wallet_transactions_type_check CHECK (type IN
        ('comp_deposit', 'affiliate_deposit', 'withdrawal', 'oobit_spend', 'external_deposit'));

-- A changed wallet rests before anything is paid to it.
DROP TRIGGER payout_to_resting_wallet ON payouts;
CREATE TRIGGER payout_to_resting_wallet AFTER INSERT ON payouts FOR EACH ROW
    WHEN (NEW.source_kind IN ('comp', 'affiliate_payout')) EXECUTE FUNCTION payout_to_resting_wallet();

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['affiliate_desk', 'weeks', 'week_decisions'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_' || name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', 'blakjaks_' || name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', 'blakjaks_' || name);
    END LOOP;
END $$;
GRANT SELECT ON affiliate_weeks, affiliate_week_shares, affiliate_week_decisions, withheld_chips, chip_moves, vault_lots,
    affiliate_payouts, affiliate_payout_lines TO blakjaks_read;

-- weeks: a week is counted, shared, proposed, promised and told.
GRANT SELECT, INSERT ON mark_secrets TO blakjaks_weeks;
GRANT INSERT, UPDATE ON affiliate_weeks, withheld_chips TO blakjaks_weeks;
GRANT INSERT, DELETE ON affiliate_week_shares, affiliate_payouts, affiliate_payout_lines TO blakjaks_weeks;
GRANT DELETE ON withheld_chips TO blakjaks_weeks;
GRANT UPDATE (settled_at, given_up) ON affiliate_week_shares TO blakjaks_weeks;
GRANT UPDATE (state, state_at, payout_id) ON affiliate_payouts TO blakjaks_weeks;
GRANT UPDATE (released_at) ON affiliate_payout_lines TO blakjaks_weeks;
GRANT INSERT ON chip_moves, vault_lots, payouts, ledger_journals, ledger_postings TO blakjaks_weeks;

-- week_decisions: people agree to a week, or have it counted anew.
GRANT INSERT ON affiliate_week_decisions TO blakjaks_week_decisions;

-- affiliate_desk: people give affiliates money and chips, or take money back.
GRANT INSERT ON affiliate_earnings, chip_moves, ledger_journals, ledger_postings TO blakjaks_affiliate_desk;
GRANT UPDATE (status, agreed_by, cancelled_at) ON affiliate_earnings TO blakjaks_affiliate_desk;

-- awards: what an affiliate is owed is paid when they link a wallet.
GRANT INSERT ON affiliate_payouts, affiliate_payout_lines TO blakjaks_awards;
GRANT UPDATE (state, state_at, payout_id) ON affiliate_payouts TO blakjaks_awards;

-- payouts: what the chain has paid is settled.
GRANT UPDATE (state, state_at) ON affiliate_payouts TO blakjaks_payouts;
GRANT UPDATE (settled_at) ON affiliate_week_shares TO blakjaks_payouts;

-- erasure: shares of who leaves are given up, and nothing published can be tied to them any more.
GRANT INSERT ON ledger_journals, ledger_postings TO blakjaks_erasure;
GRANT UPDATE (state, state_at) ON affiliate_payouts TO blakjaks_erasure;
GRANT UPDATE (released_at) ON affiliate_payout_lines TO blakjaks_erasure;
GRANT UPDATE (settled_at, given_up) ON affiliate_week_shares TO blakjaks_erasure;
GRANT DELETE ON mark_secrets TO blakjaks_erasure;
