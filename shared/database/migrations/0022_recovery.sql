-- Payouts that may be paid already, foreign nonces that people explain, payments that moved the money otherwise.

-- What a person says that a foreign transaction of nobody's nonce was: the payment of a payout of the same treasury, or
-- (payout_id empty) none of ours. A person has one word, which may change as long as the nonce is FOREIGN.
CREATE TABLE foreign_explanations (
    signer       evm_address NOT NULL,
    nonce        bigint NOT NULL,
    person_id    uuid NOT NULL REFERENCES members (id),
    payout_id    uuid REFERENCES payouts (id),
    why          text NOT NULL,
    explained_at timestamptz NOT NULL,
    PRIMARY KEY (signer, nonce, person_id),
    FOREIGN KEY (signer, nonce) REFERENCES payout_slots (signer, nonce)
);
CREATE INDEX foreign_explanations_payout ON foreign_explanations (payout_id);
CREATE INDEX foreign_explanations_person ON foreign_explanations (person_id);
CREATE TRIGGER never_deleted BEFORE DELETE ON foreign_explanations FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON foreign_explanations EXECUTE FUNCTION payout_never_deleted();

CREATE FUNCTION explanation_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM payout_slots slot
                   WHERE slot.signer = NEW.signer AND slot.nonce = NEW.nonce AND slot.state = 'FOREIGN'
                     AND slot.payout_id IS NULL) THEN
        PERFORM refuse('explained', format('nonce %s of %s is no open question', NEW.nonce, NEW.signer));
    END IF;
    IF EXISTS (SELECT FROM payouts JOIN signers ON signers.address = NEW.signer
               WHERE payouts.id = NEW.payout_id AND payouts.treasury <> signers.treasury) THEN
        PERFORM refuse('explained', format('payout %s is of another treasury than %s', NEW.payout_id, NEW.signer));
    END IF;
    IF EXISTS (SELECT FROM payouts WHERE id = NEW.payout_id AND NEW.person_id IN (member_id, requested_by)) THEN
        PERFORM refuse('approvals', format('payout %s is the approver''s own', NEW.payout_id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER explanation_changed BEFORE INSERT OR UPDATE ON foreign_explanations FOR EACH ROW
    EXECUTE FUNCTION explanation_changed();

-- R8: while a foreign transaction may have paid a payout, nobody approves it and it gets no nonce. Two people who
-- explain that transaction as this payout's payment are the exception: their approvals let its hold go.
CREATE FUNCTION payout_in_doubt(payout payouts) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT may_be_paid_already(payout) AND NOT EXISTS (
        SELECT FROM foreign_explanations said
        JOIN payout_slots slot ON slot.signer = said.signer AND slot.nonce = said.nonce
                              AND slot.state = 'FOREIGN' AND slot.payout_id IS NULL
        WHERE said.payout_id = payout.id
        GROUP BY said.signer, said.nonce HAVING count(*) >= 2)
$$;

CREATE FUNCTION approval_is_certain() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM payouts WHERE id = NEW.payout_id AND state = 'HELD' AND payout_in_doubt(payouts)) THEN
        PERFORM refuse('R8_unexplained', format('payout %s may have been paid by a foreign transaction', NEW.payout_id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approval_is_certain BEFORE INSERT ON payout_approvals FOR EACH ROW EXECUTE FUNCTION approval_is_certain();

CREATE FUNCTION release_is_certain() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF payout_in_doubt(OLD) THEN
        PERFORM refuse('R8_unexplained', format('payout %s may have been paid by a foreign transaction', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER release_is_certain BEFORE UPDATE ON payouts FOR EACH ROW
    WHEN (OLD.state = 'HELD' AND NEW.state = 'APPROVED') EXECUTE FUNCTION release_is_certain();

CREATE FUNCTION slot_pays_what_is_owed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM payouts WHERE id = NEW.payout_id AND may_be_paid_already(payouts)) THEN
        PERFORM refuse('R8_unexplained', format('payout %s may have been paid by a foreign transaction', NEW.payout_id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER slot_pays_what_is_owed BEFORE INSERT ON payout_slots FOR EACH ROW
    WHEN (NEW.payout_id IS NOT NULL) EXECUTE FUNCTION slot_pays_what_is_owed();

-- As before, and: a key is retired although people have not explained yet what somebody else did with it. A FOREIGN
-- nonce is used up on the finalized chain: nothing can be signed for it any more, and it stays a question.
CREATE OR REPLACE FUNCTION signer_changed() RETURNS trigger
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
       (SELECT FROM payout_slots WHERE signer = OLD.address AND state IN ('ALLOCATED', 'LIVE', 'MINED')) THEN
        PERFORM refuse('I5_signer', format('signer %s has open slots', OLD.address));
    END IF;
    RETURN NEW;
END $$;

-- Two people have agreed to end the quarantine that a payout is in.
CREATE FUNCTION payout_is_judged(identity uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM payouts
        WHERE id = identity AND state = 'QUARANTINED'
          AND (SELECT count(*) FROM payout_approvals WHERE payout_id = payouts.id AND hold = payouts.holds)
              >= greatest(payouts.approvals_needed, 2))
$$;

-- As before, and: a payment that ran to its end (`succeeded` is what its receipt says) is called FINAL_REVERTED only
-- when its payout is in quarantine because it moved the money otherwise, and two people have agreed to end that.
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
           OR (NEW.state = 'FINAL_REVERTED' AND NOT (winner_kind = 'PAY' AND (
                   NOT NEW.succeeded OR payout_is_judged(NEW.payout_id))))
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
