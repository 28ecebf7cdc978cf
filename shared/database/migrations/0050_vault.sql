-- The vault: chips that members put away and take back, what becomes of them in time, and the bonus for what stays.

-- A row for everybody who has ever vaulted chips: whoever vaults or withdraws locks it. Scans and weeks do not touch it.
CREATE TABLE chip_vaults (
    affiliate_id uuid PRIMARY KEY REFERENCES members (id),
    opened_at    timestamptz NOT NULL   -- when the first chips came
);
CREATE INDEX chip_vaults_opened ON chip_vaults (opened_at);

-- What came into lots and what left them; triggers keep `vault_lots.left_chips` by these.
CREATE TABLE vault_moves (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    affiliate_id uuid NOT NULL REFERENCES members (id),
    lot_id       uuid NOT NULL REFERENCES vault_lots (id),
    kind         text NOT NULL CHECK (kind IN ('vault', 'overflow', 'withdraw', 'expire', 'return')),
    chips        integer NOT NULL CHECK (chips > 0),
    happened_at  timestamptz NOT NULL   -- an overflow happens when its week ends, and chips expire at the lot's end,
                                        -- whenever it is recorded
);
CREATE INDEX vault_moves_affiliate ON vault_moves (affiliate_id, happened_at, id);
CREATE INDEX vault_moves_lot ON vault_moves (lot_id);
CREATE UNIQUE INDEX vault_moves_made ON vault_moves (lot_id) WHERE kind IN ('vault', 'overflow');
CREATE UNIQUE INDEX vault_moves_expired ON vault_moves (lot_id) WHERE kind = 'expire';
SELECT make_append_only('vault_moves');

-- That the owner of a lot was told of its end, so many days before.
CREATE TABLE vault_warnings (
    lot_id    uuid NOT NULL REFERENCES vault_lots (id),
    days      smallint NOT NULL CHECK (days IN (30, 7)),
    warned_at timestamptz NOT NULL,
    PRIMARY KEY (lot_id, days)
);
SELECT make_append_only('vault_warnings');

-- The months whose bonus is given or being given, and how far that is.
CREATE TABLE vault_months (
    month          date PRIMARY KEY CHECK (extract(day FROM month) = 1),
    done_affiliate uuid,
    finished_at    timestamptz
);

CREATE INDEX vault_lots_owner ON vault_lots (affiliate_id, id);

-- What a week proposes is summed and taken back by its week.
CREATE INDEX affiliate_payouts_of_week ON affiliate_payouts (week_on, affiliate_id);

-- The history of a member's chips is read in the order of time.
CREATE INDEX chip_moves_time ON chip_moves (affiliate_id, moved_at, id);

-- An affiliate's chips that no week has counted: of scans that nobody doubts, of scans that people have not judged yet,
-- and what was brought and put away. They are those of the present week, and between Sunday 00:00 and the opening of
-- the week that ended then those of that week too. (A scan that is committed late belongs to the next week: one hour.)
CREATE FUNCTION uncounted_chips(affiliate uuid, before timestamptz)
RETURNS TABLE (scan_chips integer, doubted integer, brought integer, put_away integer)
LANGUAGE sql STABLE SET timezone = 'UTC' AS $$
    WITH newest AS (
        SELECT coalesce(max(week_on), '-infinity'::date) AS week_on, coalesce(max(last_number), 0) AS last_number
        FROM (SELECT week_on, last_number FROM affiliate_weeks ORDER BY week_on DESC LIMIT 1) week
    ), scanned AS (
        SELECT count(*) FILTER (WHERE coalesce(f.status, 'cleared') = 'cleared')::integer AS chips,
               count(*) FILTER (WHERE f.status = 'open')::integer AS doubted
        FROM newest, affiliate_chips c LEFT JOIN flagged_scans f USING (scan_number)
        WHERE c.affiliate_id = affiliate AND c.scan_number > newest.last_number AND c.earned_at < before
          AND c.earned_at >= newest.week_on::timestamptz - interval '1 hour'
    ), moved AS (
        SELECT coalesce(sum(m.chips) FILTER (WHERE m.kind <> 'vault'), 0)::integer AS brought,
               coalesce(sum(m.chips) FILTER (WHERE m.kind = 'vault'), 0)::integer AS put_away
        FROM newest, chip_moves m WHERE m.affiliate_id = affiliate AND m.week_on > newest.week_on
    )
    SELECT scanned.chips, scanned.doubted, moved.brought, moved.put_away FROM scanned, moved
$$;

-- Locks the vault of an affiliate for a move of now, and returns the week of the move. The week's row comes first: whoever
-- opens a week waits for the moves that have asked for theirs.
CREATE FUNCTION lock_vault(affiliate uuid, at timestamptz) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    week date := chip_week(at);
BEGIN
    INSERT INTO chip_vaults (affiliate_id, opened_at) VALUES (affiliate, at) ON CONFLICT DO NOTHING;
    PERFORM FROM chip_vaults WHERE affiliate_id = affiliate FOR NO KEY UPDATE;
    RETURN week;
END $$;
REVOKE EXECUTE ON FUNCTION lock_vault(uuid, timestamptz) FROM PUBLIC;

-- Chips are vaulted by hand out of the week's own scans, each of them once.
CREATE FUNCTION vault_lot_made() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    uncounted record;
BEGIN
    IF NEW.week_on <> lock_vault(NEW.affiliate_id, NEW.vaulted_at) THEN
        PERFORM refuse('chip_move_week', format('lot %s is not of the week of %s', NEW.id, NEW.week_on));
    END IF;
    INSERT INTO chip_moves (affiliate_id, week_on, kind, chips, source, moved_at)
    VALUES (NEW.affiliate_id, NEW.week_on, 'vault', NEW.chips, NEW.id::text, NEW.vaulted_at);
    SELECT * INTO uncounted
    FROM uncounted_chips(NEW.affiliate_id, NEW.week_on::timestamp AT TIME ZONE 'UTC');
    IF uncounted.scan_chips < uncounted.put_away THEN
        PERFORM refuse('vault_chips', format('lot %s has more chips than the week gave', NEW.id));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER vault_lot_made AFTER INSERT ON vault_lots FOR EACH ROW WHEN (NEW.kind = 'manual')
    EXECUTE FUNCTION vault_lot_made();

CREATE FUNCTION vault_lots_made() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM added WHERE left_chips <> chips) THEN
        PERFORM refuse('vault_lot_left', 'a new lot is whole');
    END IF;
    INSERT INTO chip_vaults (affiliate_id, opened_at)
    SELECT affiliate_id, min(vaulted_at) FROM added GROUP BY affiliate_id ORDER BY affiliate_id ON CONFLICT DO NOTHING;
    INSERT INTO vault_moves (affiliate_id, lot_id, kind, chips, happened_at)
    SELECT affiliate_id, id, CASE kind WHEN 'manual' THEN 'vault' ELSE kind END, chips, vaulted_at FROM added;
    RETURN NULL;
END $$;
CREATE TRIGGER vault_lots_made AFTER INSERT ON vault_lots REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION vault_lots_made();

-- Chips leave a lot while it is good, for the present week; what is left expires at its end. The lot's own terms stay.
CREATE FUNCTION vault_move_made() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE vault_lots SET left_chips = left_chips - NEW.chips
    WHERE id = NEW.lot_id AND affiliate_id = NEW.affiliate_id AND CASE NEW.kind
        WHEN 'withdraw' THEN vaulted_at <= NEW.happened_at AND NEW.happened_at < expires_at
        WHEN 'return' THEN vaulted_at < NEW.happened_at
        ELSE NEW.happened_at = expires_at AND NEW.chips = left_chips END;
    IF NOT FOUND THEN
        PERFORM refuse('vault_move', format('chips of lot %s cannot %s', NEW.lot_id, NEW.kind));
    END IF;
    IF NEW.kind = 'withdraw' THEN
        INSERT INTO chip_moves (affiliate_id, week_on, kind, chips, source, moved_at)
        VALUES (NEW.affiliate_id, chip_week(NEW.happened_at), 'withdraw', NEW.chips, NEW.id::text, NEW.happened_at);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER vault_move_made AFTER INSERT ON vault_moves FOR EACH ROW
    WHEN (NEW.kind IN ('withdraw', 'expire', 'return')) EXECUTE FUNCTION vault_move_made();

CREATE FUNCTION vault_lot_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (to_jsonb(NEW) - 'left_chips') <> (to_jsonb(OLD) - 'left_chips')
       OR NEW.left_chips <> NEW.chips - (SELECT coalesce(sum(chips), 0) FROM vault_moves
                                         WHERE lot_id = NEW.id AND kind IN ('withdraw', 'expire', 'return')) THEN
        PERFORM refuse('vault_lot_left', format('what is left of lot %s is what no move has taken', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER vault_lot_changed BEFORE UPDATE ON vault_lots FOR EACH ROW EXECUTE FUNCTION vault_lot_changed();

-- A scan may be doubted after its chip was vaulted. Then the chip returns from the vault to its week, when that is counted:
-- there it waits for people with its scan, and what was put away is again no more than there is. If a week that people
-- have rejected is counted anew, the vault may be empty by then: the present week has those chips, and gives them back.
ALTER TABLE chip_moves
    DROP CONSTRAINT chip_moves_kind_check,
    ADD CONSTRAINT chip_moves_kind_check
        CHECK (kind IN ('vault', 'withdraw', 'bonus', 'grant', 'cleared', 'carried', 'return'));

CREATE OR REPLACE FUNCTION chip_move_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind = 'return' THEN
        IF NOT EXISTS (SELECT FROM affiliate_weeks WHERE week_on = NEW.week_on AND state = 'opened') THEN
            PERFORM refuse('chip_move_week', format('the week of %s is not being counted', NEW.week_on));
        END IF;
    ELSIF NEW.week_on <> chip_week(NEW.moved_at) THEN
        PERFORM refuse('chip_move_week', format('a move of %s is not of the week of %s', NEW.moved_at, NEW.week_on));
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION return_doubted_chips(week date, at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    cut timestamptz := week::timestamp AT TIME ZONE 'UTC';
    short record;
    lot record;
    part integer;
BEGIN
    FOR short IN
        SELECT c.affiliate_id, c.put_away - c.scan_chips - c.brought AS chips
        FROM affiliate_weeks w, week_chips(w.week_on, w.first_number, w.last_number) c
        WHERE w.week_on = week AND c.put_away > c.scan_chips + c.brought ORDER BY c.affiliate_id
    LOOP
        PERFORM FROM chip_vaults WHERE affiliate_id = short.affiliate_id FOR NO KEY UPDATE;
        FOR lot IN
            SELECT id, left_chips FROM vault_lots
            WHERE affiliate_id = short.affiliate_id AND left_chips > 0 AND vaulted_at < cut
            ORDER BY expires_at DESC, id FOR NO KEY UPDATE
        LOOP
            part := least(lot.left_chips, short.chips);
            EXIT WHEN part = 0;
            short.chips := short.chips - part;
            INSERT INTO vault_moves (affiliate_id, lot_id, kind, chips, happened_at)
            VALUES (short.affiliate_id, lot.id, 'return', part, cut);
            INSERT INTO chip_moves (affiliate_id, week_on, kind, chips, source, moved_at)
            SELECT short.affiliate_id, week, 'return', part, max(id)::text, cut FROM vault_moves WHERE lot_id = lot.id;
        END LOOP;
        IF short.chips > 0 THEN
            INSERT INTO chip_moves (affiliate_id, week_on, kind, chips, source, moved_at)
            SELECT short.affiliate_id, of_week, kind, short.chips, gen_random_uuid()::text, at
            FROM (VALUES (week, 'return'), (chip_week(at), 'vault')) AS both_weeks (of_week, kind);
        END IF;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION return_doubted_chips(date, timestamptz) FROM PUBLIC;

-- The smallest sum of an affiliate's vaulted chips from the beginning of a month until its end.
CREATE FUNCTION lowest_vaulted(affiliate uuid, since timestamptz, until timestamptz) RETURNS bigint
LANGUAGE sql STABLE AS $$
    WITH changes AS (
        SELECT greatest(happened_at, since) AS at,
               sum(CASE WHEN kind IN ('vault', 'overflow') THEN chips ELSE -chips END) AS chips
        FROM vault_moves WHERE affiliate_id = affiliate AND happened_at < until GROUP BY 1
        UNION ALL SELECT since, 0
    )
    SELECT min(balance)::bigint FROM (SELECT sum(chips) OVER (ORDER BY at) AS balance FROM changes) balances
$$;

-- A month's bonus is given once the month before has all of it, and is never given again.
CREATE FUNCTION vault_month_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.month <> OLD.month OR OLD.finished_at IS NOT NULL OR NEW.done_affiliate < OLD.done_affiliate THEN
        PERFORM refuse('vault_month', format('the bonus of %s only goes on', OLD.month));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER vault_month_changed BEFORE UPDATE ON vault_months FOR EACH ROW EXECUTE FUNCTION vault_month_changed();

CREATE FUNCTION vault_month_born() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    newest vault_months%ROWTYPE;
BEGIN
    SELECT * INTO newest FROM vault_months ORDER BY month DESC LIMIT 1;
    IF newest.finished_at IS NULL AND newest.month IS NOT NULL
       OR NEW.month <> (newest.month + interval '1 month')::date OR NEW.finished_at IS NOT NULL THEN
        PERFORM refuse('vault_month', format('%s does not follow the month that was given last', NEW.month));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER vault_month_born BEFORE INSERT ON vault_months FOR EACH ROW EXECUTE FUNCTION vault_month_born();

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['vaults', 'vault_upkeep'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_' || name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', 'blakjaks_' || name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', 'blakjaks_' || name);
    END LOOP;
END $$;
GRANT SELECT ON chip_vaults, vault_moves, vault_warnings, vault_months TO blakjaks_read;

GRANT SELECT (member_id) ON mark_secrets TO blakjaks_erasure;

-- vaults: members vault chips and withdraw them. (Who locks a lot needs a right to change it; triggers allow no change
-- without its move.)
GRANT INSERT ON vault_lots, vault_moves TO blakjaks_vaults;
GRANT UPDATE (left_chips) ON vault_lots TO blakjaks_vaults;
GRANT EXECUTE ON FUNCTION lock_vault(uuid, timestamptz) TO blakjaks_vaults;

-- weeks: chips of doubted scans return from the vault to the week that is counted.
GRANT EXECUTE ON FUNCTION return_doubted_chips(date, timestamptz) TO blakjaks_weeks;

-- vault_upkeep: chips expire, their owners are warned, and what has stayed for a month earns its bonus.
GRANT INSERT ON vault_moves, vault_warnings, vault_months, chip_moves TO blakjaks_vault_upkeep;
GRANT UPDATE (left_chips) ON vault_lots TO blakjaks_vault_upkeep;
GRANT UPDATE ON vault_months TO blakjaks_vault_upkeep;
