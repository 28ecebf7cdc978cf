-- What admins do with comps (change the rules, award, cancel), and the match that a comp brings an affiliate.

ALTER TYPE comp_type ADD VALUE 'manual';  -- awarded by an admin, for no prize of the global count

-- A revision per change: whoever edits says which one they have read. The guarantee is a rule without an interval.
ALTER TABLE comp_rules
    ADD COLUMN revision bigint NOT NULL DEFAULT 1 CHECK (revision > 0),
    ADD COLUMN awards_per_member integer CHECK (awards_per_member BETWEEN 1 AND 12);
INSERT INTO comp_rules (type, interval, tier, amount, unlock_volume, awards_per_member, updated_at)
VALUES ('new_member_guarantee', NULL, 'standard', 5000000, 0, 10, '2026-01-01Z');
ALTER TABLE comp_rules
    ADD CHECK ((type = 'new_member_guarantee') = ("interval" IS NULL)),
    ADD CHECK ((type = 'new_member_guarantee') = (awards_per_member IS NOT NULL));

CREATE TABLE comp_rule_changes (
    id           uuid PRIMARY KEY,
    type         comp_type NOT NULL REFERENCES comp_rules (type),
    revision     bigint NOT NULL CHECK (revision > 1),  -- that it made
    changed_by   uuid NOT NULL REFERENCES members (id),
    before_terms jsonb NOT NULL,
    after_terms  jsonb NOT NULL,
    reason       text NOT NULL,
    changed_at   timestamptz NOT NULL,
    UNIQUE (type, revision)
);
CREATE INDEX comp_rule_changes_type ON comp_rule_changes (type, changed_at, id);
SELECT make_append_only('comp_rule_changes');

ALTER TABLE comps
    ADD COLUMN cancelled_at timestamptz,
    ADD COLUMN cancel_reason text,
    ADD CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL)),
    ADD CHECK ((status = 'cancelled') = (cancel_reason IS NOT NULL));
CREATE INDEX comps_status ON comps (status, awarded_at, id);
CREATE INDEX comps_type ON comps (type, awarded_at, id);

-- A comp's terms are fixed; it waits for review, then for its payment, and ends paid or cancelled. It cannot be
-- cancelled while a payout may still pay it: whoever cancels locks the payout first.
CREATE FUNCTION comp_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.member_id, NEW.type, NEW.amount, NEW.source_kind, NEW.source_id, NEW.scan_id, NEW.scan_number,
        NEW.reason, NEW.awarded_at)
       IS DISTINCT FROM
       (OLD.id, OLD.member_id, OLD.type, OLD.amount, OLD.source_kind, OLD.source_id, OLD.scan_id, OLD.scan_number,
        OLD.reason, OLD.awarded_at) THEN
        PERFORM refuse('comp_terms', format('the terms of comp %s are fixed', OLD.id));
    END IF;
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN
       (('in_review', 'pending'), ('in_review', 'cancelled'), ('pending', 'paid'), ('pending', 'cancelled')) THEN
        PERFORM refuse('comp_transition', format('comp %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    IF NEW.status = 'cancelled' AND EXISTS
       (SELECT FROM payouts WHERE source_kind = 'comp' AND source_id = OLD.id::text AND state <> 'CANCELLED') THEN
        PERFORM refuse('comp_cancelled', format('the payout of comp %s may still pay', OLD.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER comp_changed BEFORE UPDATE ON comps FOR EACH ROW EXECUTE FUNCTION comp_changed();

-- The other side of it: a payout is born only for a comp that waits for one, and holds that comp until it commits.
CREATE FUNCTION payout_of_comp_born() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    comp_status text;
BEGIN
    SELECT status INTO comp_status FROM comps WHERE id = NEW.source_id::uuid FOR SHARE;
    IF comp_status <> 'pending' THEN
        PERFORM refuse('comp_pending', format('comp %s is %s', NEW.source_id, comp_status));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payout_of_comp_born AFTER INSERT ON payouts FOR EACH ROW
    WHEN (NEW.source_kind = 'comp' AND NEW.source_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
    EXECUTE FUNCTION payout_of_comp_born();

-- What affiliates earn by the members they referred. A prize match is 21 % of a comp's value, once per comp; a payout
-- of it has the source ('match', id).
CREATE TABLE affiliate_earnings (
    id           uuid PRIMARY KEY,
    affiliate_id uuid NOT NULL REFERENCES members (id),
    referred_id  uuid NOT NULL REFERENCES members (id),
    kind         text NOT NULL CHECK (kind IN ('prize_match')),
    comp_id      uuid UNIQUE REFERENCES comps (id),
    value        micro_usdt NOT NULL CHECK (value > 0),  -- of the comp
    amount       micro_usdt NOT NULL CHECK (amount > 0),
    status       text NOT NULL CHECK (status IN ('in_review', 'pending', 'paid', 'cancelled')),
    earned_at    timestamptz NOT NULL,
    paid_at      timestamptz,
    cancelled_at timestamptz,
    CHECK (affiliate_id <> referred_id),
    CHECK ((kind = 'prize_match') = (comp_id IS NOT NULL)),
    CHECK (kind <> 'prize_match' OR amount = value * 21 / 100),
    CHECK ((status = 'paid') = (paid_at IS NOT NULL)),
    CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL))
);
CREATE INDEX affiliate_earnings_affiliate ON affiliate_earnings (affiliate_id, earned_at, id);
CREATE INDEX affiliate_earnings_pending ON affiliate_earnings (affiliate_id) WHERE status = 'pending';

CREATE FUNCTION affiliate_earning_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.affiliate_id, NEW.referred_id, NEW.kind, NEW.comp_id, NEW.value, NEW.amount, NEW.earned_at)
       IS DISTINCT FROM
       (OLD.id, OLD.affiliate_id, OLD.referred_id, OLD.kind, OLD.comp_id, OLD.value, OLD.amount, OLD.earned_at) THEN
        PERFORM refuse('earning_terms', format('the terms of earning %s are fixed', OLD.id));
    END IF;
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN
       (('in_review', 'pending'), ('in_review', 'cancelled'), ('pending', 'paid'), ('pending', 'cancelled')) THEN
        PERFORM refuse('earning_transition', format('earning %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    IF NEW.status = 'cancelled' AND EXISTS
       (SELECT FROM payouts WHERE source_kind = 'match' AND source_id = OLD.id::text AND state <> 'CANCELLED') THEN
        PERFORM refuse('earning_cancelled', format('the payout of earning %s may still pay', OLD.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER affiliate_earning_changed BEFORE UPDATE ON affiliate_earnings
    FOR EACH ROW EXECUTE FUNCTION affiliate_earning_changed();
