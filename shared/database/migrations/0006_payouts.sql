-- The payout machine: a promise (payouts), its nonces (payout_slots), its signatures (payout_attempts); the latter two
-- are in the next migration. The rules I1 to I13 hold here, whatever the code does. docs/payouts.md explains them.

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
CREATE UNIQUE INDEX signers_address ON signers (lower(address));
-- What a treasury is, is the operators' to say; functions pause it and go on.
REVOKE UPDATE, DELETE ON treasuries FROM blakjaks_app;
GRANT UPDATE (paused_at, pause_reason, finish_live) ON treasuries TO blakjaks_app;

CREATE TABLE payouts (
    id                uuid PRIMARY KEY,
    treasury          text NOT NULL REFERENCES treasuries (name),
    member_id         uuid REFERENCES members (id),
    scope             text NOT NULL,
    idempotency_key   text NOT NULL,
    body_hash         bytea NOT NULL,
    source_kind       text NOT NULL CHECK (source_kind ~ '^[a-z_]+$'),
    source_id         text NOT NULL CHECK (source_id ~ '^[a-z0-9_:.-]+$'),         -- one spelling for one source
    recipient_address evm_address NOT NULL,
    amount            micro_usdt NOT NULL CHECK (amount > 0),
    requested_by      uuid REFERENCES members (id),                                -- of a manual transfer
    requested_at      timestamptz NOT NULL,
    state             payout_state NOT NULL DEFAULT 'REQUESTED',
    state_at          timestamptz NOT NULL,
    hold_reason       hold_reason,
    approvals_needed  smallint NOT NULL DEFAULT 0,
    holds             integer NOT NULL DEFAULT 0,                                  -- how often it was held so far
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
    hold        integer NOT NULL,  -- which of the payout's holds: an approval is spent with it
    approver_id uuid NOT NULL REFERENCES members (id),
    evidence    jsonb NOT NULL DEFAULT '{}',
    approved_at timestamptz NOT NULL,
    UNIQUE (payout_id, hold, approver_id)
);
SELECT make_append_only('payout_approvals');

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
REVOKE INSERT ON payout_transitions FROM blakjaks_app;

-- Its amount is set aside, and not given back.
CREATE FUNCTION payout_reserved(payout payouts) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT ledger_has('resv:' || payout.id, 'in_flight:' || payout.treasury, payout.amount)
       AND NOT ledger_has('cancel:' || payout.id, 'in_flight:' || payout.treasury, -payout.amount)
$$;

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

-- I3 and I4: the terms are fixed, the state moves along the table, and everything else moves only with the state.
CREATE FUNCTION payout_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.treasury, NEW.member_id, NEW.scope, NEW.idempotency_key, NEW.body_hash, NEW.source_kind,
        NEW.source_id, NEW.recipient_address, NEW.amount, NEW.requested_by, NEW.requested_at, NEW.holds)
       IS DISTINCT FROM
       (OLD.id, OLD.treasury, OLD.member_id, OLD.scope, OLD.idempotency_key, OLD.body_hash, OLD.source_kind,
        OLD.source_id, OLD.recipient_address, OLD.amount, OLD.requested_by, OLD.requested_at, OLD.holds) THEN
        PERFORM refuse('I3_terms', format('the terms of payout %s are fixed', OLD.id));
    END IF;
    IF NEW IS NOT DISTINCT FROM OLD THEN
        RETURN NEW;
    END IF;
    IF NOT EXISTS (SELECT FROM payout_transitions WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        PERFORM refuse('I4_transition', format('payout %s: %s to %s', NEW.id, OLD.state, NEW.state));
    END IF;
    PERFORM payout_may_leave(OLD, NEW.state);
    PERFORM payout_may_become(NEW, OLD.state);
    IF NEW.state IN ('HELD', 'QUARANTINED') THEN
        NEW.holds := OLD.holds + 1;
    END IF;
    INSERT INTO payout_events (payout_id, kind, detail, happened_at)
    VALUES (NEW.id, 'payout_state', jsonb_strip_nulls(jsonb_build_object(
                'from', OLD.state, 'to', NEW.state, 'hold_reason', NEW.hold_reason)), NEW.state_at);
    RETURN NEW;
END $$;
CREATE TRIGGER payout_changed BEFORE UPDATE ON payouts FOR EACH ROW EXECUTE FUNCTION payout_changed();

-- The policy lets a new one pass; people let go what is held or in quarantine.
CREATE FUNCTION payout_may_leave(payout payouts, target payout_state) RETURNS void
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
END $$;

-- I6, I11, I12, R2 and R5: what a state must find in the ledger and on the nonces, in the same transaction.
CREATE FUNCTION payout_may_become(payout payouts, before payout_state) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    reserved boolean := payout_reserved(payout);
    open_slot slot_state;
    paid_hash evm_hash;
BEGIN
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

-- An approval counts for the hold that its approver has seen, and never from who asks for the money or gets it.
CREATE FUNCTION approval_born() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    payout payouts%ROWTYPE;
BEGIN
    SELECT * INTO payout FROM payouts WHERE id = NEW.payout_id FOR SHARE;
    IF payout.state NOT IN ('HELD', 'QUARANTINED') THEN
        PERFORM refuse('approvals', format('payout %s waits for nobody', NEW.payout_id));
    END IF;
    IF NEW.approver_id IN (payout.member_id, payout.requested_by) THEN
        PERFORM refuse('approvals', format('payout %s is the approver''s own', NEW.payout_id));
    END IF;
    NEW.hold := payout.holds;
    RETURN NEW;
END $$;
CREATE TRIGGER approval_born BEFORE INSERT ON payout_approvals FOR EACH ROW EXECUTE FUNCTION approval_born();

-- I5 and R6: a signer stays what it is, its epoch only rises, its nonce rises only with a slot, its status only ages.
CREATE FUNCTION signer_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.address, NEW.treasury, NEW.kms_version, NEW.created_at)
       IS DISTINCT FROM (OLD.address, OLD.treasury, OLD.kms_version, OLD.created_at) THEN
        PERFORM refuse('I5_signer', format('signer %s stays what it is', OLD.address));
    END IF;
    IF NEW.next_nonce <> OLD.next_nonce AND NOT (NEW.next_nonce = OLD.next_nonce + 1 AND EXISTS
       (SELECT FROM payout_slots WHERE signer = OLD.address AND nonce = OLD.next_nonce)) THEN
        PERFORM refuse('I5_nonce', format('nonce %s is used by a slot alone', OLD.next_nonce));
    END IF;
    IF NEW.epoch < OLD.epoch THEN
        PERFORM refuse('R6_epoch', format('epoch %s is over', NEW.epoch));
    END IF;
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (('active', 'draining'), ('draining', 'retired')) THEN
        PERFORM refuse('I5_signer', format('signer %s: %s to %s', OLD.address, OLD.status, NEW.status));
    END IF;
    IF NEW.status = 'retired' AND EXISTS
       (SELECT FROM payout_slots WHERE signer = OLD.address AND state IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN')) THEN
        PERFORM refuse('I5_signer', format('signer %s has open slots', OLD.address));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER signer_changed BEFORE UPDATE ON signers FOR EACH ROW EXECUTE FUNCTION signer_changed();

CREATE FUNCTION payout_never_deleted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse('never_deleted', format('%s rows are kept for ever', TG_TABLE_NAME));
    RETURN NULL;
END $$;
CREATE TRIGGER never_deleted BEFORE DELETE ON payouts FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_deleted BEFORE DELETE ON signers FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON payouts EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON signers EXECUTE FUNCTION payout_never_deleted();
