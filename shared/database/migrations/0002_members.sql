-- Members and how they prove who they are.

CREATE TYPE tier AS ENUM ('standard', 'vip', 'high_roller', 'whale');
CREATE TYPE admin_role AS ENUM ('support', 'operations', 'treasury', 'owner');

CREATE TABLE members (
    id                 uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    number             bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    email              text NOT NULL CHECK (length(email) <= 254),
    email_verified_at  timestamptz,
    password_hash      text NOT NULL,
    username           text NOT NULL CHECK (username ~ '^[A-Za-z0-9_]{3,30}$'),
    full_name          text NOT NULL,
    phone              text,
    date_of_birth      date NOT NULL,
    address_line1      text,
    address_line2      text,
    city               text,
    state              text,
    zip_code           text,
    country            text NOT NULL DEFAULT 'US',
    language           text NOT NULL DEFAULT 'en',
    permanent_tier     tier NOT NULL DEFAULT 'standard',
    wallet_address     evm_address,
    oobit_card_id      text,
    avatar_url         text,
    totp_secret        bytea,
    totp_enabled_at    timestamptz,
    status             text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'deleted')),
    role               admin_role,
    referred_by_id     uuid REFERENCES members (id),
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    last_login_at      timestamptz,
    CHECK (referred_by_id <> id)
);
CREATE UNIQUE INDEX members_email ON members (lower(email));
CREATE UNIQUE INDEX members_username ON members (lower(username));
CREATE UNIQUE INDEX members_wallet ON members (lower(wallet_address)) WHERE wallet_address IS NOT NULL;
CREATE INDEX members_referred_by ON members (referred_by_id) WHERE referred_by_id IS NOT NULL;

-- Running totals, so that no answer ever counts rows. One row per member, born with the member.
CREATE TABLE member_totals (
    member_id      uuid PRIMARY KEY REFERENCES members (id),
    scans          bigint NOT NULL DEFAULT 0,
    recent_scans   timestamptz[] NOT NULL DEFAULT '{}',  -- those of the last hour: bounded by the velocity limit
    lifetime_comps micro_usdt NOT NULL DEFAULT 0,
    comps_paid     micro_usdt NOT NULL DEFAULT 0,
    gold_chips     bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);

-- Codes sent by mail, to prove an address or to reset a password. Only a keyed hash of the code is kept.
CREATE TABLE email_codes (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    member_id  uuid NOT NULL REFERENCES members (id),
    purpose    text NOT NULL CHECK (purpose IN ('verify', 'reset')),
    code_mac   bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    attempts   integer NOT NULL DEFAULT 0,
    used_at    timestamptz
);
CREATE UNIQUE INDEX email_codes_open ON email_codes (member_id, purpose) WHERE used_at IS NULL;

-- One live session per member and kind of device.
CREATE TABLE sessions (
    id           uuid PRIMARY KEY,
    member_id    uuid NOT NULL REFERENCES members (id),
    device_kind  text NOT NULL CHECK (device_kind IN ('mobile', 'desktop')),
    device_id    text,
    ip_address   inet,
    user_agent   text,
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    totp_at      timestamptz,
    ended_at     timestamptz,
    end_reason   text,
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE UNIQUE INDEX sessions_live ON sessions (member_id, device_kind) WHERE ended_at IS NULL;

-- Every refresh token ever given, as its hash. A used one keeps its successor sealed with a key made of the token
-- itself, so that a lost response can be repeated and a database leak cannot be used.
CREATE TABLE refresh_tokens (
    token_hash bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions (id),
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    successor  bytea,
    CHECK ((used_at IS NULL) = (successor IS NULL))
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);

-- Failed sign-ins by account and network, one row per hour and pair, and failed proofs of other kinds.
CREATE TABLE attempt_counters (
    subject    text NOT NULL,
    hour       timestamptz NOT NULL,
    attempts   integer NOT NULL,
    PRIMARY KEY (subject, hour)
);

-- The public half of the keys that sign access tokens; the private half never leaves KMS.
CREATE TABLE signing_keys (
    kid         text PRIMARY KEY,
    kms_version text NOT NULL UNIQUE,
    public_jwk  jsonb NOT NULL,
    created_at  timestamptz NOT NULL,
    active_from timestamptz NOT NULL,
    retired_at  timestamptz
);

-- A message to be signed by the key of the wallet that the member wants to link (EIP-191).
CREATE TABLE wallet_challenges (
    id         uuid PRIMARY KEY,
    member_id  uuid NOT NULL REFERENCES members (id),
    address    evm_address NOT NULL,
    message    text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);

CREATE TABLE wallet_links (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id  uuid NOT NULL REFERENCES members (id),
    address    evm_address NOT NULL,
    method     text NOT NULL CHECK (method IN ('eip191')),
    linked_at  timestamptz NOT NULL
);
CREATE INDEX wallet_links_member ON wallet_links (member_id, linked_at);
SELECT make_append_only('wallet_links');
