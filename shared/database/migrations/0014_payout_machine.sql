-- The whole payout machine: limits, replacements, the search for foreign nonces, rebuilding after a restore, rotation.

INSERT INTO settings (name, value, description) VALUES
    ('payout_limits', '{
        "member":    {"single": 10000, "day": 50000, "hour": 500000},
        "affiliate": {"single": 10000, "day": 50000, "hour": 500000},
        "wholesale": {"single": 10000, "day": 50000, "hour": 500000}
    }', 'USDT per treasury: a payout over single, or one that takes a UTC day over day, waits for people; an hour over '
        'hour pauses the treasury.'),
    ('payout_fee_gwei_max', '2000', 'No payout offers more for gas; above it they wait.'),
    ('payout_stuck_seconds', '60', 'A transaction that is not mined so long after it was signed gets higher fees.'),
    ('payout_stalled_usdt_max', '5000', 'While the finalized block stands still, no more than this is on its way.'),
    ('payout_in_flight_max', '256', 'Nonces of one key that may be open at once; a rebuild burns as many.');

-- The policy and people move what is held; a payout that made its worker fail steps aside for a while.
ALTER TABLE payouts
    ADD postponed_until timestamptz,
    ADD counted_on date;  -- the UTC day whose total it is part of: that of its first approval
CREATE INDEX payouts_waiting ON payouts (treasury, requested_at, id)
    WHERE state IN ('REQUESTED', 'APPROVED', 'RESERVED');
CREATE INDEX payouts_released_alone ON payouts (treasury, requested_at, id)
    WHERE state = 'HELD' AND approvals_needed = 0;
INSERT INTO payout_transitions (from_state, to_state) VALUES ('HELD', 'HELD');  -- held for another reason now

ALTER TABLE payout_slots
    ADD disagreed_since timestamptz,  -- the nodes tell different stories of it
    ADD given_up_at timestamptz,      -- it is to be used up by a no-op; it never pays again (R3)
    ADD given_up_for text,
    ADD CHECK ((given_up_at IS NULL) = (given_up_for IS NULL)),
    DROP COLUMN checked_at;
CREATE INDEX payout_slots_unsigned ON payout_slots (signer, nonce) WHERE state = 'ALLOCATED';
CREATE INDEX payout_slots_foreign ON payout_slots (signer, nonce) WHERE state = 'FOREIGN';

-- R8: while a rebuild is asked for, nothing is paid from the key. `sealed_below` is the nonce below which no signature
-- of a lost timeline can land any more. `lineage` names the database that the key's rows were written in.
ALTER TABLE signers
    ADD rebuild_asked_at timestamptz,
    ADD rebuild_reason text,
    ADD sealed_below bigint,
    ADD lineage text,
    ADD CHECK ((rebuild_asked_at IS NULL) = (rebuild_reason IS NULL));

-- What a treasury has let go, kept by the payouts themselves; read by the policy.
CREATE TABLE treasury_days (
    treasury text NOT NULL REFERENCES treasuries (name),
    day      date NOT NULL,
    amount   micro_usdt NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (treasury, day)
);
CREATE TABLE treasury_minutes (
    treasury text NOT NULL REFERENCES treasuries (name),
    minute   timestamptz NOT NULL,
    amount   micro_usdt NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (treasury, minute)
);
REVOKE INSERT, UPDATE, DELETE ON treasury_days, treasury_minutes FROM blakjaks_app;

CREATE FUNCTION payout_counted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.counted_on IS DISTINCT FROM OLD.counted_on THEN
        INSERT INTO treasury_days AS kept (treasury, day, amount) VALUES (NEW.treasury, NEW.counted_on, NEW.amount)
        ON CONFLICT (treasury, day) DO UPDATE SET amount = kept.amount + EXCLUDED.amount;
    END IF;
    IF NEW.state = 'RESERVED' AND OLD.state = 'APPROVED' AND NEW.source_kind <> 'rotation' THEN
        INSERT INTO treasury_minutes AS kept (treasury, minute, amount)
        VALUES (NEW.treasury, date_trunc('minute', NEW.state_at), NEW.amount)
        ON CONFLICT (treasury, minute) DO UPDATE SET amount = kept.amount + EXCLUDED.amount;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payout_counted AFTER UPDATE ON payouts FOR EACH ROW
    WHEN (NEW.state IN ('APPROVED', 'RESERVED') AND NEW.state IS DISTINCT FROM OLD.state)
    EXECUTE FUNCTION payout_counted();

-- As before, and: stepping aside is no change of state; the first approval is counted into its day.
CREATE OR REPLACE FUNCTION payout_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.treasury, NEW.member_id, NEW.scope, NEW.idempotency_key, NEW.body_hash, NEW.source_kind,
        NEW.source_id, NEW.recipient_address, NEW.amount, NEW.requested_by, NEW.requested_at, NEW.holds,
        NEW.counted_on)
       IS DISTINCT FROM
       (OLD.id, OLD.treasury, OLD.member_id, OLD.scope, OLD.idempotency_key, OLD.body_hash, OLD.source_kind,
        OLD.source_id, OLD.recipient_address, OLD.amount, OLD.requested_by, OLD.requested_at, OLD.holds,
        OLD.counted_on) THEN
        PERFORM refuse('I3_terms', format('the terms of payout %s are fixed', OLD.id));
    END IF;
    IF NEW IS NOT DISTINCT FROM OLD THEN
        RETURN NEW;
    END IF;
    IF (NEW.state, NEW.state_at, NEW.hold_reason, NEW.approvals_needed, NEW.paid_at, NEW.transaction_hash)
       IS NOT DISTINCT FROM
       (OLD.state, OLD.state_at, OLD.hold_reason, OLD.approvals_needed, OLD.paid_at, OLD.transaction_hash) THEN
        RETURN NEW;  -- it steps aside
    END IF;
    IF NOT EXISTS (SELECT FROM payout_transitions WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        PERFORM refuse('I4_transition', format('payout %s: %s to %s', NEW.id, OLD.state, NEW.state));
    END IF;
    PERFORM payout_may_leave(OLD, NEW.state);
    PERFORM payout_may_become(NEW, OLD.state);
    IF NEW.state IN ('HELD', 'QUARANTINED') THEN
        NEW.holds := OLD.holds + 1;
    END IF;
    IF NEW.state = 'APPROVED' AND OLD.counted_on IS NULL AND NEW.source_kind <> 'rotation' THEN
        NEW.counted_on := (NEW.state_at AT TIME ZONE 'UTC')::date;
    END IF;
    INSERT INTO payout_events (payout_id, kind, detail, happened_at)
    VALUES (NEW.id, 'payout_state', jsonb_strip_nulls(jsonb_build_object(
                'from', OLD.state, 'to', NEW.state, 'hold_reason', NEW.hold_reason)), NEW.state_at);
    RETURN NEW;
END $$;

-- As before, and: what people hold is not made easier to let go by holding it for another reason; what the policy alone
-- holds, the policy lets go, or two people.
CREATE OR REPLACE FUNCTION payout_may_leave(payout payouts, target payout_state) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    approvals integer;
BEGIN
    IF payout.state = 'REQUESTED' AND target = 'APPROVED' AND NOT EXISTS
       (SELECT FROM payout_policy_runs WHERE payout_id = payout.id AND decision = 'approve') THEN
        PERFORM refuse('policy', format('no policy has approved payout %s', payout.id));
    END IF;
    IF payout.state IN ('HELD', 'QUARANTINED') AND target <> 'CANCELLED' THEN
        SELECT count(*) INTO approvals FROM payout_approvals
        WHERE payout_id = payout.id AND hold = payout.holds;
        IF approvals < greatest(payout.approvals_needed, CASE payout.state WHEN 'QUARANTINED' THEN 2 ELSE 0 END) THEN
            PERFORM refuse('approvals', format('payout %s has %s approvals, which is too few', payout.id, approvals));
        END IF;
    END IF;
    IF payout.state = 'HELD' AND target = 'APPROVED' AND payout.approvals_needed = 0 AND approvals < 2 AND
       (SELECT decision FROM payout_policy_runs WHERE payout_id = payout.id ORDER BY id DESC LIMIT 1) = 'hold' THEN
        PERFORM refuse('policy', format('the policy holds payout %s', payout.id));
    END IF;
END $$;

-- As before, and: only so many nonces of a key are open at once; a new key waits until the old one has drained.
CREATE OR REPLACE FUNCTION slot_born() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    payout payouts%ROWTYPE;
    signer signers%ROWTYPE;
    lowest bigint;
    open_max bigint;
BEGIN
    IF NEW.state <> 'ALLOCATED' THEN
        PERFORM refuse('I13_born', format('slot %s cannot be born %s', NEW.nonce, NEW.state));
    END IF;
    SELECT * INTO payout FROM payouts WHERE id = NEW.payout_id FOR UPDATE;
    SELECT * INTO signer FROM signers WHERE address = NEW.signer FOR UPDATE;
    IF signer.next_nonce IS DISTINCT FROM NEW.nonce OR signer.status = 'retired'
       OR (signer.status = 'draining' AND payout.source_kind <> 'rotation') THEN
        PERFORM refuse('I5_nonce', format('%s is not the next nonce of an active signer', NEW.nonce));
    END IF;
    IF signer.status = 'active' AND EXISTS (
       SELECT FROM signers older WHERE older.treasury = signer.treasury AND older.status = 'draining') THEN
        PERFORM refuse('R6_draining', format('the %s treasury''s older key has not drained', signer.treasury));
    END IF;
    IF NEW.payout_id IS NOT NULL
       AND (payout.state, payout.treasury) IS DISTINCT FROM ('RESERVED'::payout_state, signer.treasury) THEN
        PERFORM refuse('R2_reserved', format('payout %s is not reserved at this treasury', NEW.payout_id));
    END IF;
    SELECT nonce INTO lowest FROM payout_slots
    WHERE payout_slots.signer = NEW.signer AND state IN ('ALLOCATED', 'LIVE', 'MINED') ORDER BY nonce LIMIT 1;
    SELECT value::bigint INTO open_max FROM settings WHERE name = 'payout_in_flight_max';
    IF NEW.nonce >= lowest + open_max AND signer.rebuild_asked_at IS NULL THEN
        PERFORM refuse('R8_in_flight', format('nonces %s to %s are open', lowest, NEW.nonce - 1));
    END IF;
    RETURN NEW;
END $$;

-- As before, and: a foreign nonce is found to have paid somebody; only then, under a pause, does it get a payout, once.
CREATE OR REPLACE FUNCTION slot_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    winner_kind text;
BEGIN
    IF (NEW.signer, NEW.nonce, NEW.allocated_at) IS DISTINCT FROM (OLD.signer, OLD.nonce, OLD.allocated_at)
       OR (NEW.payout_id IS DISTINCT FROM OLD.payout_id AND NOT (
            OLD.payout_id IS NULL AND OLD.state IN ('ALLOCATED', 'FOREIGN') AND EXISTS (
                SELECT FROM signers JOIN treasuries ON treasuries.name = signers.treasury
                WHERE signers.address = OLD.signer AND treasuries.paused_at IS NOT NULL))) THEN
        PERFORM refuse('I5_nonce', format('slot %s stays what it is for', OLD.nonce));
    END IF;
    IF OLD.given_up_at IS NOT NULL AND NEW.given_up_at IS NULL THEN
        PERFORM refuse('R3_noop', format('slot %s was given up', OLD.nonce));
    END IF;
    IF (NEW.state, NEW.winning_hash, NEW.block_number, NEW.block_hash, NEW.succeeded)
       IS NOT DISTINCT FROM (OLD.state, OLD.winning_hash, OLD.block_number, OLD.block_hash, OLD.succeeded) THEN
        RETURN NEW;  -- only looked at again
    END IF;
    IF NOT EXISTS (SELECT FROM slot_transitions WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        PERFORM refuse('I4_transition', format('slot %s: %s to %s', NEW.nonce, OLD.state, NEW.state));
    END IF;
    IF NEW.state IN ('ALLOCATED', 'LIVE') AND (NEW.state = 'LIVE') <> EXISTS
       (SELECT FROM payout_attempts WHERE signer = NEW.signer AND nonce = NEW.nonce) THEN
        PERFORM refuse('R1_stored', format('slot %s is LIVE with a stored attempt, and only then', NEW.nonce));
    END IF;
    IF NEW.winning_hash IS NOT NULL THEN
        SELECT kind INTO winner_kind FROM payout_attempts
        WHERE hash = NEW.winning_hash AND signer = NEW.signer AND nonce = NEW.nonce;
        IF winner_kind IS NULL THEN
            PERFORM refuse('I10_winner', format('slot %s was not won by an attempt of ours', NEW.nonce));
        END IF;
        IF (NEW.state = 'FINAL_PAY' AND NOT (winner_kind = 'PAY' AND NEW.succeeded))
           OR (NEW.state = 'FINAL_REVERTED' AND NOT (winner_kind = 'PAY' AND NOT NEW.succeeded))
           OR (NEW.state = 'FINAL_NOOP' AND winner_kind = 'PAY') THEN
            PERFORM refuse('I10_winner', format('slot %s cannot be %s', NEW.nonce, NEW.state));
        END IF;
    END IF;
    IF OLD.state = 'MINED' AND NEW.state::text LIKE 'FINAL%'
       AND (NEW.winning_hash, NEW.block_number, NEW.block_hash, NEW.succeeded)
           IS DISTINCT FROM (OLD.winning_hash, OLD.block_number, OLD.block_hash, OLD.succeeded) THEN
        PERFORM refuse('I10_winner', format('slot %s is final as it was mined', NEW.nonce));
    END IF;
    INSERT INTO payout_events (payout_id, signer, nonce, attempt_hash, kind, detail, happened_at)
    VALUES (NEW.payout_id, NEW.signer, NEW.nonce, NEW.winning_hash, 'slot_state',
            jsonb_strip_nulls(jsonb_build_object('from', OLD.state, 'to', NEW.state, 'block', NEW.block_number)),
            NEW.state_at);
    RETURN NEW;
END $$;

-- R8 and R3 for signatures: beside attempt_born, which goes on holding the rest.
CREATE FUNCTION attempt_pays_nobody_now() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    signer signers%ROWTYPE;
BEGIN
    SELECT * INTO signer FROM signers WHERE address = NEW.signer;
    IF signer.rebuild_asked_at IS NOT NULL THEN
        PERFORM refuse('R8_rebuild', format('signer %s is being rebuilt', NEW.signer));
    END IF;
    IF signer.lineage IS DISTINCT FROM database_lineage() THEN
        PERFORM refuse('R8_lineage', format('signer %s belongs to another database', NEW.signer));
    END IF;
    IF EXISTS (SELECT FROM payout_slots WHERE payout_slots.signer = NEW.signer AND nonce = NEW.nonce
                                          AND given_up_at IS NOT NULL) THEN
        PERFORM refuse('R3_noop', format('slot %s was given up', NEW.nonce));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER attempt_pays_nobody_now BEFORE INSERT ON payout_attempts FOR EACH ROW
    WHEN (NEW.kind = 'PAY' AND NEW.origin = 'signed') EXECUTE FUNCTION attempt_pays_nobody_now();

-- The server's identity and the timeline of its log: a restore, and a promoted copy, have another.
CREATE FUNCTION database_lineage() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT (SELECT system_identifier FROM pg_control_system()) || '/' ||
           left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
$$;
UPDATE signers SET lineage = database_lineage();
CREATE FUNCTION signer_born() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.lineage := database_lineage();
    RETURN NEW;
END $$;
CREATE TRIGGER signer_born BEFORE INSERT ON signers FOR EACH ROW EXECUTE FUNCTION signer_born();

-- What transactions moved that used our nonces and are not explained: while such a slot is FOREIGN, no payout of the
-- same terms is signed, because it may have been paid by it (R8).
CREATE TABLE foreign_transfers (
    signer            evm_address NOT NULL,
    nonce             bigint NOT NULL,
    position          integer NOT NULL,
    transaction_hash  evm_hash NOT NULL,
    token_address     evm_address NOT NULL,
    recipient_address evm_address NOT NULL,
    amount            numeric(78) NOT NULL,
    found_at          timestamptz NOT NULL,
    PRIMARY KEY (signer, nonce, position),
    FOREIGN KEY (signer, nonce) REFERENCES payout_slots (signer, nonce)
);
CREATE INDEX foreign_transfers_terms ON foreign_transfers (lower(recipient_address), amount);
SELECT make_append_only('foreign_transfers');

CREATE FUNCTION may_be_paid_already(payout payouts) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM foreign_transfers moved
        JOIN payout_slots slot ON slot.signer = moved.signer AND slot.nonce = moved.nonce AND slot.state = 'FOREIGN'
        WHERE lower(moved.recipient_address) = lower(payout.recipient_address) AND moved.amount = payout.amount)
$$;

CREATE FUNCTION attempt_pays_what_is_owed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM payouts JOIN payout_slots slot ON slot.payout_id = payouts.id
               WHERE slot.signer = NEW.signer AND slot.nonce = NEW.nonce AND may_be_paid_already(payouts)) THEN
        PERFORM refuse('R8_unexplained', format('slot %s may have been paid by a foreign transaction', NEW.nonce));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER attempt_pays_what_is_owed BEFORE INSERT ON payout_attempts FOR EACH ROW
    WHEN (NEW.kind = 'PAY' AND NEW.origin = 'signed') EXECUTE FUNCTION attempt_pays_what_is_owed();

-- A rotation moves a treasury's money to its next key and nowhere else.
CREATE FUNCTION rotation_born() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM signers WHERE treasury = NEW.treasury AND status = 'active'
                                         AND lower(address) = lower(NEW.recipient_address))
       OR NOT EXISTS (SELECT FROM signers WHERE treasury = NEW.treasury AND status = 'draining') THEN
        PERFORM refuse('rotation', format('payout %s does not go to the treasury''s next key', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER rotation_born BEFORE INSERT ON payouts FOR EACH ROW
    WHEN (NEW.source_kind = 'rotation') EXECUTE FUNCTION rotation_born();

-- As before; each state asks only for what it needs.
CREATE OR REPLACE FUNCTION payout_may_become(payout payouts, before payout_state) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    reserved boolean;
    open_slot slot_state;
    paid_hash evm_hash;
BEGIN
    IF payout.state = 'APPROVED' THEN
        RETURN;
    END IF;
    IF payout.state IN ('RESERVED', 'IN_FLIGHT', 'CANCELLED') THEN
        reserved := payout_reserved(payout);
    END IF;
    SELECT state INTO open_slot FROM payout_slots
    WHERE payout_id = payout.id AND state IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN');
    SELECT winning_hash INTO paid_hash FROM payout_slots WHERE payout_id = payout.id AND state = 'FINAL_PAY';

    IF payout.state = 'RESERVED' AND NOT reserved THEN
        PERFORM refuse('I12_reserved', format('payout %s has no journal resv of its amount', payout.id));
    END IF;
    IF payout.state = 'RESERVED' AND (open_slot IS NOT NULL OR paid_hash IS NOT NULL) THEN
        PERFORM refuse('R2_one_slot', format('payout %s has a slot that may pay or has paid', payout.id));
    END IF;
    IF payout.state = 'IN_FLIGHT' AND (open_slot IS NULL OR open_slot = 'FOREIGN' OR NOT reserved) THEN
        PERFORM refuse('I6_open_slot', format('payout %s has no open slot', payout.id));
    END IF;
    IF payout.state = 'PAID' AND (payout.transaction_hash IS DISTINCT FROM paid_hash
       OR NOT ledger_has('paid:' || payout.id, 'in_flight:' || payout.treasury, -payout.amount)
       OR NOT ledger_has('paid:' || payout.id, 'paid:' || payout.treasury, payout.amount)) THEN
        PERFORM refuse('I11_paid', format('payout %s lacks FINAL_PAY, its transaction or its journal', payout.id));
    END IF;
    IF payout.state = 'CANCELLED' AND (open_slot IS NOT NULL OR paid_hash IS NOT NULL OR reserved) THEN
        PERFORM refuse('R2_cancelled', format('payout %s may still pay or holds money', payout.id));
    END IF;
    IF payout.state = 'HELD' AND (open_slot IS NOT NULL OR paid_hash IS NOT NULL) THEN
        PERFORM refuse('R2_held', format('payout %s may still pay or has paid', payout.id));
    END IF;
    IF payout.state = 'QUARANTINED' AND NOT EXISTS
       (SELECT FROM treasuries WHERE name = payout.treasury AND paused_at IS NOT NULL) THEN
        PERFORM refuse('R5_paused', format('payout %s is quarantined only together with its treasury', payout.id));
    END IF;
END $$;
