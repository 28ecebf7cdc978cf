-- Withdrawals that members sign themselves, and what their wallets have seen. docs/withdrawals.md explains the states.

CREATE TYPE withdrawal_state AS ENUM
    ('prepared', 'signed', 'mined', 'lapsed', 'confirmed', 'reverted', 'replaced', 'cancelled', 'expired');

-- One transfer of the token out of a member's own wallet. What was prepared is all that may be signed; what was signed
-- is kept before any of it is sent, and is sent again as it is.
CREATE TABLE withdrawals (
    id                   uuid PRIMARY KEY,
    member_id            uuid NOT NULL REFERENCES members (id),
    from_address         evm_address NOT NULL,
    to_address           evm_address NOT NULL,
    amount               micro_usdt NOT NULL CHECK (amount > 0),
    chain_id             bigint NOT NULL CHECK (chain_id > 0),
    token_address        evm_address NOT NULL,
    nonce                bigint NOT NULL CHECK (nonce >= 0),
    gas_limit            bigint NOT NULL CHECK (gas_limit > 0),
    fee_per_gas_wei_max  bigint NOT NULL CHECK (fee_per_gas_wei_max > 0),
    priority_fee_per_gas_wei_max bigint NOT NULL CHECK (priority_fee_per_gas_wei_max > 0),
    prepared_at          timestamptz NOT NULL,
    expires_at           timestamptz NOT NULL,
    state                withdrawal_state NOT NULL DEFAULT 'prepared',
    state_at             timestamptz NOT NULL,
    raw                  bytea,
    transaction_hash     evm_hash UNIQUE,
    signed_at            timestamptz,
    checked_at           timestamptz,
    block_number         bigint,
    block_hash           evm_hash,
    succeeded            boolean,
    CHECK (lower(from_address) <> lower(to_address)),
    CHECK (expires_at > prepared_at),
    CHECK (priority_fee_per_gas_wei_max <= fee_per_gas_wei_max),
    CHECK ((state IN ('prepared', 'cancelled', 'expired')) = (raw IS NULL)),
    CHECK ((raw IS NULL) = (transaction_hash IS NULL)),
    CHECK ((raw IS NULL) = (signed_at IS NULL)),
    CHECK ((state IN ('mined', 'confirmed', 'reverted'))
           = (block_number IS NOT NULL AND block_hash IS NOT NULL AND succeeded IS NOT NULL)),
    CHECK (state <> 'confirmed' OR succeeded),
    CHECK (state <> 'reverted' OR NOT succeeded)
);
-- One at a time for a wallet, whoever it belongs to: so no nonce is ever given to two that may both be sent.
CREATE UNIQUE INDEX withdrawals_one_open ON withdrawals (lower(from_address))
    WHERE state IN ('prepared', 'signed', 'mined');
CREATE INDEX withdrawals_member ON withdrawals (member_id, prepared_at DESC, id DESC);
CREATE INDEX withdrawals_unsigned ON withdrawals (expires_at) WHERE state = 'prepared';
CREATE INDEX withdrawals_followed ON withdrawals (checked_at) WHERE state IN ('signed', 'mined', 'lapsed');

CREATE TABLE withdrawal_transitions (
    from_state withdrawal_state NOT NULL,
    to_state   withdrawal_state NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
INSERT INTO withdrawal_transitions (from_state, to_state) VALUES
    ('prepared', 'signed'), ('prepared', 'cancelled'), ('prepared', 'expired'),
    ('signed', 'mined'), ('signed', 'lapsed'), ('signed', 'replaced'),
    ('mined', 'mined'), ('mined', 'signed'), ('mined', 'confirmed'), ('mined', 'reverted'), ('mined', 'replaced'),
    ('lapsed', 'confirmed'), ('lapsed', 'reverted'), ('lapsed', 'replaced');  -- not by way of 'mined': it is not open
SELECT make_append_only('withdrawal_transitions');
REVOKE INSERT ON withdrawal_transitions FROM blakjaks_app;

-- The diary: every change of state, written by the triggers below.
CREATE TABLE withdrawal_events (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    withdrawal_id uuid NOT NULL REFERENCES withdrawals (id),
    state         withdrawal_state NOT NULL,
    block_number  bigint,
    happened_at   timestamptz NOT NULL
);
CREATE INDEX withdrawal_events_withdrawal ON withdrawal_events (withdrawal_id, id);
SELECT make_append_only('withdrawal_events');

CREATE FUNCTION withdrawal_born() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'prepared' THEN
        PERFORM refuse('withdrawal_born', format('withdrawal %s cannot be born %s', NEW.id, NEW.state));
    END IF;
    INSERT INTO withdrawal_events (withdrawal_id, state, happened_at) VALUES (NEW.id, NEW.state, NEW.state_at);
    RETURN NULL;
END $$;
CREATE TRIGGER withdrawal_born AFTER INSERT ON withdrawals FOR EACH ROW EXECUTE FUNCTION withdrawal_born();

-- The terms are fixed from birth, the signature from when it came; the state moves along the table; what is final was
-- mined just there.
CREATE FUNCTION withdrawal_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.member_id, NEW.from_address, NEW.to_address, NEW.amount, NEW.chain_id, NEW.token_address,
        NEW.nonce, NEW.gas_limit, NEW.fee_per_gas_wei_max, NEW.priority_fee_per_gas_wei_max, NEW.prepared_at,
        NEW.expires_at)
       IS DISTINCT FROM
       (OLD.id, OLD.member_id, OLD.from_address, OLD.to_address, OLD.amount, OLD.chain_id, OLD.token_address,
        OLD.nonce, OLD.gas_limit, OLD.fee_per_gas_wei_max, OLD.priority_fee_per_gas_wei_max, OLD.prepared_at,
        OLD.expires_at) THEN
        PERFORM refuse('withdrawal_terms', format('the terms of withdrawal %s are fixed', OLD.id));
    END IF;
    IF OLD.raw IS NOT NULL AND (NEW.raw, NEW.transaction_hash, NEW.signed_at)
       IS DISTINCT FROM (OLD.raw, OLD.transaction_hash, OLD.signed_at) THEN
        PERFORM refuse('withdrawal_signature', format('withdrawal %s is signed once', OLD.id));
    END IF;
    IF (NEW.state, NEW.block_number, NEW.block_hash, NEW.succeeded)
       IS NOT DISTINCT FROM (OLD.state, OLD.block_number, OLD.block_hash, OLD.succeeded) THEN
        RETURN NEW;  -- only looked at again
    END IF;
    IF NOT EXISTS (SELECT FROM withdrawal_transitions WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        PERFORM refuse('withdrawal_transition', format('withdrawal %s: %s to %s', OLD.id, OLD.state, NEW.state));
    END IF;
    IF OLD.state = 'mined' AND NEW.state IN ('confirmed', 'reverted') AND (NEW.block_number, NEW.block_hash, NEW.succeeded)
       IS DISTINCT FROM (OLD.block_number, OLD.block_hash, OLD.succeeded) THEN
        PERFORM refuse('withdrawal_final', format('withdrawal %s is final as it was mined', OLD.id));
    END IF;
    INSERT INTO withdrawal_events (withdrawal_id, state, block_number, happened_at)
    VALUES (NEW.id, NEW.state, NEW.block_number, NEW.state_at);
    RETURN NEW;
END $$;
CREATE TRIGGER withdrawal_changed BEFORE UPDATE ON withdrawals FOR EACH ROW EXECUTE FUNCTION withdrawal_changed();
CREATE TRIGGER never_deleted BEFORE DELETE ON withdrawals FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON withdrawals EXECUTE FUNCTION payout_never_deleted();

-- A withdrawal in the wallet's history, from its signature on; the block when it is known.
ALTER TABLE wallet_transactions
    ADD COLUMN withdrawal_id uuid UNIQUE REFERENCES withdrawals (id),
    ADD COLUMN block_number bigint,
    ADD CHECK ((type = 'withdrawal') = (withdrawal_id IS NOT NULL));
DROP INDEX wallet_transactions_member;
CREATE INDEX wallet_transactions_member ON wallet_transactions (member_id, created_at DESC, id DESC);

-- What a wallet held when the chain was last asked, for when it cannot be asked.
CREATE TABLE wallet_balances (
    member_id    uuid PRIMARY KEY REFERENCES members (id),
    address      evm_address NOT NULL,
    balance      micro_usdt NOT NULL CHECK (balance >= 0),
    block_number bigint NOT NULL,
    as_of        timestamptz NOT NULL
);

-- Beside the id of Oobit's card, how far the card is, as the widget told the app.
ALTER TABLE members ADD COLUMN oobit_card_status text
    CHECK (oobit_card_status IN ('pending', 'active', 'declined', 'closed'));

-- Pages of chips, newest first.
DROP INDEX affiliate_chips_affiliate;
CREATE INDEX affiliate_chips_affiliate ON affiliate_chips (affiliate_id, earned_at DESC, id DESC);
