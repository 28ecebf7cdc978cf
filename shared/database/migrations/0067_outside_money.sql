-- What members' wallets get from elsewhere, and what their cards spend (docs/withdrawals.md).

-- How far the token's transfers are read for members.
CREATE TABLE wallet_scans (
    token_address evm_address PRIMARY KEY CHECK (token_address = lower(token_address)),
    scanned_to    bigint      NOT NULL CHECK (scanned_to >= 0),
    block_hash    evm_hash    NOT NULL,
    scanned_at    timestamptz NOT NULL
);

-- A transfer that was found on the chain is in the history once, whoever finds it.
ALTER TABLE wallet_transactions
    ADD COLUMN log_index integer CHECK (log_index >= 0),
    ADD CONSTRAINT wallet_transactions_found CHECK (
        (log_index IS NOT NULL) = (type IN ('external_deposit', 'oobit_spend'))
        AND (log_index IS NULL OR transaction_hash IS NOT NULL AND block_number IS NOT NULL AND status = 'confirmed'));
CREATE UNIQUE INDEX wallet_transactions_log ON wallet_transactions (transaction_hash, log_index, type)
    WHERE log_index IS NOT NULL;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_wallet_watching') THEN
        CREATE ROLE blakjaks_wallet_watching NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_wallet_watching;
GRANT SELECT ON wallet_scans TO blakjaks_read;
GRANT INSERT, UPDATE ON wallet_scans TO blakjaks_wallet_watching;
GRANT INSERT ON wallet_transactions TO blakjaks_wallet_watching;
GRANT SELECT (member_id, transaction_hash, outcome_hash, state, to_address, amount) ON withdrawals
    TO blakjaks_wallet_watching;
