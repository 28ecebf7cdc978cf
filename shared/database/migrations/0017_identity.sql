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

-- Ten at a time, each good once; only a keyed hash is kept.
CREATE TABLE backup_codes (
    member_id  uuid NOT NULL REFERENCES members (id),
    code_mac   bytea NOT NULL,
    created_at timestamptz NOT NULL,
    used_at    timestamptz,
    PRIMARY KEY (member_id, code_mac)
);

-- Devices that somebody has signed in on: other people's failures do not lock them out. The token is kept as its hash.
CREATE TABLE known_devices (
    token_hash   bytea PRIMARY KEY,
    member_id    uuid NOT NULL REFERENCES members (id),
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL
);
CREATE INDEX known_devices_member ON known_devices (member_id, last_used_at);

-- Names of a member's own for the link /r/{code}, beside the username. The newest is shown, all of them work for ever:
-- nobody else can take one over. A hyphen keeps them apart from usernames, which have none.
CREATE TABLE referral_codes (
    code       text PRIMARY KEY CHECK (code ~ '^[a-z0-9]+(-[a-z0-9]+)+$' AND length(code) BETWEEN 3 AND 30),
    member_id  uuid NOT NULL REFERENCES members (id),
    created_at timestamptz NOT NULL
);
CREATE INDEX referral_codes_member ON referral_codes (member_id, created_at);

-- Who referred a member is decided at sign-up, when nobody can have been referred by them yet: as long as it never
-- changes, there are no loops. It may be forgotten with the account.
CREATE FUNCTION referral_is_fixed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.referred_by_id IS NOT NULL AND NEW.referred_by_id IS DISTINCT FROM OLD.referred_by_id THEN
        PERFORM refuse('referral_is_fixed', 'who referred a member is decided at sign-up');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER referral_is_fixed BEFORE UPDATE OF referred_by_id ON members
    FOR EACH ROW EXECUTE FUNCTION referral_is_fixed();
