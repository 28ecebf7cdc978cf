-- Wallets that MetaMask Embedded Wallets makes for members (docs/wallets.md): who could open one, and what has proved one.

-- Each token with which a member could open their wallet at the provider; `id` is the token's jti. The token is not kept.
CREATE TABLE wallet_tokens (
    id         uuid PRIMARY KEY,
    member_id  uuid NOT NULL REFERENCES members (id),
    session_id uuid NOT NULL REFERENCES sessions (id),
    issued_at  timestamptz NOT NULL
);
CREATE INDEX wallet_tokens_member ON wallet_tokens (member_id);
CREATE INDEX wallet_tokens_session ON wallet_tokens (session_id);
CREATE INDEX wallet_tokens_issued ON wallet_tokens (issued_at);

-- Each ID token of the provider by which a wallet was linked: none links twice. `mark` is the SHA-256 of what is signed
-- in it (header and payload), because the same content can have several valid signatures.
CREATE TABLE wallet_id_tokens (
    mark      bytea PRIMARY KEY CHECK (octet_length(mark) = 32),
    member_id uuid NOT NULL REFERENCES members (id),
    address   evm_address NOT NULL,
    used_at   timestamptz NOT NULL
);
CREATE INDEX wallet_id_tokens_member ON wallet_id_tokens (member_id);
CREATE INDEX wallet_id_tokens_used ON wallet_id_tokens (used_at);

ALTER TABLE wallet_links
    DROP CONSTRAINT wallet_links_method_check,
    ADD CONSTRAINT wallet_links_method_check CHECK (method IN ('eip191', 'id_token'));

GRANT SELECT ON wallet_tokens, wallet_id_tokens TO blakjaks_read;
GRANT INSERT ON wallet_tokens TO blakjaks_accounts;
GRANT INSERT ON wallet_id_tokens TO blakjaks_wallets;
GRANT DELETE, UPDATE (issued_at) ON wallet_tokens TO blakjaks_erasure;
GRANT DELETE, UPDATE (used_at) ON wallet_id_tokens TO blakjaks_erasure;
