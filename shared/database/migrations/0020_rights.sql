-- Who may decide about whose money: interests and rights are asked for when they are used, whatever the code does.
-- Awards by hand, suspended members, and what people let go, which is counted apart from what the machine lets go.

ALTER TYPE hold_reason ADD VALUE 'suspended';  -- the recipient's account is suspended

INSERT INTO settings (name, value, description) VALUES
    ('manual_award_limits', '{"single": 250, "day": 1000}',
     'USDT that one admin may award alone, with a fresh code of their app: by one award, and on one UTC day. Whatever '
     'is more waits for a second person.');

-- Every wallet that a member has or had. Written by the trigger below alone; never forgotten, also not by an erasure.
CREATE TABLE member_wallets (
    member_id uuid NOT NULL REFERENCES members (id),
    address   text NOT NULL CHECK (address = lower(address)),
    since     timestamptz NOT NULL,
    PRIMARY KEY (member_id, address)
);
CREATE INDEX member_wallets_address ON member_wallets (address, member_id);
INSERT INTO member_wallets (member_id, address, since)
SELECT member_id, lower(address), min(linked_at) FROM wallet_links GROUP BY member_id, lower(address);
INSERT INTO member_wallets (member_id, address, since)
SELECT id, lower(wallet_address), updated_at FROM members WHERE wallet_address IS NOT NULL ON CONFLICT DO NOTHING;
SELECT make_append_only('member_wallets');
REVOKE INSERT, UPDATE, DELETE ON member_wallets FROM blakjaks_app;

CREATE FUNCTION wallet_remembered() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO member_wallets (member_id, address, since)
    VALUES (NEW.id, lower(NEW.wallet_address), NEW.updated_at) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER wallet_remembered AFTER INSERT OR UPDATE OF wallet_address ON members
    FOR EACH ROW WHEN (NEW.wallet_address IS NOT NULL) EXECUTE FUNCTION wallet_remembered();

-- Two accounts are one person's when they are one account, or have ever linked the same wallet.
CREATE FUNCTION is_same_person(one uuid, other uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(one = other OR EXISTS (
        SELECT FROM member_wallets mine JOIN member_wallets theirs ON theirs.address = mine.address
        WHERE mine.member_id = one AND theirs.member_id = other), false)
$$;

-- Who gives something to a member gives it to that person, and by the match to who referred them.
CREATE FUNCTION profits_from_member(person uuid, winner uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT is_same_person(person, winner)
        OR EXISTS (SELECT FROM members WHERE id = winner AND is_same_person(person, referred_by_id))
$$;

CREATE FUNCTION profits_from_wallet(person uuid, wallet text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM member_wallets WHERE member_id = person AND address = lower(wallet))
$$;

CREATE FUNCTION profits_from_payout(person uuid, payout payouts) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT profits_from_member(person, payout.member_id) OR profits_from_wallet(person, payout.recipient_address)
$$;

-- Beside approval_born, which refuses the requester and the member who is paid.
CREATE FUNCTION approval_is_disinterested() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM payouts WHERE id = NEW.payout_id
               AND (profits_from_payout(NEW.approver_id, payouts) OR is_same_person(NEW.approver_id, requested_by))) THEN
        PERFORM refuse('own_interest', format('the approver would profit from payout %s', NEW.payout_id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approval_is_disinterested BEFORE INSERT ON payout_approvals
    FOR EACH ROW EXECUTE FUNCTION approval_is_disinterested();

-- How many of the approvals of a payout's present hold count now: those of people who are treasury admins or owners
-- at this moment, are not suspended, and do not profit.
CREATE FUNCTION approvals_that_count(payout payouts) RETURNS integer
LANGUAGE sql STABLE AS $$
    SELECT CAST(count(*) AS integer)
    FROM payout_approvals made JOIN members approver ON approver.id = made.approver_id
    WHERE made.payout_id = payout.id AND made.hold = payout.holds
      AND approver.status = 'active' AND approver.role IN ('treasury', 'owner')
      AND NOT profits_from_payout(approver.id, payout)
      AND NOT is_same_person(approver.id, payout.requested_by)
$$;

-- Awards by hand. `value` is what the comp is worth, a trip's the dearest destination. One that its admin makes `alone`
-- is paid as any other comp; every other one waits for a second person.
CREATE TABLE manual_awards (
    comp_id    uuid PRIMARY KEY REFERENCES comps (id),
    awarded_by uuid NOT NULL REFERENCES members (id),
    value      micro_usdt NOT NULL CHECK (value >= 0),
    alone      boolean NOT NULL,
    awarded_at timestamptz NOT NULL
);
CREATE INDEX manual_awards_admin ON manual_awards (awarded_by, awarded_at);
SELECT make_append_only('manual_awards');

CREATE FUNCTION manual_award_born() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    limits jsonb;
    today  bigint;
BEGIN
    IF EXISTS (SELECT FROM comps WHERE id = NEW.comp_id AND profits_from_member(NEW.awarded_by, member_id)) THEN
        PERFORM refuse('own_interest', format('the admin would profit from comp %s', NEW.comp_id));
    END IF;
    IF NEW.alone THEN
        SELECT value INTO limits FROM settings WHERE name = 'manual_award_limits';
        SELECT coalesce(sum(value), 0) INTO today FROM manual_awards
        WHERE awarded_by = NEW.awarded_by AND alone
          AND awarded_at >= date_trunc('day', NEW.awarded_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
        IF NEW.value > (limits ->> 'single')::numeric * 1000000
           OR today + NEW.value > (limits ->> 'day')::numeric * 1000000 THEN
            PERFORM refuse('award_second_person', format('comp %s is more than one admin may award', NEW.comp_id));
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER manual_award_born BEFORE INSERT ON manual_awards FOR EACH ROW EXECUTE FUNCTION manual_award_born();

-- The comp that it pays was awarded by hand, by somebody who may not do so alone.
CREATE FUNCTION needs_second_person(payout payouts) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN payout.source_kind = 'comp' AND payout.source_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
       AND EXISTS (SELECT FROM manual_awards WHERE comp_id = payout.source_id::uuid AND NOT alone);
END $$;

-- How many people have let it go, whatever hold it was: it is not held for them again, and what they let go is not
-- counted as what the machine lets go alone. Written by the trigger below.
ALTER TABLE payouts ADD people_agreed smallint NOT NULL DEFAULT 0;
ALTER TABLE treasury_minutes ADD agreed micro_usdt NOT NULL DEFAULT 0 CHECK (agreed >= 0);

-- How many approvals a payout that waits needs: a quarantine two at least, and so does an award whose admin may not
-- award any more: they are no first of two people.
CREATE FUNCTION approvals_required(payout payouts) RETURNS integer
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF payout.state = 'QUARANTINED' OR (payout.state = 'HELD' AND payout.people_agreed = 0
       AND needs_second_person(payout) AND NOT EXISTS
           (SELECT FROM members WHERE id = payout.requested_by AND status = 'active' AND role IN ('operations', 'owner'))
       AND payout.approvals_needed > 0) THEN
        RETURN greatest(payout.approvals_needed, 2);
    END IF;
    RETURN payout.approvals_needed;
END $$;

-- Beside payout_changed, whose count takes every approval that was ever given. The approvers' rows are locked: who
-- loses the role at this moment has lost it before or loses it after.
CREATE FUNCTION payout_let_go() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    counted integer := 0;
BEGIN
    NEW.people_agreed := OLD.people_agreed;
    IF OLD.state IN ('HELD', 'QUARANTINED') AND NEW.state <> 'CANCELLED'
       AND (NEW.state, NEW.hold_reason, NEW.approvals_needed) IS DISTINCT FROM
           (OLD.state, OLD.hold_reason, OLD.approvals_needed) THEN
        PERFORM FROM members WHERE id IN
            (SELECT approver_id FROM payout_approvals WHERE payout_id = OLD.id AND hold = OLD.holds)
            ORDER BY id FOR SHARE;
        counted := approvals_that_count(OLD);
        IF counted < approvals_required(OLD) THEN
            PERFORM refuse('approvals', format('payout %s has %s approvals that count, which is too few', OLD.id, counted));
        END IF;
    END IF;
    IF OLD.state = 'HELD' AND NEW.state = 'APPROVED' THEN
        IF OLD.approvals_needed = 0 AND counted < 2 AND
           (SELECT decision FROM payout_policy_runs WHERE payout_id = OLD.id ORDER BY id DESC LIMIT 1) = 'hold' THEN
            PERFORM refuse('policy', format('the policy holds payout %s', OLD.id));
        END IF;
        IF OLD.approvals_needed > 0 OR counted >= 2 THEN
            NEW.people_agreed := greatest(OLD.people_agreed, counted);
        END IF;
    END IF;
    IF NEW.state = 'APPROVED' AND NEW.people_agreed = 0 AND needs_second_person(NEW) THEN
        PERFORM refuse('award_second_person', format('payout %s waits for a second person', NEW.id));
    END IF;
    IF NEW.people_agreed > 0 THEN
        NEW.counted_on := OLD.counted_on;  -- it does not use up the day of what needs no people
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payout_let_go BEFORE UPDATE ON payouts FOR EACH ROW EXECUTE FUNCTION payout_let_go();

-- As before, and: what people let go is counted apart.
CREATE OR REPLACE FUNCTION payout_counted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.counted_on IS DISTINCT FROM OLD.counted_on THEN
        INSERT INTO treasury_days AS kept (treasury, day, amount) VALUES (NEW.treasury, NEW.counted_on, NEW.amount)
        ON CONFLICT (treasury, day) DO UPDATE SET amount = kept.amount + EXCLUDED.amount;
    END IF;
    IF NEW.state = 'RESERVED' AND OLD.state = 'APPROVED' AND NEW.source_kind <> 'rotation' THEN
        INSERT INTO treasury_minutes AS kept (treasury, minute, amount, agreed)
        VALUES (NEW.treasury, date_trunc('minute', NEW.state_at),
                CASE WHEN NEW.people_agreed > 0 THEN 0 ELSE NEW.amount END,
                CASE WHEN NEW.people_agreed > 0 THEN NEW.amount ELSE 0 END)
        ON CONFLICT (treasury, minute) DO UPDATE
        SET amount = kept.amount + EXCLUDED.amount, agreed = kept.agreed + EXCLUDED.agreed;
    END IF;
    RETURN NULL;
END $$;

-- The account of who is paid is suspended: the member's that it is for, or the one that the wallet is linked to.
CREATE FUNCTION pays_suspended(payout payouts) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM members WHERE id = payout.member_id AND status = 'suspended')
        OR EXISTS (SELECT FROM members WHERE lower(wallet_address) = lower(payout.recipient_address)
                                         AND wallet_address IS NOT NULL AND status = 'suspended')
$$;

CREATE FUNCTION slot_pays_no_suspended() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM payouts WHERE id = NEW.payout_id AND pays_suspended(payouts)) THEN
        PERFORM refuse('suspended', format('the recipient of payout %s is suspended', NEW.payout_id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER slot_pays_no_suspended BEFORE INSERT ON payout_slots FOR EACH ROW
    WHEN (NEW.payout_id IS NOT NULL) EXECUTE FUNCTION slot_pays_no_suspended();

CREATE FUNCTION attempt_pays_no_suspended() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM payouts JOIN payout_slots slot ON slot.payout_id = payouts.id
               WHERE slot.signer = NEW.signer AND slot.nonce = NEW.nonce AND pays_suspended(payouts)) THEN
        PERFORM refuse('suspended', format('the recipient of slot %s is suspended', NEW.nonce));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER attempt_pays_no_suspended BEFORE INSERT ON payout_attempts FOR EACH ROW
    WHEN (NEW.kind = 'PAY' AND NEW.origin = 'signed') EXECUTE FUNCTION attempt_pays_no_suspended();

-- Nobody asks for a transfer to a wallet of their own.
CREATE FUNCTION manual_transfer_is_disinterested() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF profits_from_payout(NEW.requested_by, NEW) THEN
        PERFORM refuse('own_interest', format('who asks for transfer %s would get it', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER manual_transfer_is_disinterested BEFORE INSERT ON payouts FOR EACH ROW
    WHEN (NEW.source_kind = 'manual') EXECUTE FUNCTION manual_transfer_is_disinterested();

-- Nobody sets a tier of their own, nor of somebody whose prizes bring them a match.
CREATE FUNCTION tier_override_is_disinterested() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF profits_from_member(NEW.set_by, NEW.member_id) THEN
        PERFORM refuse('own_interest', format('who sets the tier of member %s would profit', NEW.member_id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tier_override_is_disinterested BEFORE INSERT ON tier_history FOR EACH ROW
    WHEN (NEW.kind = 'override') EXECUTE FUNCTION tier_override_is_disinterested();

-- A tier that is set has a line in the history by the end of its transaction, and with it somebody who set it.
CREATE FUNCTION tier_override_has_author() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    of_quarter text := CASE TG_TABLE_NAME WHEN 'member_quarters' THEN to_jsonb(NEW) ->> 'quarter' END;
BEGIN
    IF NOT EXISTS (SELECT FROM tier_history WHERE member_id = NEW.member_id AND kind = 'override'
                   AND tier = NEW.override_tier AND quarter IS NOT DISTINCT FROM of_quarter) THEN
        PERFORM refuse('override_author', format('nobody has set the tier of member %s', NEW.member_id));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER tier_override_has_author AFTER INSERT OR UPDATE OF override_tier ON member_quarters
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.override_tier IS NOT NULL)
    EXECUTE FUNCTION tier_override_has_author();
CREATE CONSTRAINT TRIGGER tier_override_has_author AFTER INSERT OR UPDATE OF override_tier ON permanent_tiers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.override_tier IS NOT NULL)
    EXECUTE FUNCTION tier_override_has_author();

-- Nobody judges a scan of their own, nor one that brings them a match.
CREATE FUNCTION scan_decision_is_disinterested() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF profits_from_member(NEW.decided_by, NEW.member_id) THEN
        PERFORM refuse('own_interest', format('who decides about scan %s would profit', NEW.scan_id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER scan_decision_is_disinterested BEFORE UPDATE OF decided_by ON flagged_scans FOR EACH ROW
    WHEN (NEW.decided_by IS NOT NULL) EXECUTE FUNCTION scan_decision_is_disinterested();

-- Nobody explains a difference that went to a wallet of their own, or that is about a payout to them.
CREATE FUNCTION finding_is_disinterested() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF profits_from_wallet(NEW.resolved_by, NEW.counterparty) OR EXISTS
       (SELECT FROM payouts WHERE id = NEW.payout_id AND (profits_from_payout(NEW.resolved_by, payouts)
                                                          OR is_same_person(NEW.resolved_by, requested_by))) THEN
        PERFORM refuse('own_interest', format('who explains finding %s would profit', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER finding_is_disinterested BEFORE UPDATE OF resolved_by ON reconciliation_findings FOR EACH ROW
    WHEN (NEW.resolved_by IS NOT NULL) EXECUTE FUNCTION finding_is_disinterested();
