-- How far the search for what used a nonce has come (R5, R8), so that one that is cut off goes on. docs/payouts.md.

-- Which finalized block has the transaction of a nonce, as the nodes have told. A search looks between those of the
-- nonces before and after its own.
CREATE TABLE nonce_uses (
    signer           evm_address NOT NULL REFERENCES signers (address),
    nonce            bigint NOT NULL CHECK (nonce >= 0),
    transaction_hash evm_hash NOT NULL,
    block_number     bigint NOT NULL CHECK (block_number >= 0),
    seen_at          timestamptz NOT NULL,
    PRIMARY KEY (signer, nonce)
);

-- A search that has not found its nonce yet goes down from `top`, first by logs, then by whole blocks. What is at and
-- above `logs_read_to` and `blocks_read_to` has been read; `…_at_once` is how many blocks the nodes answer for.
CREATE TABLE nonce_searches (
    signer         evm_address NOT NULL REFERENCES signers (address),
    nonce          bigint NOT NULL CHECK (nonce >= 0),
    top            bigint NOT NULL CHECK (top >= 0),
    logs_read_to   bigint NOT NULL CHECK (logs_read_to >= 0),
    logs_at_once   integer NOT NULL CHECK (logs_at_once > 0),
    blocks_read_to bigint NOT NULL CHECK (blocks_read_to >= 0),
    blocks_at_once integer NOT NULL CHECK (blocks_at_once > 0),
    begun_at       timestamptz NOT NULL,
    PRIMARY KEY (signer, nonce)
);
