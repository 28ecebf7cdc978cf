-- Second factors, lock-outs, devices, verification, keys of access tokens.

-- Keys that secrets at rest are sealed with, each wrapped by a key that never leaves KMS. The newest seals.
CREATE TABLE data_keys (
    id         uuid PRIMARY KEY,
    kms_key    text NOT NULL,
    wrapped    bytea NOT NULL,
    created_at timestamptz NOT NULL
);

-- A member's authenticator app. Until the first code has proved it, it is not enabled and counts for nothing.
-- last_step only grows: the code of a step, or of an earlier one, is never taken again.
CREATE TABLE second_factors (
    member_id     uuid PRIMARY KEY REFERENCES members (id),
    sealed_secret bytea NOT NULL,
    created_at    timestamptz NOT NULL,
    enabled_at    timestamptz,
    last_step     bigint NOT NULL DEFAULT 0,
    failures      integer NOT NULL DEFAULT 0,  -- within the clock hour failures_in
    failures_in   timestamptz
);
ALTER TABLE members DROP COLUMN totp_secret, DROP COLUMN totp_enabled_at;
