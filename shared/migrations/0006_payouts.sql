-- The payout machine: a promise (payouts), its nonces (payout_slots), its signatures (payout_attempts).
-- The rules I1 to I13 hold here, whatever the code does. docs/payouts.md explains them.

CREATE TYPE payout_state AS ENUM
    ('REQUESTED', 'HELD', 'APPROVED', 'RESERVED', 'IN_FLIGHT', 'PAID', 'QUARANTINED', 'CANCELLED');
CREATE TYPE hold_reason AS ENUM
    ('limit', 'funds', 'gas', 'blocked', 'paused', 'review', 'reverted');
CREATE TYPE slot_state AS ENUM
    ('ALLOCATED', 'LIVE', 'MINED', 'FINAL_PAY', 'FINAL_REVERTED', 'FINAL_NOOP', 'FOREIGN');

CREATE TABLE treasuries (
    name          text PRIMARY KEY CHECK (name IN ('member', 'affiliate', 'wholesale')),
    chain_id      bigint NOT NULL,
    token_address evm_address NOT NULL,
    paused_at     timestamptz,
    pause_reason  text,
    finish_live   boolean NOT NULL DEFAULT false,
    CHECK ((paused_at IS NULL) = (pause_reason IS NULL))
);

-- The key that signs for a treasury. A rotated key drains: it finishes its slots and takes no new ones.
-- The epoch fences workers: whoever takes the lease raises it, and a signature of an older epoch is refused.
CREATE TABLE signers (
    address     evm_address PRIMARY KEY,
    treasury    text NOT NULL REFERENCES treasuries (name),
    kms_version text NOT NULL UNIQUE,
    status      text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'draining', 'retired')),
    next_nonce  bigint NOT NULL DEFAULT 0 CHECK (next_nonce >= 0),
    epoch       integer NOT NULL DEFAULT 0,
    held_until  timestamptz,
    created_at  timestamptz NOT NULL
);
CREATE UNIQUE INDEX signers_active ON signers (treasury) WHERE status = 'active';

CREATE TABLE payouts (
    id                uuid PRIMARY KEY,
    treasury          text NOT NULL REFERENCES treasuries (name),
    member_id         uuid REFERENCES members (id),
    scope             text NOT NULL,
    idempotency_key   text NOT NULL,
    body_hash         bytea NOT NULL,
    source_kind       text NOT NULL,
    source_id         text NOT NULL,
    recipient_address evm_address NOT NULL,
    amount            micro_usdt NOT NULL CHECK (amount > 0),
    requested_at      timestamptz NOT NULL,
    state             payout_state NOT NULL DEFAULT 'REQUESTED',
    state_at          timestamptz NOT NULL,
    hold_reason       hold_reason,
    approvals_needed  smallint NOT NULL DEFAULT 0,
    paid_at           timestamptz,
    transaction_hash  evm_hash,
    UNIQUE (scope, idempotency_key),                                               -- I1
    UNIQUE (source_kind, source_id),                                               -- I2
    CHECK ((state = 'HELD') = (hold_reason IS NOT NULL)),
    CHECK ((state = 'PAID') = (paid_at IS NOT NULL AND transaction_hash IS NOT NULL))
);
CREATE INDEX payouts_open ON payouts (treasury, requested_at, id)
    WHERE state IN ('REQUESTED', 'APPROVED', 'RESERVED', 'IN_FLIGHT');
CREATE INDEX payouts_held ON payouts (treasury, state, requested_at) WHERE state IN ('HELD', 'QUARANTINED');
CREATE INDEX payouts_member ON payouts (member_id, requested_at DESC);

CREATE TABLE payout_policy_runs (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payout_id      uuid NOT NULL REFERENCES payouts (id),
    policy_version integer NOT NULL,
    inputs         jsonb NOT NULL,
    decision       text NOT NULL CHECK (decision IN ('approve', 'hold')),
    reason         hold_reason,
    decided_at     timestamptz NOT NULL,
    CHECK ((decision = 'hold') = (reason IS NOT NULL))
);
CREATE INDEX payout_policy_runs_payout ON payout_policy_runs (payout_id, id);
SELECT make_append_only('payout_policy_runs');

CREATE TABLE payout_approvals (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payout_id   uuid NOT NULL REFERENCES payouts (id),
    approver_id uuid NOT NULL REFERENCES members (id),
    evidence    jsonb NOT NULL DEFAULT '{}',
    approved_at timestamptz NOT NULL,
    UNIQUE (payout_id, approver_id, approved_at)
);
SELECT make_append_only('payout_approvals');

CREATE TABLE payout_slots (
    signer       evm_address NOT NULL REFERENCES signers (address),
    nonce        bigint NOT NULL CHECK (nonce >= 0),
    payout_id    uuid REFERENCES payouts (id),
    state        slot_state NOT NULL DEFAULT 'ALLOCATED',
    state_at     timestamptz NOT NULL,
    allocated_at timestamptz NOT NULL,
    winning_hash evm_hash,
    block_number bigint,
    block_hash   evm_hash,
    succeeded    boolean,
    checked_at   timestamptz,
    PRIMARY KEY (signer, nonce),                                                   -- I5
    CHECK ((state IN ('MINED', 'FINAL_PAY', 'FINAL_REVERTED', 'FINAL_NOOP'))
           = (winning_hash IS NOT NULL AND block_number IS NOT NULL AND block_hash IS NOT NULL
              AND succeeded IS NOT NULL)),
    CHECK (state <> 'FINAL_PAY' OR payout_id IS NOT NULL)
);
CREATE UNIQUE INDEX payout_slots_one_open ON payout_slots (payout_id)
    WHERE state IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN');                       -- I6
CREATE UNIQUE INDEX payout_slots_one_paid ON payout_slots (payout_id) WHERE state = 'FINAL_PAY';  -- I7
CREATE INDEX payout_slots_open ON payout_slots (signer, nonce) WHERE state IN ('ALLOCATED', 'LIVE', 'MINED');
CREATE INDEX payout_slots_payout ON payout_slots (payout_id, allocated_at);

CREATE TABLE payout_attempts (
    hash                   evm_hash PRIMARY KEY,
    signer                 evm_address NOT NULL,
    nonce                  bigint NOT NULL,
    position               integer NOT NULL CHECK (position > 0),
    kind                   text NOT NULL CHECK (kind IN ('PAY', 'NOOP', 'OTHER')),
    origin                 text NOT NULL DEFAULT 'signed' CHECK (origin IN ('signed', 'recovered')),
    recipient_address      evm_address NOT NULL,
    amount                 micro_usdt NOT NULL CHECK (amount >= 0),
    fee_per_gas_wei_max    numeric(39) NOT NULL CHECK (fee_per_gas_wei_max > 0),
    priority_fee_per_gas_wei_max numeric(39) NOT NULL CHECK (priority_fee_per_gas_wei_max > 0),
    gas_limit              bigint NOT NULL CHECK (gas_limit > 0),
    raw                    bytea NOT NULL,
    epoch                  integer NOT NULL,
    signed_at              timestamptz NOT NULL,
    CHECK (kind <> 'OTHER' OR origin = 'recovered'),  -- what somebody else did with our nonce
    UNIQUE (signer, nonce, position),
    FOREIGN KEY (signer, nonce) REFERENCES payout_slots (signer, nonce)
);
SELECT make_append_only('payout_attempts');                                        -- I9

-- The diary: every change of state (written by the triggers below) and every word with the chain.
CREATE TABLE payout_events (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payout_id    uuid REFERENCES payouts (id),
    signer       evm_address,
    nonce        bigint,
    attempt_hash evm_hash,
    kind         text NOT NULL,
    detail       jsonb NOT NULL DEFAULT '{}',
    happened_at  timestamptz NOT NULL
);
CREATE INDEX payout_events_payout ON payout_events (payout_id, id);
CREATE INDEX payout_events_slot ON payout_events (signer, nonce, id);
SELECT make_append_only('payout_events');

CREATE TABLE payout_transitions (
    from_state payout_state NOT NULL,
    to_state   payout_state NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
INSERT INTO payout_transitions (from_state, to_state) VALUES
    ('REQUESTED', 'APPROVED'), ('REQUESTED', 'HELD'), ('REQUESTED', 'CANCELLED'),
    ('HELD', 'APPROVED'), ('HELD', 'CANCELLED'),
    ('APPROVED', 'RESERVED'), ('APPROVED', 'HELD'), ('APPROVED', 'CANCELLED'),
    ('RESERVED', 'IN_FLIGHT'), ('RESERVED', 'HELD'), ('RESERVED', 'CANCELLED'),
    ('IN_FLIGHT', 'PAID'), ('IN_FLIGHT', 'RESERVED'), ('IN_FLIGHT', 'HELD'), ('IN_FLIGHT', 'QUARANTINED'),
    ('QUARANTINED', 'IN_FLIGHT'), ('QUARANTINED', 'PAID'), ('QUARANTINED', 'HELD');
SELECT make_append_only('payout_transitions');

CREATE TABLE slot_transitions (
    from_state slot_state NOT NULL,
    to_state   slot_state NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
INSERT INTO slot_transitions (from_state, to_state) VALUES
    ('ALLOCATED', 'LIVE'), ('LIVE', 'MINED'), ('MINED', 'LIVE'), ('MINED', 'MINED'),
    ('MINED', 'FINAL_PAY'), ('MINED', 'FINAL_REVERTED'), ('MINED', 'FINAL_NOOP'),
    ('ALLOCATED', 'FOREIGN'), ('LIVE', 'FOREIGN'), ('FOREIGN', 'MINED');
SELECT make_append_only('slot_transitions');

CREATE FUNCTION ledger_has(journal_ref text) RETURNS boolean
LANGUAGE sql STABLE AS $$ SELECT EXISTS (SELECT FROM ledger_journals WHERE ref = journal_ref) $$;

-- I13: a payout is born REQUESTED.
CREATE FUNCTION payout_born() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'REQUESTED' THEN
        PERFORM refuse('I13_born', format('payout %s cannot be born %s', NEW.id, NEW.state));
    END IF;
    INSERT INTO payout_events (payout_id, kind, detail, happened_at)
    VALUES (NEW.id, 'payout_state', jsonb_build_object('to', NEW.state), NEW.state_at);
    RETURN NULL;
END $$;
CREATE TRIGGER payout_born AFTER INSERT ON payouts FOR EACH ROW EXECUTE FUNCTION payout_born();

-- I3, I4, I11 and what each transition must have beside it in the same transaction.
CREATE FUNCTION payout_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    reserved boolean := ledger_has('resv:' || NEW.id) AND NOT ledger_has('cancel:' || NEW.id);
    open_slot slot_state;
    last_slot slot_state;
    paid_slot boolean;
    approvals integer;
BEGIN
    IF (NEW.id, NEW.treasury, NEW.member_id, NEW.scope, NEW.idempotency_key, NEW.body_hash, NEW.source_kind,
        NEW.source_id, NEW.recipient_address, NEW.amount, NEW.requested_at)
       IS DISTINCT FROM
       (OLD.id, OLD.treasury, OLD.member_id, OLD.scope, OLD.idempotency_key, OLD.body_hash, OLD.source_kind,
        OLD.source_id, OLD.recipient_address, OLD.amount, OLD.requested_at) THEN
        PERFORM refuse('I3_terms', format('the terms of payout %s are fixed', OLD.id));
    END IF;
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    IF NOT EXISTS (SELECT FROM payout_transitions WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        PERFORM refuse('I4_transition', format('payout %s: %s to %s', NEW.id, OLD.state, NEW.state));
    END IF;

    SELECT state INTO open_slot FROM payout_slots
    WHERE payout_id = NEW.id AND state IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN');
    SELECT state INTO last_slot FROM payout_slots WHERE payout_id = NEW.id ORDER BY allocated_at DESC, nonce DESC LIMIT 1;
    paid_slot := EXISTS (SELECT FROM payout_slots WHERE payout_id = NEW.id AND state = 'FINAL_PAY');

    IF NEW.state = 'RESERVED' AND NOT reserved THEN
        PERFORM refuse('I12_reserved', format('payout %s has no journal resv', NEW.id));
    END IF;
    IF NEW.state = 'RESERVED' AND OLD.state = 'IN_FLIGHT'
       AND (open_slot IS NOT NULL OR last_slot NOT IN ('FINAL_NOOP', 'FINAL_REVERTED')) THEN
        PERFORM refuse('R2_one_slot', format('payout %s still has a slot that may pay', NEW.id));
    END IF;
    IF NEW.state = 'IN_FLIGHT' AND (open_slot IS NULL OR open_slot = 'FOREIGN' OR NOT reserved) THEN
        PERFORM refuse('I6_open_slot', format('payout %s has no open slot', NEW.id));
    END IF;
    IF NEW.state = 'PAID' AND NOT (paid_slot AND ledger_has('paid:' || NEW.id)) THEN
        PERFORM refuse('I11_paid', format('payout %s lacks FINAL_PAY or its journal', NEW.id));
    END IF;
    IF NEW.state = 'CANCELLED' AND (open_slot IS NOT NULL OR paid_slot OR reserved) THEN
        PERFORM refuse('R2_cancelled', format('payout %s may still pay or holds money', NEW.id));
    END IF;
    IF NEW.state = 'HELD' AND OLD.state = 'IN_FLIGHT' AND (open_slot IS NOT NULL OR last_slot <> 'FINAL_REVERTED') THEN
        PERFORM refuse('R2_held', format('payout %s still has a slot that may pay', NEW.id));
    END IF;
    IF NEW.state = 'HELD' AND OLD.state = 'QUARANTINED' AND (open_slot IS NOT NULL OR paid_slot) THEN
        PERFORM refuse('R2_held', format('payout %s may still pay or has paid', NEW.id));
    END IF;
    IF NEW.state = 'QUARANTINED' AND NOT EXISTS
       (SELECT FROM treasuries WHERE name = NEW.treasury AND paused_at IS NOT NULL) THEN
        PERFORM refuse('R5_paused', format('payout %s is quarantined only together with its treasury', NEW.id));
    END IF;
    IF OLD.state IN ('HELD', 'QUARANTINED') AND NEW.state <> 'CANCELLED' THEN
        SELECT count(DISTINCT approver_id) INTO approvals FROM payout_approvals
        WHERE payout_id = NEW.id AND approved_at >= OLD.state_at;
        IF approvals < greatest(OLD.approvals_needed, CASE OLD.state WHEN 'QUARANTINED' THEN 2 ELSE 0 END) THEN
            PERFORM refuse('approvals', format('payout %s has %s approvals, which is too few', NEW.id, approvals));
        END IF;
    END IF;

    INSERT INTO payout_events (payout_id, kind, detail, happened_at)
    VALUES (NEW.id, 'payout_state', jsonb_strip_nulls(jsonb_build_object(
                'from', OLD.state, 'to', NEW.state, 'hold_reason', NEW.hold_reason)), NEW.state_at);
    RETURN NEW;
END $$;
CREATE TRIGGER payout_changed BEFORE UPDATE ON payouts FOR EACH ROW EXECUTE FUNCTION payout_changed();

CREATE FUNCTION payout_never_deleted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse('never_deleted', format('%s rows are kept for ever', TG_TABLE_NAME));
    RETURN NULL;
END $$;
CREATE TRIGGER never_deleted BEFORE DELETE ON payouts FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_deleted BEFORE DELETE ON payout_slots FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();  -- I5
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON payouts EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON payout_slots EXECUTE FUNCTION payout_never_deleted();

-- I5 and I13: a slot is born ALLOCATED with the signer's next nonce, which it uses up, for a RESERVED payout.
CREATE FUNCTION slot_born() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'ALLOCATED' THEN
        PERFORM refuse('I13_born', format('slot %s cannot be born %s', NEW.nonce, NEW.state));
    END IF;
    UPDATE signers SET next_nonce = next_nonce + 1
    WHERE address = NEW.signer AND next_nonce = NEW.nonce AND status = 'active';
    IF NOT FOUND THEN
        PERFORM refuse('I5_nonce', format('%s is not the next nonce of an active signer', NEW.nonce));
    END IF;
    IF NEW.payout_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM payouts JOIN signers ON signers.treasury = payouts.treasury
        WHERE payouts.id = NEW.payout_id AND payouts.state = 'RESERVED' AND signers.address = NEW.signer) THEN
        PERFORM refuse('R2_reserved', format('payout %s is not reserved at this treasury', NEW.payout_id));
    END IF;
    INSERT INTO payout_events (payout_id, signer, nonce, kind, detail, happened_at)
    VALUES (NEW.payout_id, NEW.signer, NEW.nonce, 'slot_state', jsonb_build_object('to', NEW.state), NEW.state_at);
    RETURN NEW;
END $$;
CREATE TRIGGER slot_born BEFORE INSERT ON payout_slots FOR EACH ROW EXECUTE FUNCTION slot_born();

-- I4 for slots, and I10: the winner is one of our attempts and fits its kind and outcome.
CREATE FUNCTION slot_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    winner_kind text;
BEGIN
    IF (NEW.signer, NEW.nonce, NEW.payout_id, NEW.allocated_at)
       IS DISTINCT FROM (OLD.signer, OLD.nonce, OLD.payout_id, OLD.allocated_at) THEN
        PERFORM refuse('I5_nonce', format('slot %s stays what it is for', OLD.nonce));
    END IF;
    IF (NEW.state, NEW.winning_hash, NEW.block_number, NEW.block_hash, NEW.succeeded)
       IS NOT DISTINCT FROM (OLD.state, OLD.winning_hash, OLD.block_number, OLD.block_hash, OLD.succeeded) THEN
        RETURN NEW;  -- only looked at again
    END IF;
    IF NOT EXISTS (SELECT FROM slot_transitions WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        PERFORM refuse('I4_transition', format('slot %s: %s to %s', NEW.nonce, OLD.state, NEW.state));
    END IF;
    IF NEW.state = 'LIVE' AND NOT EXISTS
       (SELECT FROM payout_attempts WHERE signer = NEW.signer AND nonce = NEW.nonce) THEN
        PERFORM refuse('R1_stored', format('slot %s has no stored attempt', NEW.nonce));
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
CREATE TRIGGER slot_changed BEFORE UPDATE ON payout_slots FOR EACH ROW EXECUTE FUNCTION slot_changed();

-- I8, I9, R3, R6, R7: what may be signed for a slot, by whom, and with which fees.
CREATE FUNCTION attempt_born() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    slot   payout_slots%ROWTYPE;
    signer signers%ROWTYPE;
    payout payouts%ROWTYPE;
    treasury treasuries%ROWTYPE;
    last   payout_attempts%ROWTYPE;
BEGIN
    SELECT * INTO signer FROM signers WHERE address = NEW.signer FOR SHARE;
    SELECT * INTO slot FROM payout_slots WHERE payout_slots.signer = NEW.signer AND nonce = NEW.nonce FOR UPDATE;
    SELECT * INTO payout FROM payouts WHERE id = slot.payout_id;
    SELECT * INTO treasury FROM treasuries WHERE name = signer.treasury FOR SHARE;
    SELECT * INTO last FROM payout_attempts
    WHERE payout_attempts.signer = NEW.signer AND nonce = NEW.nonce ORDER BY position DESC LIMIT 1;

    IF NEW.origin = 'signed' AND NEW.epoch <> signer.epoch THEN
        PERFORM refuse('R6_epoch', format('epoch %s is over, it is %s', NEW.epoch, signer.epoch));
    END IF;
    IF NEW.origin = 'signed' AND slot.state NOT IN ('ALLOCATED', 'LIVE') THEN
        PERFORM refuse('R2_slot', format('slot %s is %s', NEW.nonce, slot.state));
    END IF;
    IF NEW.kind = 'PAY' AND (payout.id IS NULL OR NEW.recipient_address <> payout.recipient_address
                             OR NEW.amount <> payout.amount) THEN
        PERFORM refuse('I8_terms', format('the attempt for slot %s is not its payout', NEW.nonce));
    END IF;
    IF NEW.kind = 'NOOP' AND (NEW.recipient_address <> NEW.signer OR NEW.amount <> 0) THEN
        PERFORM refuse('I8_terms', format('a no-op pays nothing to the signer itself, slot %s', NEW.nonce));
    END IF;
    IF NEW.kind = 'PAY' AND NEW.origin = 'signed' AND treasury.paused_at IS NOT NULL
       AND NOT (slot.state = 'LIVE' AND treasury.finish_live) THEN
        PERFORM refuse('R7_paused', format('treasury %s is paused', treasury.name));
    END IF;
    IF NEW.position <> coalesce(last.position, 0) + 1 THEN
        PERFORM refuse('I9_position', format('attempt %s does not follow %s', NEW.position, last.position));
    END IF;
    IF last.kind = 'NOOP' AND NEW.kind = 'PAY' AND NEW.origin = 'signed' THEN
        PERFORM refuse('R3_noop', format('slot %s was given up', NEW.nonce));
    END IF;
    IF last.hash IS NOT NULL AND NEW.origin = 'signed'
       AND (NEW.fee_per_gas_wei_max * 8 < last.fee_per_gas_wei_max * 9
            OR NEW.priority_fee_per_gas_wei_max * 8 < last.priority_fee_per_gas_wei_max * 9) THEN
        PERFORM refuse('I9_fees', format('a replacement for slot %s must raise both fees by an eighth', NEW.nonce));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER attempt_born BEFORE INSERT ON payout_attempts FOR EACH ROW EXECUTE FUNCTION attempt_born();
