-- A payout's nonces and signatures: payout_slots, payout_attempts, and what they must be beside their payout.

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

CREATE TABLE slot_transitions (
    from_state slot_state NOT NULL,
    to_state   slot_state NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
INSERT INTO slot_transitions (from_state, to_state) VALUES
    ('ALLOCATED', 'LIVE'), ('LIVE', 'MINED'), ('MINED', 'LIVE'), ('MINED', 'MINED'),
    ('MINED', 'FINAL_PAY'), ('MINED', 'FINAL_REVERTED'), ('MINED', 'FINAL_NOOP'),
    ('ALLOCATED', 'FOREIGN'), ('LIVE', 'FOREIGN'), ('FOREIGN', 'MINED'),
    ('FOREIGN', 'LIVE'), ('FOREIGN', 'ALLOCATED');  -- when it was called foreign by mistake
SELECT make_append_only('slot_transitions');
REVOKE INSERT ON slot_transitions FROM blakjaks_app;
CREATE TRIGGER never_deleted BEFORE DELETE ON payout_slots FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();  -- I5
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON payout_slots EXECUTE FUNCTION payout_never_deleted();

-- I5 and I13: a slot is born ALLOCATED with the signer's next nonce, for a RESERVED payout. A draining signer closes
-- its gaps and moves its rest to the next one. Payout first, then signer: everybody locks in that order.
CREATE FUNCTION slot_born() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    payout payouts%ROWTYPE;
    signer signers%ROWTYPE;
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
    IF NEW.payout_id IS NOT NULL
       AND (payout.state, payout.treasury) IS DISTINCT FROM ('RESERVED'::payout_state, signer.treasury) THEN
        PERFORM refuse('R2_reserved', format('payout %s is not reserved at this treasury', NEW.payout_id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER slot_born BEFORE INSERT ON payout_slots FOR EACH ROW EXECUTE FUNCTION slot_born();

-- Only a slot that is really there uses up its nonce: a gap would hold up every later payment.
CREATE FUNCTION slot_is_there() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE signers SET next_nonce = next_nonce + 1 WHERE address = NEW.signer;
    INSERT INTO payout_events (payout_id, signer, nonce, kind, detail, happened_at)
    VALUES (NEW.payout_id, NEW.signer, NEW.nonce, 'slot_state', jsonb_build_object('to', NEW.state), NEW.state_at);
    RETURN NULL;
END $$;
CREATE TRIGGER slot_is_there AFTER INSERT ON payout_slots FOR EACH ROW EXECUTE FUNCTION slot_is_there();

-- When the transaction commits, slot and payout say the same: open is in flight, paid is paid.
CREATE FUNCTION slot_coupled() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    slot   slot_state;
    payout payout_state;
BEGIN
    SELECT state INTO slot FROM payout_slots WHERE signer = NEW.signer AND nonce = NEW.nonce;
    SELECT state INTO payout FROM payouts WHERE id = NEW.payout_id;
    IF (slot = 'FINAL_PAY') <> (payout = 'PAID')
       OR (slot IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN') AND payout NOT IN ('IN_FLIGHT', 'QUARANTINED'))
       OR (payout = 'IN_FLIGHT' AND NOT EXISTS (
               SELECT FROM payout_slots
               WHERE payout_id = NEW.payout_id AND state IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN'))) THEN
        PERFORM refuse('coupled', format('slot %s is %s, payout %s is %s', NEW.nonce, slot, NEW.payout_id, payout));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER slot_coupled_at_birth AFTER INSERT ON payout_slots
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.payout_id IS NOT NULL) EXECUTE FUNCTION slot_coupled();
CREATE CONSTRAINT TRIGGER slot_coupled AFTER UPDATE ON payout_slots
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.payout_id IS NOT NULL AND NEW.state IS DISTINCT FROM OLD.state) EXECUTE FUNCTION slot_coupled();

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
CREATE TRIGGER slot_changed BEFORE UPDATE ON payout_slots FOR EACH ROW EXECUTE FUNCTION slot_changed();

-- I8, I9, R2, R3, R6, R7 and R8: what may be signed for a slot, by whom, and with which fees; and what may be told of
-- it from the chain, which only happens while the treasury is paused.
CREATE FUNCTION attempt_born() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    slot   payout_slots%ROWTYPE;
    signer signers%ROWTYPE;
    payout payouts%ROWTYPE;
    treasury treasuries%ROWTYPE;
    last   payout_attempts%ROWTYPE;
    given_up boolean;
BEGIN
    SELECT * INTO payout FROM payouts
    WHERE id = (SELECT payout_id FROM payout_slots WHERE payout_slots.signer = NEW.signer AND nonce = NEW.nonce)
    FOR SHARE;
    SELECT * INTO signer FROM signers WHERE address = NEW.signer FOR SHARE;
    SELECT * INTO slot FROM payout_slots WHERE payout_slots.signer = NEW.signer AND nonce = NEW.nonce FOR UPDATE;
    SELECT * INTO treasury FROM treasuries WHERE name = signer.treasury FOR SHARE;
    given_up := EXISTS (
        SELECT FROM payout_attempts WHERE payout_attempts.signer = NEW.signer AND nonce = NEW.nonce AND kind = 'NOOP');
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
    IF NEW.origin = 'recovered' AND treasury.paused_at IS NULL THEN
        PERFORM refuse('R8_paused', format('treasury %s is not paused', treasury.name));
    END IF;
    IF NEW.kind = 'PAY' AND NEW.origin = 'signed' AND payout.state <> 'IN_FLIGHT' THEN
        PERFORM refuse('R2_in_flight', format('payout %s is %s', payout.id, payout.state));
    END IF;
    IF NEW.kind = 'PAY' AND NEW.origin = 'signed' AND treasury.paused_at IS NOT NULL
       AND NOT (slot.state = 'LIVE' AND treasury.finish_live) THEN
        PERFORM refuse('R7_paused', format('treasury %s is paused', treasury.name));
    END IF;
    IF NEW.position <> coalesce(last.position, 0) + 1 THEN
        PERFORM refuse('I9_position', format('attempt %s does not follow %s', NEW.position, last.position));
    END IF;
    IF given_up AND NEW.kind = 'PAY' AND NEW.origin = 'signed' THEN
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
