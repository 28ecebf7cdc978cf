-- Members: what took a withdrawal's nonce, wallets that send by themselves, rest after another wallet was linked,
-- one guarantee per person, and names that are never given to somebody else.

-- Withdrawals. `transaction_hash` is what the member has signed or sent; `outcome_hash` is the transaction that used the
-- nonce on the chain, which is another one when the wallet has raised the fee. A wallet that signs only by sending
-- leaves no bytes. Nothing took the nonce before `prepared_block`.
ALTER TABLE withdrawals
    ADD COLUMN prepared_block bigint CHECK (prepared_block >= 0),
    ADD COLUMN outcome_hash evm_hash;

DO $$
DECLARE
    name text;
BEGIN  -- the three checks that tie the state, the hash and the time to the bytes; they have no names of their own
    FOR name IN SELECT conname FROM pg_constraint
                WHERE conrelid = 'withdrawals'::regclass AND contype = 'c' AND pg_get_constraintdef(oid) LIKE '%raw IS NULL%'
    LOOP
        EXECUTE format('ALTER TABLE withdrawals DROP CONSTRAINT %I', name);
    END LOOP;
END $$;
ALTER TABLE withdrawals
    ADD CONSTRAINT withdrawals_hash_by_state
        CHECK ((state IN ('prepared', 'cancelled', 'expired')) = (transaction_hash IS NULL)),
    ADD CONSTRAINT withdrawals_bytes_have_a_hash CHECK (raw IS NULL OR transaction_hash IS NOT NULL),
    ADD CONSTRAINT withdrawals_hash_has_a_time CHECK ((transaction_hash IS NULL) = (signed_at IS NULL)),
    ADD CONSTRAINT withdrawals_outcome_is_final
        CHECK (outcome_hash IS NULL OR state IN ('confirmed', 'reverted', 'replaced'));

-- A wallet may send what was cancelled or has expired here meanwhile.
INSERT INTO withdrawal_transitions (from_state, to_state) VALUES ('cancelled', 'signed'), ('expired', 'signed');

-- Of a withdrawal without bytes, too, the hash is given once; what is final stays what it is.
CREATE FUNCTION withdrawal_hash_fixed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.transaction_hash IS NOT NULL AND (NEW.raw, NEW.transaction_hash, NEW.signed_at)
       IS DISTINCT FROM (OLD.raw, OLD.transaction_hash, OLD.signed_at) THEN
        PERFORM refuse('withdrawal_signature', format('withdrawal %s is signed once', OLD.id));
    END IF;
    IF OLD.state IN ('cancelled', 'expired') AND NEW.state = 'signed' AND NEW.raw IS NOT NULL THEN
        PERFORM refuse('withdrawal_transition', format('withdrawal %s is closed: only its wallet can have sent it', OLD.id));
    END IF;
    IF OLD.state IN ('confirmed', 'reverted', 'replaced') AND NEW.outcome_hash IS DISTINCT FROM OLD.outcome_hash THEN
        PERFORM refuse('withdrawal_final', format('withdrawal %s is final', OLD.id));
    END IF;
    IF NEW.prepared_block IS DISTINCT FROM OLD.prepared_block THEN
        PERFORM refuse('withdrawal_terms', format('the terms of withdrawal %s are fixed', OLD.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER withdrawal_hash_fixed BEFORE UPDATE ON withdrawals
    FOR EACH ROW EXECUTE FUNCTION withdrawal_hash_fixed();

-- Who has had the guarantee under a keyed fingerprint of the mailbox, the wallet or a device (shared/fingerprints.py).
-- It outlives the account: one guarantee per person.
CREATE TABLE guarantee_claims (
    kind        text NOT NULL CHECK (kind IN ('address', 'wallet', 'device')),
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    member_id   uuid NOT NULL REFERENCES members (id),
    claimed_at  timestamptz NOT NULL,
    PRIMARY KEY (kind, fingerprint)
);
CREATE INDEX guarantee_claims_member ON guarantee_claims (member_id);

-- A guarantee of somebody who seems to have had one before. Nothing of it is given or paid until a person decides.
CREATE TABLE guarantee_reviews (
    id         uuid PRIMARY KEY,
    member_id  uuid NOT NULL REFERENCES members (id),
    score      integer NOT NULL CHECK (score BETWEEN 1 AND 100),
    signals    jsonb NOT NULL CHECK (jsonb_array_length(signals) > 0),
    status     text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'granted', 'refused')),
    asked_at   timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by uuid REFERENCES members (id),
    note       text,
    CHECK (decided_by <> member_id),
    CHECK ((status = 'waiting') = (decided_at IS NULL)),
    CHECK ((status = 'waiting') = (decided_by IS NULL)),
    CHECK ((status = 'waiting') = (note IS NULL))
);
CREATE UNIQUE INDEX guarantee_reviews_withheld ON guarantee_reviews (member_id) WHERE status <> 'granted';
CREATE INDEX guarantee_reviews_member ON guarantee_reviews (member_id);
CREATE INDEX guarantee_reviews_newest ON guarantee_reviews (asked_at DESC, id DESC);
CREATE INDEX guarantee_reviews_waiting ON guarantee_reviews (asked_at DESC, id DESC) WHERE status = 'waiting';
CREATE INDEX guarantee_reviews_decided_by ON guarantee_reviews (decided_by) WHERE decided_by IS NOT NULL;

CREATE FUNCTION guarantee_review_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> 'waiting' OR (NEW.id, NEW.member_id, NEW.asked_at)
       IS DISTINCT FROM (OLD.id, OLD.member_id, OLD.asked_at) THEN
        PERFORM refuse('guarantee_review_decided', format('guarantee review %s is decided once', OLD.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guarantee_review_changed BEFORE UPDATE ON guarantee_reviews
    FOR EACH ROW EXECUTE FUNCTION guarantee_review_changed();
CREATE TRIGGER never_deleted BEFORE DELETE ON guarantee_reviews
    FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();

-- While it is withheld nothing of a guarantee is awarded, and nothing that was awarded before is paid.
CREATE FUNCTION guarantee_is_withheld() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM guarantee_reviews WHERE member_id = NEW.member_id AND status <> 'granted') THEN
        PERFORM refuse('guarantee_withheld', format('the guarantee of member %s is withheld', NEW.member_id));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER guarantee_is_withheld AFTER INSERT ON comps FOR EACH ROW
    WHEN (NEW.source_kind = 'guarantee') EXECUTE FUNCTION guarantee_is_withheld();

CREATE FUNCTION payout_of_withheld_guarantee() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM comps
               JOIN guarantee_reviews ON guarantee_reviews.member_id = comps.member_id AND guarantee_reviews.status <> 'granted'
               WHERE comps.id = NEW.source_id::uuid AND comps.source_kind = 'guarantee') THEN
        PERFORM refuse('guarantee_withheld', format('the guarantee of comp %s is withheld', NEW.source_id));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payout_of_withheld_guarantee AFTER INSERT ON payouts FOR EACH ROW
    WHEN (NEW.source_kind = 'comp' AND NEW.source_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
    EXECUTE FUNCTION payout_of_withheld_guarantee();

-- Another wallet gets no comps for a day, in which its owner is told. The first one gets them at once.
ALTER TABLE members ADD COLUMN wallet_rests_until timestamptz;
CREATE INDEX members_wallet_rests ON members (wallet_rests_until) WHERE wallet_rests_until IS NOT NULL;

CREATE FUNCTION wallet_rests() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.wallet_rests_until := NEW.updated_at + interval '24 hours';
    RETURN NEW;
END $$;
CREATE TRIGGER wallet_rests BEFORE UPDATE OF wallet_address ON members FOR EACH ROW
    WHEN (lower(OLD.wallet_address) <> lower(NEW.wallet_address)) EXECUTE FUNCTION wallet_rests();

CREATE FUNCTION payout_to_resting_wallet() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM members WHERE id = NEW.member_id AND lower(wallet_address) = lower(NEW.recipient_address)
                                     AND wallet_rests_until > NEW.requested_at) THEN
        PERFORM refuse('wallet_rests', format('the wallet of member %s rests', NEW.member_id));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payout_to_resting_wallet AFTER INSERT ON payouts FOR EACH ROW
    WHEN (NEW.source_kind IN ('comp', 'match')) EXECUTE FUNCTION payout_to_resting_wallet();

-- A name that a member gave up leads to that member for ever: nobody else can have it.
CREATE TABLE former_usernames (
    name        text PRIMARY KEY CHECK (name = lower(name)),
    member_id   uuid NOT NULL REFERENCES members (id),
    given_up_at timestamptz NOT NULL
);
CREATE INDEX former_usernames_member ON former_usernames (member_id, given_up_at DESC);

-- Names of accounts that were deleted, as keyed fingerprints: they lead to nobody, and nobody else can have them.
CREATE TABLE retired_names (
    fingerprint bytea PRIMARY KEY CHECK (octet_length(fingerprint) = 32),
    retired_at  timestamptz NOT NULL
);
SELECT make_append_only('retired_names');

-- After the row is written, so that whoever waited for the name on its index sees what was given up meanwhile.
CREATE FUNCTION username_given_up() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM former_usernames WHERE name = lower(NEW.username) AND member_id <> NEW.id) THEN
        PERFORM refuse('username_former', format('the name %s leads to another member', NEW.username));
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.status <> 'deleted' AND lower(NEW.username) <> lower(OLD.username) THEN
        INSERT INTO former_usernames AS former (name, member_id, given_up_at)
        VALUES (lower(OLD.username), NEW.id, NEW.updated_at)
        ON CONFLICT (name) DO UPDATE SET given_up_at = EXCLUDED.given_up_at WHERE former.member_id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER username_given_up AFTER INSERT OR UPDATE OF username ON members
    FOR EACH ROW EXECUTE FUNCTION username_given_up();
